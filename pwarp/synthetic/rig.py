"""The rig: bones, body proportions, and the way from motion channels to bone transforms.

Body frame: x to the person's left, y up, z forward; right-handed, metres. In the rest pose the person stands
upright with hanging arms and every bone's frame is the body frame. The world has the same axes; a person with
heading 0 looks along +z, towards the camera.

A motion does not speak of bones but of channels (`CHANNELS`): angles of trunk and arms, and where the feet are.
The legs follow from the feet by two-bone inverse kinematics, so that planted feet stay planted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pwarp.synthetic.noise import Array

BONES = (
    "pelvis", "spine", "chest", "neck", "head",
    "l_clavicle", "l_upper_arm", "l_forearm", "l_hand",
    "r_clavicle", "r_upper_arm", "r_forearm", "r_hand",
    "l_thigh", "l_shank", "l_foot",
    "r_thigh", "r_shank", "r_foot",
)  # fmt: skip
BONE = {name: i for i, name in enumerate(BONES)}

_ARM = ("shoulder_lift", "arm_flex", "arm_abduct", "arm_twist", "elbow", "wrist")
_FOOT = ("foot_x", "foot_y", "foot_z", "foot_pitch", "foot_yaw")
_TRUNK = tuple(f"{part}_{axis}" for part in ("pelvis", "spine", "head") for axis in ("pitch", "roll", "yaw"))

# Angles in radians, lengths in leg lengths, speed in leg lengths per second. root_*: where the pelvis is against
# standing. pitch leans forward, roll tilts to the right, yaw turns to the left. Arm and foot channels are
# mirror images of each other: abduct, twist, foot_x and foot_yaw count outwards on both sides.
CHANNELS = (
    "root_x", "root_y", "root_z", "speed", *_TRUNK,
    *(f"{side}_{name}" for side in "lr" for name in _ARM + _FOOT),
)  # fmt: skip
CHANNEL = {name: i for i, name in enumerate(CHANNELS)}
_MIRROR_SWAP = [CHANNEL[{"l_": "r_", "r_": "l_"}.get(n[:2], n[:2]) + n[2:] if n[1] == "_" else n] for n in CHANNELS]
_MIRROR_SIGN = np.array([-1.0 if n == "root_x" or (n in _TRUNK and not n.endswith("pitch")) else 1.0 for n in CHANNELS])

# Height of the ankle above the sole, distance from there forward to the ball and back to the heel (metres, at 1.75 m).
ANKLE_HEIGHT, BALL, HEEL = 0.08, 0.12, 0.05


class Channels:
    """Motion channels over T times, by name; starts as standing at ease."""

    def __init__(self, times: int) -> None:
        self.values = np.zeros((len(CHANNELS), times))
        for side in "lr":
            self[f"{side}_arm_abduct"] = 0.14
            self[f"{side}_arm_flex"] = 0.03
            self[f"{side}_elbow"] = 0.25
            self[f"{side}_foot_x"] = 0.12
            self[f"{side}_foot_yaw"] = 0.12
        self["root_y"] = -0.012

    def __getitem__(self, name: str) -> Array:
        return np.asarray(self.values[CHANNEL[name]])

    def __setitem__(self, name: str, value: Array | float) -> None:
        self.values[CHANNEL[name]] = value

    def mirrored(self) -> Channels:
        """The same motion with left and right exchanged."""
        twin = Channels(self.values.shape[1])
        twin.values = self.values[_MIRROR_SWAP] * _MIRROR_SIGN[:, None]
        return twin


@dataclass(frozen=True)
class Proportions:
    """Body build. height in metres; the others are factors around 1."""

    height: float = 1.75
    legs: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    girth: float = 1.0
    head: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Proportions:
        """A random grown-up or, now and then, a child."""
        child = rng.random() < 0.12
        return cls(
            height=rng.uniform(1.2, 1.45) if child else float(np.clip(rng.normal(1.72, 0.09), 1.5, 2.0)),
            legs=rng.uniform(0.96, 1.05),
            shoulders=rng.uniform(0.9, 1.1),
            hips=rng.uniform(0.92, 1.12),
            girth=float(np.clip(rng.normal(1.03, 0.12), 0.82, 1.4)),
            head=rng.uniform(1.12, 1.25) if child else rng.uniform(0.96, 1.06),
        )

    @property
    def scale(self) -> float:
        """Metres per metre of the 1.75 m reference body."""
        return self.height / 1.75

    @property
    def leg_length(self) -> float:
        """Hip to sole, metres."""
        return 0.91 * self.legs * self.scale

    def joints(self) -> Array:
        """(B, 3) where each bone begins in the rest pose, metres; the pelvis between the hips."""
        leg = self.legs
        hip = ANKLE_HEIGHT + 0.83 * leg
        knee, ankle = ANKLE_HEIGHT + 0.41 * leg, ANKLE_HEIGHT
        up = hip - 0.91
        shoulder, side = 0.178 * self.shoulders, 0.093 * self.hips
        trunk = {
            "pelvis": (0.0, hip, 0.0),
            "spine": (0.0, 1.04 + up, -0.01),
            "chest": (0.0, 1.22 + up, -0.015),
            "neck": (0.0, 1.455 + up, -0.015),
            "head": (0.0, 1.555 + up, 0.005),
        }
        left = {
            "clavicle": (0.03, 1.43 + up, 0.0),
            "upper_arm": (shoulder, 1.415 + up, -0.012),
            "forearm": (shoulder, 1.125 + up, -0.012),
            "hand": (shoulder, 0.875 + up, -0.012),
            "thigh": (side, hip, 0.0),
            "shank": (side, knee, 0.0),
            "foot": (side, ankle, 0.0),
        }
        joints = np.empty((len(BONES), 3))
        for name, place in trunk.items():
            joints[BONE[name]] = place
        for name, (x, y, z) in left.items():
            joints[BONE[f"l_{name}"]] = (x, y, z)
            joints[BONE[f"r_{name}"]] = (-x, y, z)
        return joints * self.scale


@dataclass(frozen=True)
class BonePoses:
    """Where the bones are at T times: rotation (T, B, 3, 3) and origin (T, B, 3), rest to world, metres."""

    rotation: Array
    origin: Array

    def place(self, bone: str, offset: Array) -> Array:
        """(T, 3) world position of a point that sits at `offset` (3,) from the bone's joint in the rest pose."""
        b = BONE[bone]
        return np.asarray(self.rotation[:, b] @ offset + self.origin[:, b])


def rotation(axis: str, angle: Array) -> Array:
    """(T, 3, 3) rotations about x, y or z by angles (T,), right-handed."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((len(angle), 3, 3))
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix[:, i, i] = 1
    matrix[:, j, j] = matrix[:, k, k] = c
    matrix[:, k, j], matrix[:, j, k] = s, -s
    return matrix


def solve(body: Proportions, channels: Channels, place: Array, heading: Array) -> BonePoses:
    """Bone poses from channels.

    place: (T, 2) x and z of the body frame on the ground, metres. heading: (T,) radians, turning left.
    """
    times = len(heading)
    rest = body.joints()
    leg = body.leg_length
    turn = np.zeros((times, len(BONES), 3, 3))
    origin = np.zeros((times, len(BONES), 3))
    ground = np.stack([place[:, 0], np.zeros(times), place[:, 1]], axis=1)
    course = rotation("y", heading)

    def put(bone: str, parent: str, local: Array) -> None:
        b, p = BONE[bone], BONE[parent]
        turn[:, b] = turn[:, p] @ local
        origin[:, b] = origin[:, p] + turn[:, p] @ (rest[b] - rest[p])

    def lean(part: str, share: float = 1.0) -> Array:
        pitch, roll, yaw = (channels[f"{part}_{axis}"] * share for axis in ("pitch", "roll", "yaw"))
        return np.asarray(rotation("y", yaw) @ rotation("x", pitch) @ rotation("z", -roll))

    shift = np.stack([channels[f"root_{axis}"] for axis in "xyz"], axis=1) * leg
    pelvis = BONE["pelvis"]
    turn[:, pelvis] = course @ lean("pelvis")
    origin[:, pelvis] = ground + np.einsum("tij,tj->ti", course, shift + rest[pelvis])
    put("spine", "pelvis", lean("spine", 0.45))
    put("chest", "spine", lean("spine", 0.55))
    put("neck", "chest", lean("head", 0.4))
    put("head", "neck", lean("head", 0.6))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        flex, abduct, twist = (channels[f"{side}_arm_{n}"] for n in ("flex", "abduct", "twist"))
        lift = channels[f"{side}_shoulder_lift"]
        put(f"{side}_clavicle", "chest", rotation("z", sign * lift))
        swing = rotation("x", -flex) @ rotation("z", sign * abduct) @ rotation("y", sign * twist)
        put(f"{side}_upper_arm", f"{side}_clavicle", swing)
        put(f"{side}_forearm", f"{side}_upper_arm", rotation("x", -channels[f"{side}_elbow"]))
        put(f"{side}_hand", f"{side}_forearm", rotation("x", -channels[f"{side}_wrist"]))
        _leg(body, rest, channels, side, sign, (turn, origin), (course, ground))
    return BonePoses(turn, origin)


def _leg(
    body: Proportions,
    rest: Array,
    channels: Channels,
    side: str,
    sign: float,
    bones: tuple[Array, Array],
    frame: tuple[Array, Array],
) -> None:
    """Fill thigh, shank and foot of one side: the foot where the channels say, the knee in between."""
    (turn, origin), (course, ground) = bones, frame
    pelvis, thigh, shank, foot = (BONE[b] for b in ("pelvis", f"{side}_thigh", f"{side}_shank", f"{side}_foot"))
    hip = origin[:, pelvis] + turn[:, pelvis] @ (rest[thigh] - rest[pelvis])
    pitch = channels[f"{side}_foot_pitch"]
    direction = course @ rotation("y", sign * channels[f"{side}_foot_yaw"])
    turn[:, foot] = direction @ rotation("x", pitch)

    # The flat foot stands at (x, z); toes-down it turns about the ball, toes-up about the heel.
    flat = np.stack([sign * channels[f"{side}_foot_x"], channels[f"{side}_foot_y"], channels[f"{side}_foot_z"]], axis=1)
    pivot = np.where(pitch > 0, BALL, -HEEL)[:, None] * np.array([0.0, 0.0, 1.0]) * body.scale
    lever = np.array([0.0, ANKLE_HEIGHT * body.scale, 0.0]) - pivot
    ankle = ground + np.einsum("tij,tj->ti", course, flat * body.leg_length)
    ankle = ankle + np.einsum("tij,tj->ti", direction, pivot) + np.einsum("tij,tj->ti", turn[:, foot], lever)

    a = float(np.linalg.norm(rest[thigh] - rest[shank]))
    b = float(np.linalg.norm(rest[shank] - rest[foot]))
    reach = ankle - hip
    distance = np.linalg.norm(reach, axis=1)
    # A leg is never quite straight: near full reach it softly stops to stretch, and the foot follows the leg.
    limit = 0.998 * (a + b)
    soft = limit - 0.012 * np.logaddexp(0.0, (limit - distance) / 0.012)
    length = np.maximum(soft, abs(a - b) + 0.25 * a)
    down = reach / np.maximum(distance, 1e-6)[:, None]
    # The knee points where the foot does, a little outwards from the pelvis.
    pole = direction[:, :, 2] + 0.5 * turn[:, pelvis][:, :, 2]
    pole = pole - (pole * down).sum(axis=1, keepdims=True) * down
    pole /= np.maximum(np.linalg.norm(pole, axis=1, keepdims=True), 1e-6)
    cosine = np.clip((a**2 + length**2 - b**2) / (2 * a * length), -1, 1)
    knee = hip + a * (cosine[:, None] * down + np.sqrt(1 - cosine**2)[:, None] * pole)
    ankle = hip + length[:, None] * down
    origin[:, thigh], origin[:, shank], origin[:, foot] = hip, knee, ankle
    turn[:, thigh] = _frame(hip - knee, pole)
    turn[:, shank] = _frame(knee - ankle, pole)


def _frame(up: Array, forward: Array) -> Array:
    """(T, 3, 3) right-handed frames with y along `up` (T, 3) and z as near to `forward` (T, 3) as that allows."""
    y = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    x = np.cross(y, forward)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.stack([x, y, np.cross(x, y)], axis=2)
