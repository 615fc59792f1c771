"""The files that the examples of the help texts and of the README name, small."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
from toy_warper import SIZE, ToyConfig, toy_checkpoint

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.checkpoints import Card, save
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.propagation import Options, propagate
from pwarp.propagation.scores import Calibration, ScoreMap, write_calibration
from pwarp.skeleton import COCO_17
from pwarp.synthetic import Scene, SceneConfig, write_scene
from pwarp.video import open_video


def write_files(here: Path) -> None:
    """Fill a folder with everything that the examples name: 13 frames of two people, and what comes of them."""
    config = SceneConfig(seed=4, frames=13, width=96, height=72, people=2, samples=1, camera=False)
    write_scene(Scene(config), here, every=3)
    # The examples use them with the video and with its pictures, whose fingerprints differ.
    keys, truth = (anonymous(here / f"{name}.json") for name in ("keys", "truth"))
    with open_video(here / "video.mp4") as video:
        dense = propagate(video, keys, Options("linear"))
        formats.write(keys, here / "annotations.xml", format="cvat", video=video)
        (here / "frames").mkdir()
        for frame, picture in video.frames():
            cv2.imwrite(str(here / f"frames/{frame:03d}.png"), picture)
    for name in ("dense", "linear", "auto", "poses", "dense-corrected", "people", "train", "refined"):
        formats.write(dense, here / f"{name}.json")
    alone = json.loads((here / "keys.json").read_text())
    alone["tracks"] = []
    for row in alone["annotations"]:
        del row["track_id"]
    (here / "keys-without-ids.json").write_text(json.dumps(alone))
    shutil.copy(here / "keys-without-ids.json", here / "boxes.json")
    shutil.copy(here / "keys.json", here / "labels.json")
    for name in ("dog.mp4", "clip.mp4", "v.mp4"):
        shutil.copy(here / "video.mp4", here / name)
    for folder in ("demo", "demo-out", "clips/000", "clips/001"):
        (here / folder).mkdir(parents=True)
        for name in ("video.mp4", "keys.json", "truth.json"):
            shutil.copy(here / name, here / folder / name)
    for name in ("a", "b"):
        for folder, labels in (("keys", keys), ("dense", dense), ("labels", truth)):
            (here / folder).mkdir(exist_ok=True)
            named = replace(labels, video=replace(labels.video, path=f"{name}.mp4"))
            formats.write(named, here / folder / f"{name}.json")
        (here / "videos").mkdir(exist_ok=True)
        shutil.copy(here / "video.mp4", here / f"videos/{name}.mp4")
    (here / "project.toml").write_text('[propagate]\nengine = "linear"\n')
    scores = ScoreMap((0.1, 0.9), (0.2, 0.8), 40)
    write_calibration(Calibration("torso:5-12", 0.1, {"auto": scores, "linear": scores}), here / "calibration.json")
    toy = ToyConfig(name="toy", keypoints=17)
    ppn = configure("ppn", head=toy, body=toy, channels=6, blocks=1, dilations=(1, 2))
    for run in ("r18", "warp"):
        (here / f"runs/{run}").mkdir(parents=True)
    # Examples put the estimator beside networks whose crops are multiples of 32.
    for name, config, size in (("hrnet", toy, SIZE), ("ppn", ppn, SIZE), ("runs/r18/best", toy, (64, 64))):
        card = Card(model=config, skeleton=COCO_17, codec=Codec("dark", size))
        save(here / f"{name}.safetensors", build(config), card)
    shutil.copy(toy_checkpoint(COCO_17.keypoints), here / "warper.safetensors")
    shutil.copy(here / "warper.safetensors", here / "runs/warp/best.safetensors")


def anonymous(path: Path) -> Annotations:
    """Labels that no longer say of which video's pixels they are, also in their file."""
    labels = formats.read(path)
    labels = replace(labels, video=replace(labels.video, fingerprint=None))
    formats.write(labels, path, force=True)
    return labels
