"""The recipes by name: `paper` follows a paper's text, `released` the code of its authors where it was published,
`small` fits two CPU cores. Every value can be replaced.

PoseWarper: Bertasius et al. (NeurIPS 2019), section 3.3. DCPose: Liu et al. (CVPR 2021), section 4.1; the released
settings are those for PoseTrack17. GLPose: Jiao et al. (TOMM 2022), section 4.1. PPN: Liu & Chen (IEEE Access 2020),
section IV-B, PPN-Stable. DKD: Nie et al. (ICCV 2019), section 4.1, with ResNet-50. Not printed, and chosen here: the
batch of GLPose and DKD, and that an epoch of DKD is each labelled pose once, in the middle of a clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pwarp.errors import PwarpError
from pwarp.models.config import config_class
from pwarp.training.augment import UNIFORM_AUGMENTATION, Augmentation
from pwarp.training.recipe import Recipe

_SMALL = Recipe(
    "small",
    backbone="duc-r18",
    head="duc-r18",
    size=(128, 128),
    codec="dark",
    sigma=2.0,
    steps=2000,
    batch=16,
    rate=1e-3,
    schedule="cosine",
    augmentation=Augmentation(scale=0.3, rotation=30.0),
)
# A clip is five crops, and with an adversary many more.
_SMALL_CLIPS = replace(
    _SMALL,
    backbone="duc-mobilenet",
    size=(96, 96),
    batch=4,
    augmentation=replace(UNIFORM_AUGMENTATION, spin=30.0),
    frozen=False,
    # Fresh parts need the rate; networks that have learned already would unlearn at it what they know.
    known_factor=0.1,
)
_CLIPS = Recipe("paper", size=(256, 256), sigma=2.0, batch=8, augmentation=UNIFORM_AUGMENTATION, frozen=False)
_FOUR = (0.2, 0.4, 0.6, 0.8)  # every 4 of 20 epochs

# By what is trained, by name. The first one is the default.
RECIPES: dict[str, dict[str, Recipe]] = {
    "estimator": {
        "small": _SMALL,
        "paper": Recipe("paper"),
        "released": Recipe("released", epochs=10.0, drops=(0.5, 0.7)),
    },
    "posewarper": {
        "small": replace(_SMALL, model={"channels": 32, "blocks": 4}),
        "paper": Recipe("paper", model={"combine": "sum", "offsets": [-3, -2, -1, 0, 1, 2, 3], "weights": []}),
        "released": Recipe("released", delta=2, moving_statistics=True, batch=64),
    },
    "dcpose": {
        "small": replace(_SMALL, model={"channels": 32, "dilations": [3, 6, 9]}),
        "paper": Recipe("paper", model={"form": "as_paper"}, drops=_FOUR, factor=0.9),
        "released": Recipe("released", batch=64, rate=1e-3, drops=_FOUR, moving_statistics=True),
    },
    "glpose": {
        "small": replace(_SMALL, batch=8, model={"reach": 2, "proposals": 3, "sampled": 6}),
        "paper": Recipe(
            "paper",
            batch=16,
            rate=1e-3,
            drops=(0.3, 0.6, 0.9),
            augmentation=Augmentation(rotation=0.0, turned=0.0, spin=45.0),
        ),
    },
    "ppn": {
        "small": _SMALL_CLIPS,
        "paper": replace(_CLIPS, backbone="duc-r18", steps=300_000, schedule="linear", decay=1e-5),
    },
    "dkd": {
        "small": replace(_SMALL_CLIPS, model={"channels": 64}),
        "paper": replace(
            _CLIPS,
            backbone="simple-r50",
            backbone_options={"deconvs": 2},
            head="simple-r101",
            head_options={"deconvs": 2},
            epochs=40.0,
            optimiser="rmsprop",
            rate=5e-4,
            drops=(15 / 40, 25 / 40),
        ),
    },
}


def recipe(kind: str, name: str, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some values replaced; None leaves a value as it is, and epochs take the place of steps.

    Options of the model come beside the recipe's. With another backbone those of its options stay that this one has,
    too. Raises PwarpError for a name that there is not.
    """
    table = RECIPES[kind]
    if name not in table:
        raise PwarpError(f"no recipe '{name}' for {kind}; there are: {', '.join(table)}")
    base = table[name]
    given = {key: value for key, value in changes.items() if value is not None}
    if "epochs" in given and "steps" not in given:
        given["steps"] = None
    if "model" in given:
        given["model"] = {**base.model, **given["model"]}
    for network in ("backbone", "head"):
        options = f"{network}_options"
        if network in given and options not in given:
            known = {field.name for field in fields(config_class(given[network]))}
            given[options] = {key: value for key, value in getattr(base, options).items() if key in known}
    return replace(base, **given)
