"""An actor: one body that performs motions one after another while it goes about the stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pwarp.synthetic.motions import MOTIONS, Motion
from pwarp.synthetic.noise import Array, smoothstep
from pwarp.synthetic.rig import BonePoses, Channels, Proportions, solve

_STEP = 1 / 120  # seconds between the points of the precomputed path
_FADE = 0.45  # seconds in which one motion passes into the next
_LEAD = 0.5  # seconds of path before time 0, for shutters and for cloth that lags

# How often motions come up where nobody chose; the others count 1.
_USUAL = {"walk": 1.6, "run": 0.6, "jump": 0.7}


@dataclass(frozen=True)
class Stage:
    """Where an actor moves: half the visible width at depth 0, the depth of the actor's own lane and the place
    across where it begins; metres."""

    half_width: float
    lane: float
    start: float


class Actor:
    """Bones of one person at any time of the clip."""

    def __init__(
        self, rng: np.random.Generator, motions: Sequence[str] | None, duration: float, stage: Stage, *, cross: bool
    ) -> None:
        """motions: names to choose from; None for all of them, in usual shares. duration: seconds.
        cross: whether to go from side to side of the whole stage, or about its middle.
        """
        self.body = Proportions.draw(rng)
        self._acts: list[tuple[float, Motion]] = []
        names = tuple(motions or MOTIONS)
        weights = np.array([1.0 if motions else _USUAL.get(name, 1.0) for name in names])
        share = weights / weights.sum()
        start = -_LEAD
        while start < duration:
            name = str(rng.choice(names, p=share))
            self._acts.append((start, MOTIONS[name](rng)))
            start += rng.uniform(1.8, 3.6)
        self._path(rng, duration, stage, cross)

    def _channels(self, t: Array) -> Channels:
        """Motion channels at times (T,), motions faded into each other."""
        mixed = self._acts[0][1](t)
        for start, motion in self._acts[1:]:
            share = smoothstep((t - start) / _FADE)
            if share.any():
                mixed.values += share * (motion(t).values - mixed.values)
        return mixed

    def _path(self, rng: np.random.Generator, duration: float, stage: Stage, cross: bool) -> None:
        """Walk the path once: steer towards one goal after another, at the speed the motion has."""
        times = np.arange(-_LEAD, duration + _LEAD, _STEP)
        speed = self._channels(times)["speed"] * self.body.leg_length
        reach, x, z = stage.half_width, stage.start, stage.lane
        side = -1.0 if x > 0 else 1.0
        if not cross:
            reach = 0.4 * reach
        goal = np.array([side * reach * rng.uniform(0.5, 1.0), stage.lane])
        facing = rng.normal(0, 0.6)
        heading = np.arctan2(goal[0] - x, goal[1] - z) if speed[0] > 0.3 else facing
        rate = 0.0
        track = np.empty((len(times), 3))
        for i, v in enumerate(speed):
            if np.hypot(goal[0] - x, goal[1] - z) < 0.5 + 0.2 * v:
                side = -side
                goal = np.array([side * reach * rng.uniform(0.45, 1.05), stage.lane + rng.uniform(-0.3, 0.3)])
                facing = rng.normal(0, 0.7)
            wanted = np.arctan2(goal[0] - x, goal[1] - z) if v > 0.3 else facing
            error = (wanted - heading + np.pi) % (2 * np.pi) - np.pi
            rate += (np.clip(3.0 * error, -3.2, 3.2) - rate) * _STEP / 0.12
            heading += rate * _STEP
            x += v * np.sin(heading) * _STEP
            z += v * np.cos(heading) * _STEP
            track[i] = x, z, heading
        self._times, self._track = times, track

    def bones(self, t: Array) -> BonePoses:
        """Bone poses at times (T,) in seconds, from a little before 0 to a little after the clip's end."""
        place = np.stack([np.interp(t, self._times, self._track[:, i]) for i in range(3)], axis=1)
        return solve(self.body, self._channels(t), place[:, :2], place[:, 2])
