"""What networks see of people: heatmaps of each keypoint, a network's parts or what it is measured against beside it.

Of PPN BodyNet's, the propagation unit's and their sum (Liu & Chen, IEEE Access 2020, figure 4); of DKD what it gives
and what its initialiser gives of the frame alone; of a window model what it gives and what its backbone gives of the
frame alone. Figure 3 of Nie et al. (ICCV 2019) has a baseline beside DKD, trained on single frames: a network of its
own, which is given beside the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.crops import Window, cut, transform
from pwarp.errors import PwarpError
from pwarp.estimation.base import Crops, Estimator
from pwarp.following.runner import RecurrentRunner, WindowRunner
from pwarp.models.ppn import PPN
from pwarp.refinement.recurrent import RecurrentWalk
from pwarp.refinement.scale import trail
from pwarp.refinement.window import WindowWalk
from pwarp.video import Video

Network = Estimator | WindowRunner | RecurrentRunner
Place = tuple[int, int]  # a frame, a track id
Part = tuple[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Seen:
    """One person in a frame, seen by a network.

    crop: (H, W, 3) what it looks at. parts: names and heatmaps (K, h, w) in the network's order of keypoints. here: (K,
    2) where the labels have them, in crop pixels, NaN where they do not.
    """

    frame: int
    track: int
    crop: Crops
    parts: tuple[Part, ...]
    here: FloatArray


def people(labels: Annotations) -> list[Place]:
    """Everybody whom a network can look at: a frame and a track id each, in order; raises PwarpError for nobody."""
    found = []
    for track in labels.tracks:
        there = np.isfinite(track.boxes).all(axis=1) | track.labelled.any(axis=1)
        found += [(int(frame), track.id) for frame in track.frames[there & track.present_at(track.frames)]]
    if not found:
        raise PwarpError("nobody to look at: the labels have neither boxes nor keypoints")
    return sorted(found)


def look(
    video: Video,
    labels: Annotations,
    network: Network,
    wanted: Sequence[Place],
    *,
    beside: Estimator | None = None,
    started: Callable[[int], None],
    advance: Callable[[int], None],
) -> list[Seen]:
    """What the network sees of somebody in some frames, in their order.

    beside: looks at the same crops, and what it sees stands below; raises PwarpError where it was made for others, or
    for other keypoints. A recurrent model starts by its own estimate where the person's track starts, and goes through
    all frames from there. started, advance: told how many frames there are, and are done. Who shows nothing of the
    picture is left out; raises PwarpError where that leaves nobody.
    """
    skeleton = labels.skeleton
    order = None if beside is None else _fitting(network, beside)
    by_name = {name: i for i, name in enumerate(skeleton.keypoints)}
    place = [by_name.get(name, -1) for name in network.skeleton.keypoints]
    if isinstance(network, Estimator):
        windows: dict[Place, Window] = _windows(video, labels, network, wanted)
        maps: dict[Place, NDArray[np.float32]] = {}
        started(len({frame for frame, _ in windows}))
    else:
        windows, maps = _walked(video, labels, network, wanted, started, advance)
    found = []
    for frame in sorted({frame for frame, _ in windows}):
        picture = video.frame(frame)
        for at in [at for at in wanted if at[0] == frame and at in windows]:
            crop = cut(picture, windows[at], network.codec.size, unbiased=network.codec.unbiased)
            parts = _alone(network, crop) if isinstance(network, Estimator) else _parts(network, crop, maps[at])
            if beside is not None:
                parts += ((beside.name, _alone(beside, crop)[0][1][order]),)
            here = _labelled(labels.track(at[1]), frame, place, windows[at], network)
            found.append(Seen(frame, at[1], crop, parts, here))
        if isinstance(network, Estimator):
            advance(1)
    if not found:
        raise PwarpError("nobody to look at: no box shows anything of the picture in the frames asked for")
    return found


def _fitting(network: Network, beside: Estimator) -> list[int]:
    """The channels of a second network in the order of the first one's."""
    names, others = network.skeleton.keypoints, beside.skeleton.keypoints
    if set(names) != set(others):
        odd = sorted(set(names) ^ set(others))[0]
        raise PwarpError(f"{beside.name}: '{odd}' is a keypoint of it or of {network.name} alone; give one of the same")
    one, other = network.codec, beside.codec
    if (one.size, one.stride, one.unbiased) != (other.size, other.stride, other.unbiased):
        own, theirs = (f"{c.size[0]}x{c.size[1]} in cells of {c.stride}" for c in (one, other))
        raise PwarpError(
            f"{beside.name}: looks at other crops ({theirs}) than {network.name} ({own}); give one of the same"
        )
    return [others.index(name) for name in names]


def _windows(video: Video, labels: Annotations, network: Estimator, wanted: Sequence[Place]) -> dict[Place, Window]:
    found = {}
    for track in labels.tracks:
        one = trail(track, video.width, video.height, network.codec, network.padding)
        for row, frame in enumerate(track.frames[one.rows].tolist()):
            if (frame, track.id) in wanted:
                found[frame, track.id] = one.course(row).window(row)
    return found


def _walked(
    video: Video,
    labels: Annotations,
    network: WindowRunner | RecurrentRunner,
    wanted: Sequence[Place],
    started: Callable[[int], None],
    advance: Callable[[int], None],
) -> tuple[dict[Place, Window], dict[Place, NDArray[np.float32]]]:
    """Windows and heatmaps (K, h, w) of a model of several frames."""
    frames, ids = {frame for frame, _ in wanted}, {id for _, id in wanted}
    walk: WindowWalk | RecurrentWalk
    if isinstance(network, RecurrentRunner):
        tracks: Sequence[Track] = [t.rows(t.frames <= max(frames)) for t in labels.tracks if t.id in ids]
        walk = RecurrentWalk(video, tracks, network)
        started(walk.frames)
    else:
        tracks = labels.tracks
        walk = WindowWalk(video, tracks, network, network.model.offsets, wanted=frames)
        started(len(frames))
    windows, maps = {}, {}
    for one in walk.looks(advance):
        for index, place in enumerate(one.places):
            at = one.frame, tracks[place[0]].id
            if at in wanted:
                windows[at], maps[at] = walk.window(place), one.heatmaps[index].numpy()
    return windows, maps


def _labelled(track: Track, frame: int, place: Sequence[int], window: Window, network: Network) -> FloatArray:
    row = track.at(frame)
    assert row is not None
    xy = np.where(track.labelled[row, :, None], track.xy[row], np.nan)
    mine = np.array([xy[k] if k >= 0 else (np.nan, np.nan) for k in place])
    return transform(mine, window.matrix(network.codec.size, network.codec.unbiased))


def _alone(network: Estimator, crop: Crops) -> tuple[Part, ...]:
    return (("heatmaps", network.heatmaps(crop[None])[0].cpu().numpy()),)


@torch.inference_mode()
def _parts(network: WindowRunner | RecurrentRunner, crop: Crops, given: NDArray[np.float32]) -> tuple[Part, ...]:
    """What the model gave, and beside it what parts of it give of the frame alone."""
    model, pixels = network.model, network.normalised(crop[None])

    def plain(maps: Tensor) -> NDArray[np.float32]:
        return maps[0].float().cpu().numpy()

    name = network.card.model.name
    if isinstance(model, PPN):
        body = plain(model.body(pixels))
        if not model.config.skip:
            return ("BodyNet", body), ("PPU", given)
        return ("BodyNet", body), ("PPU", given - body), ("sum", given)
    if isinstance(network, RecurrentRunner):
        return (name, given), ("initialiser alone", plain(network.model.first(pixels)))
    backbone = network.model.backbone
    # GLPose takes features of its backbone, which has no heatmaps then.
    if not isinstance(backbone.final_layer, nn.Conv2d):
        return ((name, given),)
    return (name, given), (f"{backbone.config.name} alone", plain(backbone(pixels)))
