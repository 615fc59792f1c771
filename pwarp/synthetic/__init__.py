"""Rendered people with exact truth, for demos, tests and training.

`Scene(SceneConfig(seed=1))` gives frames (`frame(i)`, `frames()`) and their truth (`annotations`);
`write_scene` makes a video file and a label file of it.
"""

from pwarp.synthetic.files import key_labels, write_scene
from pwarp.synthetic.motions import MOTIONS
from pwarp.synthetic.scene import Scene, SceneConfig

__all__ = ["MOTIONS", "Scene", "SceneConfig", "key_labels", "write_scene"]
