"""How fast the review page is with many people and frames.

    python -m benchmarks.review [--people 10] [--frames 2000] [--size 640x360] [--jumps 60]

Renders no people: coloured noise that moves, and poses that wander over it, labelled by hand every 25 frames and
computed in between. The page is opened in a headless Chromium without a GPU, which is slower than what people have on
their desks. Times: from asking for the page to its first frame; from asking for a random frame to that frame with its
poses on the screen (a jump), and for the next one (a step); from a key press that corrects a keypoint to the drawn
page. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track
from pwarp.review.h264 import h264_file
from pwarp.review.page import PageOptions, write_page
from pwarp.skeleton import COCO_17
from pwarp.video import open_video

SPACING = 25
_JUMP = """async (frames) => {
  const stage = document.querySelector('#stage');
  const field = document.querySelector('#frame');
  const times = [];
  for (const frame of frames) {
    const began = performance.now();
    field.value = frame;
    field.dispatchEvent(new Event('change'));
    while (stage.dataset.shown !== String(frame)) await new Promise(requestAnimationFrame);
    times.push(performance.now() - began);
  }
  return times;
}"""
_CORRECT = """async (count) => {
  const stage = document.querySelector('#stage');
  const press = (key) => stage.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  press('ArrowDown');
  const times = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    press('d');
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done));
    times.push(performance.now() - began);
  }
  return times;
}"""


def write_clip(path: Path, frames: int, width: int, height: int) -> None:
    """Noise that drifts, so that every frame costs bits as filmed ones do."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 2, width // 8 + frames // 8 + 2, 3))
    big = noise.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with h264_file(path, width, height, Fraction(25)) as append:
        for i in range(frames):
            append(np.ascontiguousarray(big[:height, i : i + width]), i / 25)


def labels(people: int, frames: int, width: int, height: int) -> Annotations:
    """People who wander, with scores that fall between key frames."""
    generator = np.random.default_rng(1)
    count = len(COCO_17)
    tracks = []
    for id in range(people):
        steps = generator.normal(0, 1.5, (frames, 1, 2)).cumsum(axis=0)
        place = generator.uniform(0.2, 0.8, 2) * (width, height)
        xy = np.clip(place + steps + generator.normal(0, 30, (1, count, 2)), 0, (width - 1, height - 1))
        key = np.arange(frames) % SPACING == 0
        source = np.where(key[:, None], Source.MANUAL, Source.PROPAGATED) * np.ones((1, count), dtype=np.int64)
        score = np.where(key[:, None], np.nan, generator.beta(6, 1.2, (frames, count)))
        tracks.append(Track.make(id, np.arange(frames), xy, source=source, score=score))
    return Annotations(COCO_17, tracks=tuple(tracks))


def measured(page: Path, frames: int, jumps: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of work in the browser."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("PWARP_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("needs a Chromium: install Debian's chromium, or name one in PWARP_CHROMIUM")
    places = np.random.default_rng(2).integers(1, frames - 1, jumps)
    with sync_playwright() as driver:
        browser: Any = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-ready]")
        opened = 1000 * (time.perf_counter() - began)
        first = int(places[-1])
        times = {
            "open": [opened],
            "jump": tab.evaluate(_JUMP, places.tolist()),
            "step": tab.evaluate(_JUMP, [(first + i) % frames for i in range(1, jumps)]),
            "correct": tab.evaluate(_CORRECT, 20),
        }
        browser.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--jumps", type=int, default=60)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    with TemporaryDirectory(prefix="pwarp-benchmark-") as folder:
        clip, page = Path(folder, "clip.mp4"), Path(folder, "page.html")
        write_clip(clip, options.frames, width, height)
        with open_video(clip) as video:
            dense = Path(folder, "dense.json")
            formats.write(labels(options.people, options.frames, width, height), dense)
            annotations = formats.read(dense, video=video)
            began = time.perf_counter()
            with page.open("wb") as out:
                film = write_page(out, video, annotations, PageOptions(dense.name))
            made = time.perf_counter() - began
        size = page.stat().st_size
        print(f"{options.people} people, {options.frames} frames of {width}x{height}: page of {size / 1e6:.1f} MB")
        print(f"(of which the film {film.size * 4 / 3 / 1e6:.1f} MB), made in {made:.1f} s\n")
        print("| work in the page | median ms | 95 % ms |\n|---|---|---|")
        for name, times in measured(page, options.frames, options.jumps).items():
            print(f"| {name} | {np.median(times):.0f} | {np.percentile(times, 95):.0f} |")


if __name__ == "__main__":
    main()
