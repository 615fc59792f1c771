"""Small networks as files: checkpoints, weights as others publish them, and ONNX."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmarks.fuzzing.specimens import ANIMAL, Specimen, made_by, single
from pwarp import registry
from pwarp.checkpoints import Card, save
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.models.backbone import Backbone, BackboneConfig

CROP = (32, 24)
_NAME = "dots-for-fuzzing"


class Dots(Backbone):
    """Two convolutions, a stride of 4: a backbone whose files are small."""

    config_type: ClassVar[type[BackboneConfig]] = BackboneConfig
    feature_channels = 4

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4))
        self.final_layer = nn.Conv2d(4, config.keypoints, 1)

    def features(self, crops: Tensor) -> Tensor:
        """(B, 4, h, w)."""
        found: Tensor = self.trunk(crops)
        return found


def _models() -> list[Any]:
    registry.PARTS["backbone"][_NAME] = f"{__name__}:Dots"
    dots = configure(_NAME, keypoints=len(ANIMAL))
    return [
        dots,
        configure("ppn", head=dots, body=dots, channels=4, blocks=1, dilations=(1, 2)),
        configure("posewarper", backbone=dots, channels=4, blocks=1, dilations=(1, 2), offsets=(-1, 0, 1), weights=()),
    ]


def checkpoints() -> list[Specimen]:
    """A backbone, a recurrent model and a window model."""
    found = []
    for config in _models():
        card = Card(config, ANIMAL, Codec(size=CROP, stride=4), training={"data": "none", "seed": 3})
        module = build(config)
        found.append(
            made_by(lambda folder, m=module, c=card: save(folder / "net.safetensors", m, c), "net.safetensors")
        )
    return found


def published() -> list[Specimen]:
    """The same tensors as torch saves them, in its three layouts, and as safetensors."""
    from safetensors.torch import save as dump

    tensors = {f"module.{name}": value for name, value in build(_models()[0]).state_dict().items()}
    files = []
    for held, zipped in (({"state_dict": tensors, "epoch": 3}, True), (tensors, False)):
        out = BytesIO()
        torch.save(held, out, _use_new_zipfile_serialization=zipped)
        files.append(single("weights.pth", out.getvalue()))
    return [*files, single("weights.safetensors", dump(tensors))]


def onnx_networks() -> list[Specimen]:
    """A convolution with what is known of it beside the file."""
    from onnx import TensorProto, helper, numpy_helper

    weight = torch.ones(len(ANIMAL), 3, 4, 4).numpy() / 48
    node = helper.make_node("Conv", ["x", "weight"], ["y"], strides=[4, 4], kernel_shape=[4, 4])
    shapes = ("n", 3, CROP[1], CROP[0]), ("n", len(ANIMAL), CROP[1] // 4, CROP[0] // 4)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in zip("xy", shapes, strict=True))
    graph = helper.make_graph([node], "net", [x], [y], [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    said = {
        "skeleton": {"name": "animal", "keypoints": list(ANIMAL.keypoints), "flip_pairs": [[1, 2]]},
        "size": list(CROP), "padding": 1.25, "codec": "udp", "sigma": 2.0, "mean": [0.5] * 3, "std": [0.25] * 3,
    }  # fmt: skip
    files = {"net.onnx": model.SerializeToString(), "net.onnx.json": json.dumps(said).encode()}
    return [Specimen(files, "net.onnx")]
