"""The review page in a real browser: what it shows, what can be corrected, and that the corrections come back exactly.

Needs a Chromium (Debian's, or the one that PWARP_CHROMIUM names); these tests skip without one.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered_clips import HEIGHT, WIDTH, make_clip, number_in, numbered
from PIL import Image
from pwarp_cli.main import run

from pwarp import formats
from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.propagation import Options, propagate
from pwarp.review.page.carried import carried
from pwarp.review.page.document import SCRIPTS
from pwarp.skeleton import Skeleton
from pwarp.video import open_video

CHROMIUM = os.environ.get("PWARP_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking"]
FRAMES = 47
KEYS = [0, 11, 23, 46]
# Names that would be markup, or end a script, if anything put them into the page as they are.
EVIL = "</script><script>document.title='hacked'</script>"
SKELETON = Skeleton(EVIL, ("nose", EVIL, "tail & \"fin\""), edges=((0, 1), (1, 2)))  # fmt: skip


def keyed() -> Annotations:
    """Two tracks: 4, labelled in the key frames with numbers that have no short form; 9, only detected."""
    frames = np.array(KEYS)
    xy = np.array([[30.1, 40.7], [50.3, 47.9], [41.123456789012345, 60.2]]) + frames[:, None, None] * (0.7, 0.1)
    visibility = np.full((len(KEYS), 3), 2)
    visibility[1, 2] = 1
    visibility[2, 0] = 0
    earlier = Replaced(11, 1, 1.0, 2.5, 2, Source.PROPAGATED)
    person = Track.make(4, frames, xy, visibility, absent=[(30, 35)], replaced=(earlier,))
    found = np.array([[[80.5, 50.25], [90.1, 55.5], [85.3, 66.6]]])
    detected = Track.make(9, [20], found, source=np.full((1, 3), Source.DETECTED), score=[[0.25, 0.5, 0.75]])
    return Annotations(SKELETON, tracks=(person, detected))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with video.mp4, dense.json and its page.html."""
    folder = tmp_path_factory.mktemp("review")
    make_clip(folder / "video.mp4", count=FRAMES)
    with open_video(folder / "video.mp4") as video:
        dense = propagate(video, keyed(), Options("linear"))
        # What propagation made is a little unsure, most of all in frame 17.
        tracks = [replace(t, score=_scored(t)) if t.id == 4 else t for t in dense.tracks]
        formats.write(replace(dense, tracks=tuple(tracks)), folder / "dense.json", video=video)
    pwarp(folder, "review", "video.mp4", "dense.json", "-o", "page.html", "-q")
    return folder


def _scored(track: Track) -> np.ndarray:
    score = np.where(track.source == Source.PROPAGATED, 0.9, np.nan)
    score[track.at(17)] = [0.3, 0.1, 0.2]
    return score


def pwarp(folder: Path, *arguments: str) -> int:
    before, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["pwarp", *arguments]
    try:
        with pytest.raises(SystemExit) as end:
            run()
    finally:
        os.chdir(before)
        sys.argv = argv
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs a Chromium: none is installed, and PWARP_CHROMIUM names none")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Page:
    """The page in the browser, as a person uses it."""

    def __init__(self, browser: Any, path: Path, context: Any = None) -> None:
        self.context = context or browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
        self.tab = self.context.new_page()
        self.errors: list[str] = []
        self.fetched: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.tab.on("request", lambda request: self.fetched.append(request.url))
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("body[data-ready]")
        self.at(0)

    def at(self, frame: int) -> None:
        self.tab.wait_for_selector(f"#stage[data-shown='{frame}']")

    def go(self, frame: int) -> None:
        self.tab.fill("#frame", str(frame))
        self.tab.press("#frame", "Enter")
        self.tab.focus("#stage")
        self.at(frame)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds; the page's policy forbids Playwright's own way, which evaluates text."""
        for _ in range(200):
            if condition():
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError("waited ten seconds in vain")

    def shown(self) -> int:
        return int(self.tab.get_attribute("#stage", "data-shown"))

    def number(self) -> int:
        """The number that the picture on the stage shows, poses being hidden and the whole picture in sight."""
        grey = self.tab.evaluate(
            """([w, h, rows]) => {
              const stage = document.querySelector('#stage canvas');
              const fit = Math.min(stage.width / w, stage.height / h);
              const canvas = new OffscreenCanvas(w, rows).getContext('2d', {willReadFrequently: true});
              canvas.drawImage(stage, (stage.width - w * fit) / 2, (stage.height - h * fit) / 2, w * fit, rows * fit,
                0, 0, w, rows);
              return [...canvas.getImageData(0, 0, w, rows).data.filter((_, i) => i % 4 === 1)];
            }""",
            [WIDTH, HEIGHT, 16],
        )
        return number_in(np.array(grey).reshape(16, WIDTH))

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a place in the video is on the screen, the whole picture being shown."""
        box = self.tab.locator("#stage").bounding_box()
        fit = min(box["width"] / WIDTH, box["height"] / HEIGHT)
        left, top = box["x"] + (box["width"] - WIDTH * fit) / 2, box["y"] + (box["height"] - HEIGHT * fit) / 2
        return left + (x + 0.5) * fit, top + (y + 0.5) * fit

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.tab.mouse
        mouse.move(*self.on_screen(*start))
        mouse.down()
        mouse.move(*self.on_screen(*end), steps=4)
        mouse.up()

    def export(self) -> Annotations:
        with self.tab.expect_download() as download:
            self.tab.click("#export")
        self.tab.click("#exported button")
        self.file = Path(download.value.path()).read_bytes()
        self.name = download.value.suggested_filename
        kept = Path(download.value.path()).with_suffix(".json")
        kept.write_bytes(self.file)
        return formats.read(kept)


@pytest.fixture
def page(browser: Any, here: Path) -> Iterator[Page]:
    page = Page(browser, here / "page.html")
    yield page
    assert page.errors == []
    page.context.close()


def dense_of(folder: Path) -> Annotations:
    with open_video(folder / "video.mp4") as video:
        return formats.read(folder / "dense.json", video=video)


def keypoint(track: Track, frame: int, k: int) -> tuple[float, float, int, Source]:
    row = track.at(frame)
    assert row is not None
    return (*track.xy[row, k].tolist(), int(track.visibility[row, k]), Source(track.source[row, k]))


# --- what it shows ---


def test_every_frame_shown_is_the_frame_asked_for(page: Page) -> None:
    page.press("h")  # no poses over the pattern
    for frame in [1, 11, 12, 13, 46, 45, 0, 30]:
        page.go(frame)
        assert page.number() == frame
    page.press("ArrowRight")
    page.at(31)
    assert page.number() == 31


def test_playing_shows_the_pose_of_the_frame_that_is_seen(page: Page) -> None:
    page.press("h", "Home", "Space")
    page.wait(lambda: page.shown() > 8)
    page.press("Space")
    page.wait(lambda: page.tab.inner_text("#play") == "Play")
    page.tab.wait_for_timeout(400)
    shown = page.shown()
    assert 8 < shown < FRAMES
    assert page.tab.input_value("#frame") == str(shown)
    assert page.number() == shown


def test_nothing_is_fetched_and_names_are_text(page: Page, here: Path) -> None:
    assert [url for url in page.fetched if not url.startswith(("file:", "blob:"))] == []
    assert len([url for url in page.fetched if url.startswith("file:")]) == 1
    assert page.tab.title() == "video.mp4 · dense.json — pwarp review"
    names = page.tab.locator("#keypoints .name").all_text_contents()
    assert names == list(SKELETON.keypoints)
    assert EVIL.encode() not in (here / "page.html").read_bytes()


def test_the_worst_frame_comes_first_and_keys_lead_there(page: Page) -> None:
    first = page.tab.locator("#worst button").first
    assert first.get_attribute("aria-label").startswith("Frame 17, track 4, score 0.20, least sure: ")
    page.press("n")
    page.at(17)
    assert "0.10" in page.tab.locator("#keypoints li.chosen").inner_text()
    page.press("]")
    page.at(23)
    assert page.tab.is_visible("#key-here")
    page.press("[")
    page.at(11)
    page.press("End")
    page.at(FRAMES - 1)


def test_the_timeline_scrubs_and_chooses(page: Page) -> None:
    box = page.tab.locator("#rows").bounding_box()
    page.tab.mouse.click(box["x"] + 124 + (box["width"] - 138) * 20.5 / FRAMES, box["y"] + 6)
    page.at(20)
    # Below track 4 come its three keypoints, then track 9.
    page.tab.mouse.click(box["x"] + 124 + (box["width"] - 138) * 20.5 / FRAMES, box["y"] + 2 + 19 + 3 * 11 + 4 + 9)
    assert page.tab.input_value("#person") == "1"
    assert page.tab.inner_text("#person-state") == "detected"


# --- corrections ---


def test_without_corrections_the_export_is_what_people_set(page: Page, here: Path) -> None:
    exported, dense = page.export(), dense_of(here)
    assert page.name == "dense-corrected.json"
    assert exported.video == dense.video
    assert exported.skeleton == SKELETON
    keys, mine = exported.track(4), dense.track(4)
    assert keys.frames.tolist() == KEYS
    assert keys.same_as(replace(mine.rows(mine.by_person.any(axis=1)), absent=keys.absent))
    assert keys.absent.tolist() == [[30, 35]]
    assert exported.track(9).same_as(dense.track(9))


def test_a_dragged_keypoint_is_a_correction_with_the_old_value_beside_it(page: Page, here: Path) -> None:
    track = dense_of(here).track(4)
    page.go(17)
    x, y, _, _ = keypoint(track, 17, 2)
    page.drag((x, y), (x + 20, y - 8))
    moved = page.export().track(4)
    new_x, new_y, visibility, source = keypoint(moved, 17, 2)
    assert (visibility, source) == (1, Source.CORRECTED)  # still occluded, as in the nearer key frame
    assert (new_x, new_y) == (pytest.approx(x + 20, abs=0.1), pytest.approx(y - 8, abs=0.1))
    assert (round(new_x, 2), round(new_y, 2)) == (new_x, new_y)
    assert moved.replaced[0] == track.replaced[0]
    (old,) = moved.replaced[1:]
    assert (old.frame, old.keypoint, old.visibility, old.source) == (17, 2, 1, Source.PROPAGATED)
    assert (old.x, old.y) == (pytest.approx(x, abs=1e-4), pytest.approx(y, abs=1e-4))
    # Nothing else of that pose became a label, and what people set is there bit for bit.
    assert moved.labelled[moved.at(17)].tolist() == [False, False, True]
    others = moved.rows(moved.frames != 17)
    assert others.xy.tobytes() == track.rows(track.by_person.any(axis=1)).xy.tobytes()


def test_a_corrected_label_keeps_its_own_last_bit(page: Page, here: Path) -> None:
    """Only the visibility of a manual keypoint changes: its place stays exactly, and so does what was replaced."""
    track = dense_of(here).track(4)
    x, y, _, _ = keypoint(track, 0, 2)
    page.go(0)
    page.press("ArrowDown", "ArrowDown", "ArrowDown", "1")
    corrected = page.export().track(4)
    assert keypoint(corrected, 0, 2) == (x, y, 1, Source.CORRECTED)
    assert corrected.replaced[-1] == Replaced(0, 2, x, y, 2, Source.MANUAL)
    assert keypoint(corrected, 0, 1) == keypoint(track, 0, 1)


def test_taken_away_confirmed_and_placed(page: Page, here: Path) -> None:
    track = dense_of(here).track(4)
    page.go(17)
    page.press("ArrowDown", "0")
    page.press("ArrowDown", "Enter")
    page.go(23)  # where the first keypoint was never labelled
    page.press("ArrowUp", "2")
    exported = page.export().track(4)
    row = exported.at(17)
    assert exported.visibility[row].tolist() == [0, 2, 0]
    x, y, visibility, source = keypoint(exported, 17, 1)
    assert (x, y) == (
        pytest.approx(keypoint(track, 17, 1)[0], abs=1e-4),
        pytest.approx(keypoint(track, 17, 1)[1], abs=1e-4),
    )
    assert (visibility, source) == (2, Source.CORRECTED)
    assert {(old.frame, old.keypoint) for old in exported.replaced} == {(11, 1), (17, 0), (17, 1)}
    assert keypoint(exported, 23, 0)[2:] == (2, Source.CORRECTED)


def test_absence_takes_labels_away_and_can_be_taken_back(page: Page, here: Path) -> None:
    track = dense_of(here).track(4)
    page.go(11)
    page.press("x")
    page.wait(lambda: page.tab.inner_text("#stage-note") == "Person 4 is absent here")  # drawn with the next picture
    assert page.tab.locator("#keypoints .levels button").first.is_disabled()
    page.go(24)
    page.press("Shift+X")
    page.go(32)
    page.press("Shift+X")
    exported = page.export().track(4)
    # The key frame after frame 24 is 46: absent up to there; then there again from 32 on.
    assert exported.absent.tolist() == [[11, 11], [24, 31]]
    assert exported.frames.tolist() == [0, 23, 46]
    gone = exported.replaced[1:]
    assert [(old.frame, old.x, old.y) for old in gone] == [(11, *keypoint(track, 11, k)[:2]) for k in range(3)]
    page.press("Control+z", "Control+z", "Control+z")
    assert page.export().track(4).absent.tolist() == [[30, 35]]


def test_a_mark_of_absence_that_is_withdrawn_in_a_later_session_gives_the_labels_back(
    page: Page, browser: Any, here: Path, tmp_path: Path
) -> None:
    """But not what a person had taken away before: here keypoint 1 of frame 23."""
    shutil.copy(here / "video.mp4", tmp_path)
    sessions = [page]

    def go_on() -> Page:
        sessions[-1].export()
        name = f"labels-{len(sessions)}"
        (tmp_path / f"{name}.json").write_bytes(sessions[-1].file)
        assert pwarp(tmp_path, "review", "video.mp4", f"{name}.json", "-o", f"{name}.html", "-q") == 0
        sessions.append(Page(browser, tmp_path / f"{name}.html"))
        return sessions[-1]

    page.go(23)
    page.press("ArrowDown", "ArrowDown", "0")
    before = page.export().track(4)
    second = go_on()
    second.go(11)
    second.press("x")
    second.go(23)
    second.press("x")
    assert second.export().track(4).frames.tolist() == [0, 46]
    third = go_on()
    for frame in (11, 23):
        third.go(frame)
        third.press("x")
    after = third.export().track(4)
    assert 1 in np.flatnonzero(before.visibility[before.at(23)] == 0)
    assert after.same_as(before)
    for one in sessions[1:]:
        assert one.errors == []
        one.context.close()


def test_undo_and_redo(page: Page) -> None:
    page.go(17)
    page.press("ArrowDown", "2")
    page.press("ArrowDown", "d", "d", "d")  # held down: one step
    corrections = page.tab.locator("#export")
    assert corrections.inner_text() == "Export 2 corrections"
    page.press("Control+z")
    assert corrections.inner_text() == "Export 1 correction"
    page.press("Control+z")
    assert corrections.inner_text() == "Export"
    page.press("Control+z")
    page.press("Control+Shift+Z", "Control+y")
    assert corrections.inner_text() == "Export 2 corrections"
    page.tab.click("#discard")
    assert corrections.inner_text() == "Export"
    page.press("Control+z")
    assert corrections.inner_text() == "Export 2 corrections"


def test_corrections_survive_closing_the_page(browser: Any, here: Path) -> None:
    first = Page(browser, here / "page.html")
    first.go(17)
    first.press("Shift+Enter")
    first.press("x")
    first.press("Control+z")
    exported = first.export()
    first.tab.close()
    again = Page(browser, here / "page.html", first.context)
    assert "3 corrections of your last visit are back" in again.tab.inner_text("#status")
    assert again.export().same_as(exported)
    assert exported.track(4).source[exported.track(4).at(17)].tolist() == [Source.CORRECTED] * 3
    first.context.close()


def test_a_detected_person_keeps_what_was_detected(page: Page, here: Path) -> None:
    track = dense_of(here).track(9)
    page.go(20)
    page.press("p", "ArrowDown", "ArrowDown", "1")
    exported = page.export().track(9)
    assert exported.source.tolist() == [[Source.DETECTED, Source.CORRECTED, Source.DETECTED]]
    assert exported.visibility.tolist() == [[2, 1, 2]]
    assert exported.xy.tobytes() == track.xy.tobytes()
    assert exported.score[0, [0, 2]].tolist() == [0.25, 0.75]


def test_propagate_takes_the_corrections_back(page: Page, here: Path) -> None:
    """From the page through `pwarp propagate`: the corrected keypoint stays, its neighbours follow, no label moves."""
    before = dense_of(here).track(4)
    page.go(17)
    x, y, _, _ = keypoint(before, 17, 2)
    page.drag((x, y), (x + 20, y - 8))
    page.press("ArrowUp", "ArrowUp", "0")
    corrected = page.export().track(4)
    (here / page.name).write_bytes(page.file)
    assert (
        pwarp(here, "propagate", "video.mp4", page.name, "-o", "again.json", "--engine", "linear", "--force", "-q") == 0
    )
    again = formats.read(here / "again.json").track(4)
    assert keypoint(again, 17, 2) == keypoint(corrected, 17, 2)
    assert again.replaced == corrected.replaced
    assert keypoint(again, 16, 2)[0] > keypoint(before, 16, 2)[0] + 10
    assert again.visibility[again.at(17)].tolist() == [0, 2, 1]
    keys = [again.at(frame) for frame in KEYS]
    assert again.xy[keys].tobytes() == before.xy[[before.at(frame) for frame in KEYS]].tobytes()


def test_pictures_keep_their_names(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for i, name in enumerate(["a.png", "b.png", "it's c.png"]):
        Image.fromarray(numbered(i, 97, 65)).save(folder / name)  # odd sizes: the film is padded, the page is not
    xy = np.array([[[5.5, 40.5], [20.25, 50.0], [95.0, 63.0]]])
    labels = Annotations(SKELETON, tracks=(Track.make(2, [0], xy),))
    with open_video(folder) as video:
        formats.write(formats.read(_written(labels, tmp_path), video=video), tmp_path / "keys.json", video=video)
    assert pwarp(tmp_path, "review", "my pictures", "keys.json", "-o", "p.html", "-q") == 0
    page = Page(browser, tmp_path / "p.html")
    page.go(2)
    assert page.tab.inner_text("#moment") == "it's c.png"
    page.press("ArrowDown", "2")
    exported = page.export()
    assert keypoint(exported.track(2), 2, 0) == (5.5, 40.5, 2, Source.CORRECTED)
    images = json.loads(page.file)["images"]
    assert [image["file_name"].rpartition("/")[2] for image in images] == ["a.png", "it's c.png"]
    assert page.tab.text_content("#exported-command") == (
        "pwarp propagate 'my pictures' keys-corrected.json -o keys-2.json"
    )
    assert page.errors == []
    page.context.close()


def _written(labels: Annotations, folder: Path) -> Path:
    formats.write(labels, folder / "plain.json")
    return folder / "plain.json"


# --- the command ---


def test_a_head_box_travels_without_the_pose_that_was_computed_around_it(here: Path) -> None:
    xy = np.array([[[30.5, 40.0], [50.0, 48.0], [41.0, 60.0]]] * 3)
    xy[1] = np.nan
    head_boxes = np.array([[np.nan] * 4, [10.0, 11, 20, 22], [np.nan] * 4])
    given = Annotations(SKELETON, tracks=(Track.make(7, [0, 9, 46], xy, head_boxes=head_boxes),))
    with open_video(here / "video.mp4") as video:
        dense = propagate(video, given, Options("linear"))
    assert dense.track(7).labelled[9].all()
    (track,) = carried(dense).tracks
    assert track.frames.tolist() == [0, 9, 46]
    assert not track.labelled[1].any() and np.isnan(track.boxes[1]).all()
    np.testing.assert_array_equal(track.head_boxes, head_boxes)


def test_only_the_pages_own_script_may_run(here: Path) -> None:
    """Every script file is in, once; the policy names the hash of what is there."""
    text = (here / "page.html").read_text()
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy)
    assert html.unescape(policy).startswith("default-src 'none'")
    assert "unsafe" not in policy
    assets = resources.files("pwarp.review.page").joinpath("assets").iterdir()
    assert sorted(SCRIPTS) == sorted(a.name.removesuffix(".js") for a in assets if a.name.endswith(".js"))


def test_a_linked_film_lies_beside_the_page(browser: Any, here: Path, tmp_path: Path) -> None:
    for name in ("video.mp4", "dense.json"):
        shutil.copy(here / name, tmp_path / name)
    assert (
        pwarp(tmp_path, "review", "video.mp4", "dense.json", "-o", "a #1 page.html", "--link", "--width", "64", "-q")
        == 0
    )
    assert sorted(p.name for p in tmp_path.glob("a*")) == ["a #1 page.html", "a #1 page.review.mp4"]
    page = Page(browser, tmp_path / "a #1 page.html")
    page.go(23)
    assert page.errors == []
    page.context.close()


def test_a_linked_film_never_replaces_the_video(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("clip.mp4", "p.review.mp4"):
        shutil.copy(here / "video.mp4", tmp_path / name)
    shutil.copy(here / "dense.json", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options = ["--link", "--force", "--width", "64", "-q"]
    assert pwarp(tmp_path, "review", "p.review.mp4", "dense.json", "-o", "p.html", *options) == 1
    assert "p.review.mp4: is an input" in capsys.readouterr().err
    assert pwarp(tmp_path, "review", "clip.mp4", "dense.json", "-o", "clip.html", *options) == 0
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.keys() - before.keys() == {"clip.html", "clip.review.mp4"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("link", [False, True])
def test_a_dry_run_writes_nothing(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], link: bool) -> None:
    for name in ("video.mp4", "dense.json"):
        shutil.copy(here / name, tmp_path / name)
    options = ["--link"] if link else []
    assert pwarp(tmp_path, "review", "video.mp4", "dense.json", "-o", "p.html", "--dry-run", "--json", *options) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["written"], values["frames"], values["tracks"]) == (False, FRAMES, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dense.json", "video.mp4"]


def test_the_same_input_gives_the_same_page(here: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "again.html")
    assert pwarp(here, "review", "video.mp4", "dense.json", "-o", target, "-q") == 0
    assert Path(target).read_bytes() == (here / "page.html").read_bytes()


def test_the_summary_states_the_size(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "p.html"
    assert pwarp(here, "review", "video.mp4", "dense.json", "-o", str(target), "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["bytes"] == target.stat().st_size
    tracks = dense_of(here).tracks
    computed = sum(int((track.labelled & ~track.by_person).sum()) for track in tracks)
    assert values["keypoints"] == {"by_person": 11, "computed": computed}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "page.html"], 1, "page.html: exists; give --force to replace it"),
        (["-o", "page.pdf"], 2, "end it in .html"),
        (["-o", "-", "--link"], 2, "--link puts a file beside the page"),
        (["-o", "new.html", "--width", "1000"], 1, "--width 1000: the video is 128 pixels wide"),
    ],
)
def test_what_cannot_be_done_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert pwarp(here, "review", "video.mp4", "dense.json", *arguments) == code
    assert message in capsys.readouterr().err
    assert not (here / "new.html").exists()
