"""Who is who: identities as chains of sightings, each new frame assigned to them at the least cost.

The assignment is that of SORT (Bewley et al. 2016), with the picture's own motion in place of a filter's prediction
and looks beside overlap, as in DeepSORT (Wojke et al. 2017).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from pwarp.annotations import FloatArray
from pwarp.errors import PwarpError
from pwarp.skeleton import Skeleton
from pwarp.tracking.affinity import agreement, distance
from pwarp.tracking.carry import Step, Stretch, median_motion
from pwarp.tracking.sighting import Sighting, hidden

_LOOK = 0.5  # how much looks count beside places
_DIFFERENT = 0.5  # difference of looks at which nothing speaks for the same person
_ALIKE, _DOUBTFUL = 0.3, 0.2  # less than this alike, in 0..1, is somebody else; unless nobody else can be meant
_NEAR, _REACH, _FARTHEST = 0.35, 0.03, 1.5  # diagonals from where one was carried: at once, a frame more, at most
_MISSED = 0.1  # what speaks against somebody who was not seen when last looked for
_CLEAR = 0.1  # by how much the next best assignment must be worse to call one sure
_FOLLOWED = 0.5  # share of the points on somebody that must be in sight to follow them
_REMEMBERED = 8  # looks of a person that are compared
_SHOWN = 0.5  # share of a box that must show its person to remember the look
_STEADY = 0.7  # share of the velocity that is kept a frame when a new one is seen


@dataclass(frozen=True)
class Options:
    """How to track.

    max_lost: frames for which somebody may go unseen in frames that were looked at and still be the same; None: one
        second. min_length: tracks of fewer detections are left out; a track with anything set by a person never is.

    Raises PwarpError for a number that is none.
    """

    max_lost: int | None = None
    min_length: int = 1

    def __post_init__(self) -> None:
        if self.max_lost is not None and self.max_lost < 0:
            raise PwarpError(f"max_lost {self.max_lost}: give 0 frames or more")
        if self.min_length < 1:
            raise PwarpError(f"min_length {self.min_length}: give 1 or more")


@dataclass(frozen=True)
class Decision:
    """Who a sighting is. index: of the track that it came as. person: their number, by who was seen first. sure:
    whether it was clear that they, who were seen before, are meant; True where nobody was."""

    index: int
    person: int
    sure: bool = True


@dataclass(frozen=True)
class Following:
    """A `Chain` in plain values; its recent sightings as the indices of the tracks that they came as."""

    person: int
    sightings: int
    recent: tuple[int, ...]
    moved: tuple[float, float]
    camera: tuple[float, float]
    velocity: tuple[float, float]
    missed: bool


@dataclass(frozen=True)
class Standing:
    """How things stand behind a frame that was looked at. decided: how many decisions were made. followed: who may yet
    be found again."""

    frame: int
    decided: int
    followed: tuple[Following, ...]


@dataclass(eq=False)
class Chain:
    """One identity so far.

    person: its number. sightings: how many there were. recent: the latest, which hold what was seen. moved: (2,) how
    far its last sighting was carried since; camera: how much of it the camera's motion alone makes. missed: whether it
    was looked for since, in vain. velocity: (2,) pixels a frame, against the camera's motion.
    """

    person: int
    sightings: int
    recent: deque[Sighting]
    moved: FloatArray = field(default_factory=lambda: np.zeros(2))
    camera: FloatArray = field(default_factory=lambda: np.zeros(2))
    missed: bool = False
    velocity: FloatArray = field(default_factory=lambda: np.zeros(2))

    @classmethod
    def of(cls, person: int, sighting: Sighting) -> Chain:
        """An identity that is seen for the first time."""
        return cls(person, 1, deque([sighting], maxlen=_REMEMBERED))

    @classmethod
    def again(cls, following: Following, sighted: Mapping[int, Sighting]) -> Chain:
        """What `following` told of. sighted: by index, among them its recent sightings."""
        recent = deque((sighted[index] for index in following.recent), maxlen=_REMEMBERED)
        moved, camera, velocity = map(np.array, (following.moved, following.camera, following.velocity))
        return cls(following.person, following.sightings, recent, moved, camera, following.missed, velocity)

    @property
    def following(self) -> Following:
        """It in plain values."""
        recent = tuple(sighting.index for sighting in self.recent)
        moved, camera, velocity = ((float(x), float(y)) for x, y in (self.moved, self.camera, self.velocity))
        return Following(self.person, self.sightings, recent, moved, camera, velocity, self.missed)

    @property
    def last(self) -> Sighting:
        """The latest sighting."""
        return self.recent[-1]

    @property
    def box(self) -> FloatArray:
        """(4,) where it was carried to."""
        carried: FloatArray = self.last.box + np.tile(self.moved, 2)
        return carried

    def carry(self, step: Step, others: Sequence[FloatArray]) -> None:
        """On to the next frame: along the picture while in sight, with steady speed while hidden by others' boxes."""
        self.camera = self.camera + step.camera
        points = self.last.points + self.moved
        seen = points[~hidden(points, self.box, others)]
        share = len(seen) / len(points)
        steady = step.camera + self.velocity
        if self.missed or not self.last.in_sight or share < _FOLLOWED:
            self.moved = self.moved + steady
            return
        motion = median_motion(seen, step.forth)
        if self.sightings == 1:  # nothing better is known of the speed yet
            self.velocity = _STEADY * self.velocity + (1 - _STEADY) * (motion - step.camera)
            steady = motion
        # Around somebody in front the flow is half theirs.
        self.moved = self.moved + share * motion + (1 - share) * steady

    def goes_on(self, sighting: Sighting) -> None:
        """This is the same person."""
        frames = sighting.frame - self.last.frame
        speed = (sighting.centre - self.last.centre - self.camera) / frames
        kept = _STEADY**frames if self.sightings > 1 else 0.0
        self.velocity = kept * self.velocity + (1 - kept) * speed
        self.sightings += 1
        self.recent.append(sighting)
        self.moved, self.camera, self.missed = np.zeros(2), np.zeros(2), False

    @property
    def looks(self) -> list[Sighting]:
        """The latest sightings that show what the person looks like, or the last one where none does."""
        return [s for s in self.recent if s.clear >= _SHOWN] or [self.last]


class Linker:
    """Decides who is who, frame after frame.

    skeleton: of the poses. max_lost: see `Options`, in frames. decisions: in the order in which they are made.
    """

    def __init__(self, skeleton: Skeleton, max_lost: int) -> None:
        self._skeleton = skeleton
        self._max_lost = max_lost
        self._open: list[Chain] = []
        self._people = 0
        self.decisions: list[Decision] = []

    def go_on(self, decisions: Sequence[Decision], followed: Sequence[Chain]) -> None:
        """Begin behind what another one decided. followed: who may still be found again."""
        self.decisions, self._open = list(decisions), list(followed)
        self._people = len({decision.person for decision in decisions})

    @property
    def waiting(self) -> bool:
        """Whether anybody is to be found again."""
        return bool(self._open)

    def standing(self, frame: int) -> Standing:
        """How things stand behind a frame that was just looked at."""
        return Standing(frame, len(self.decisions), tuple(chain.following for chain in self._open))

    def carry(self, step: Step) -> None:
        """Carry everybody on to the next frame."""
        boxes = [chain.box for chain in self._open]
        for i, chain in enumerate(self._open):
            chain.carry(step, [box for j, box in enumerate(boxes) if j != i and not self._open[j].missed])

    def look(self, frame: int, sightings: Sequence[Sighting], stretch: Stretch) -> None:
        """A frame that was looked at: `sightings` is everybody there. stretch: the way since the look before."""
        likeness = self._likeness(sightings, stretch)
        pairs = _assigned(likeness, _ALIKE)
        unsure = {a for a, b in pairs.items() if not _is_clear(likeness, pairs, a, b)}
        # Who is left over on both sides is rather one person, half hidden, than one who went while another came.
        left = likeness.copy()
        left[list(pairs)], left[:, list(pairs.values())] = -np.inf, -np.inf
        doubtful = _assigned(left, _DOUBTFUL)
        pairs |= doubtful
        for a, b in pairs.items():
            self._open[a].goes_on(sightings[b])
            sure = a not in unsure and a not in doubtful
            self.decisions.append(Decision(sightings[b].index, self._open[a].person, sure))
        for a, chain in enumerate(self._open):
            chain.missed = a not in pairs
        new = [s for i, s in enumerate(sightings) if i not in pairs.values()]
        fresh = [Chain.of(self._people + i, s) for i, s in enumerate(new)]
        self.decisions += [Decision(chain.last.index, chain.person) for chain in fresh]
        self._people += len(fresh)
        self._open = [c for c in self._open if not c.missed or frame - c.last.frame <= self._max_lost] + fresh

    def _likeness(self, sightings: Sequence[Sighting], stretch: Stretch) -> FloatArray:
        """(chains, sightings) how much speaks for the same person, in 0..1; -inf where it cannot be."""
        likeness = np.full((len(self._open), len(sightings)), -np.inf)
        for b, there in enumerate(sightings):
            came_back = stretch.back(there.points) if there.in_sight else None
            for a, chain in enumerate(self._open):
                likeness[a, b] = self._alike(chain, there, came_back)
        return likeness

    def _alike(self, chain: Chain, there: Sighting, came_back: FloatArray | None) -> float:
        here = chain.last
        frames = there.frame - here.frame
        apart = distance(here, chain.moved, there)
        place = agreement(here, chain.moved, there, self._skeleton, frames)
        if came_back is not None and not chain.missed:
            # The way back leads from where one is seen now to where one was: it knows who comes out from behind.
            place = (place + agreement(there, came_back, here, self._skeleton, frames)) / 2
            apart = min(apart, distance(there, came_back, here))
        if apart > min(_NEAR + _REACH * frames, _FARTHEST):
            return -np.inf
        # What is hidden looks like who hides it: then looks say less.
        difference, clear = min((s.look.difference(there.look), s.clear) for s in chain.looks)
        weight = _LOOK * min(clear, there.clear)
        return (1 - weight) * place + weight * (1 - min(difference / _DIFFERENT, 1.0)) - _MISSED * chain.missed


def _assigned(likeness: FloatArray, least: float) -> dict[int, int]:
    """The pairs of the best assignment, all at least so much alike: chain index -> sighting index."""
    if not likeness.size:
        return {}
    gain = np.where(likeness >= least, likeness - least, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return {int(a): int(b) for a, b in zip(rows, columns, strict=True) if likeness[a, b] >= least}


def _is_clear(likeness: FloatArray, pairs: dict[int, int], a: int, b: int) -> bool:
    """Whether no other assignment of these two is nearly as good: with a newcomer, a person left over, or a swap."""
    value = likeness[a, b]
    for c in range(likeness.shape[0]):
        for d in range(likeness.shape[1]):
            newcomer, left_over = c == a and d not in pairs.values(), d == b and c not in pairs
            if (newcomer or left_over) and likeness[c, d] > value - _CLEAR:
                return False
    for c, d in pairs.items():
        if c != a and likeness[a, d] + likeness[c, b] > value + likeness[c, d] - _CLEAR:
            return False
    return True
