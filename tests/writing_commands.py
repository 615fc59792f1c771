"""Each command that writes, on the files of `example_files`; {} is a folder for what it makes."""

from __future__ import annotations

from pathlib import Path

COMMANDS = {
    "linear": "propagate video.mp4 keys.json -o {}/dense.json --engine linear",
    "pchip": "propagate video.mp4 keys.json -o {}/dense.json --engine pchip",
    "flow": "propagate video.mp4 keys.json -o {}/dense.json --engine flow",
    "farneback": "propagate video.mp4 keys.json -o {}/dense.json --engine farneback",
    "auto": "propagate video.mp4 keys.json -o {}/dense.json",
    "run": "run videos --labels keys --out {}/run --engine flow --segment 4 -q",
    "detect": "detect video.mp4 -o {}/boxes.json --detector hog",
    "track": "track video.mp4 boxes.json -o {}/tracks.json",
    "study": "study video.mp4 keys.json -o {}/calibration.json --engines linear,flow",
    "suggest": "suggest video.mp4 dense.json -o {}/suggested.json",
    "augment": "augment keys.json dense.json -o {}/train.json",
    "overlay": "view video.mp4 dense.json -o {}/overlay.mp4",
    "sheet": "view video.mp4 dense.json -o {}/sheet.png --frames 2",
    "review": "review video.mp4 dense.json -o {}/page.html",
    "eval": "eval dense.json truth.json --plot {}/plots.svg",
    "jsonl": "convert dense.json {}/labels.jsonl",
    "csv": "convert dense.json {}/labels.csv --video video.mp4",
    "cvat": "convert dense.json {}/labels.xml --to cvat --video video.mp4",
    "sleap": "convert dense.json {}/labels.slp --to sleap",
    "yolo": "convert dense.json {}/yolo --to yolo-pose --video video.mp4",
    "export": "export hrnet.safetensors -o {}/hrnet.onnx",
    "synth": "synth -o {}/clip --frames 5 --size 96x72 --every 2",
}
OF_NETWORKS = {
    "estimate": "estimate video.mp4 people.json -o {}/poses.json --model hrnet.safetensors --threads {threads}",
    "refine": "refine video.mp4 poses.json -o {}/refined.json --weights warper.safetensors --offsets -1..1",
    "recurrent": "refine video.mp4 poses.json -o {}/refined.json --weights ppn.safetensors",
    "posewarper": "propagate video.mp4 keys.json -o {}/dense.json --engine posewarper --weights warper.safetensors",
    "estimator": "propagate video.mp4 keys.json -o {}/dense.json --estimator hrnet.safetensors",
    "train": "train estimator keys.json -o {}/run --backbone duc-mobilenet --size 32x32 --batch 4 --steps 2 "
    "--val-every 2 --save-every 2 --log-every 1 --device cpu --precision fp32 -q",
}
ALL = COMMANDS | OF_NETWORKS


def files(folder: Path) -> dict[str, bytes]:
    """What is in a folder and those below it, by the path in it."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
