"""The networks: backbones and one file a paper, each a frozen config and a module.

`configure` names what is wanted, `build` makes it; a config goes to plain values and back (`Config.to_dict`,
`Config.from_dict`). All networks take crops (B, 3, H, W), RGB, normalised as for ImageNet, and give heatmaps
(B, K, h, w) of K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pwarp.models.config import Config, network_class

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Config", "build", "configure"]


def configure(name: str, **options: Any) -> Config:
    """The config of a registered backbone or model; options not given take its defaults.

    Nested configs may be given as configs or as plain dicts with a name. Raises PwarpError where name, option or
    value is unknown or wrong.
    """
    return Config.from_dict({"name": name, **options})


def build(config: Config | Mapping[str, Any]) -> nn.Module:
    """A fresh network, randomly initialised as its paper says; errors as in `configure`.

    Its attribute `config` is the config that it was built from.
    """
    config = config if isinstance(config, Config) else Config.from_dict(config)
    network: nn.Module = network_class(config.name)(config)
    return network
