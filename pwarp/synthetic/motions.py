"""The built-in motions: what a body does, as channels over time.

A motion is made once with its own style (pace, amplitude, phase, side) drawn from a generator, and then answers
for any times. Cyclic motions come from phase curves, strokes from key poses, dance from random poses on a beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.interpolate import PchipInterpolator

from pwarp.synthetic.noise import Array, Wobble, smoothstep
from pwarp.synthetic.rig import Channels

Motion = Callable[[Array], Channels]
GRAVITY = 9.81 / 0.91  # leg lengths per second squared


def _cycle(keys: Mapping[float, float]) -> Callable[[Array], Array]:
    """A smooth function of phase, of period 1, through keys {phase in [0, 1): value}.

    It is monotone between keys, so it never overshoots.
    """
    at = np.array(sorted(keys))
    value = np.array([keys[p] for p in at])
    curve = PchipInterpolator(np.concatenate([at - 1, at, at + 1]), np.tile(value, 3))
    return lambda phase: np.asarray(curve(phase % 1.0))


_REST = {
    "head_yaw": 0.16, "head_pitch": 0.07, "head_roll": 0.05, "spine_pitch": 0.03, "spine_roll": 0.025,
    "spine_yaw": 0.05, "pelvis_yaw": 0.03, "l_arm_flex": 0.05, "r_arm_flex": 0.05, "l_elbow": 0.08, "r_elbow": 0.08,
    "l_arm_abduct": 0.03, "r_arm_abduct": 0.03,
}  # fmt: skip


def _restless(rng: np.random.Generator, motion: Motion, amount: float = 1.0) -> Motion:
    """The motion with small smooth deviations on trunk, head and arms."""
    wobbles = {name: (Wobble(rng, rng.uniform(0.7, 2.2)), size * amount) for name, size in _REST.items()}

    def moved(t: Array) -> Channels:
        channels = motion(t)
        for name, (wobble, size) in wobbles.items():
            channels[name] = channels[name] + size * wobble(t)
        return channels

    return moved


def _gait(rng: np.random.Generator, *, run: bool) -> Motion:
    cadence = rng.uniform(1.25, 1.5) if run else rng.uniform(0.7, 1.05)
    stride = rng.uniform(2.0, 2.9) if run else rng.uniform(1.25, 1.65)
    duty = rng.uniform(0.30, 0.38) if run else rng.uniform(0.60, 0.64)
    swing_arm = rng.uniform(0.7, 1.05) if run else rng.uniform(0.25, 0.65)
    elbow = rng.uniform(1.3, 1.9) if run else rng.uniform(0.15, 0.5)
    bounce = rng.uniform(0.045, 0.075) if run else rng.uniform(0.018, 0.03)
    lean = rng.uniform(0.08, 0.22) if run else rng.uniform(0.0, 0.07)
    lift = rng.uniform(0.35, 0.6) if run else rng.uniform(0.08, 0.13)
    width = rng.uniform(0.04, 0.08) if run else rng.uniform(0.07, 0.11)
    twist = rng.uniform(0.08, 0.2)
    start = rng.uniform()
    drift = Wobble(rng, 2.5)

    # The foot lands (heel first, walking), stands flat, rolls off over the toes and swings.
    strike, off, early, late = (0.05, 0.75, 1.1, -0.15) if run else (-0.3, 0.85, 0.55, -0.3)
    air = 1 - duty
    roll = _cycle(
        {
            0.0: strike, 0.12 * duty: 0.0, 0.55 * duty: 0.0, duty: off,
            duty + 0.3 * air: early, duty + 0.85 * air: late,
        }
    )  # fmt: skip

    def foot(channels: Channels, side: str, phase: Array) -> None:
        p = phase % 1.0
        s = np.clip((p - duty) / (1 - duty), 0, 1)
        # Swing: from behind to ahead, leaving and meeting the ground at the ground's own speed (cubic Hermite).
        half, slope = stride * duty / 2, -stride * (1 - duty)
        swing = half * (6 * s**2 - 4 * s**3 - 1) + slope * (2 * s**3 - 3 * s**2 + s)
        channels[f"{side}_foot_z"] = np.where(p < duty, half - stride * p, swing) + 0.02
        channels[f"{side}_foot_y"] = lift * (1.9 * s * (1 - s) ** 1.6 * (1 + s) if run else 2.2 * s * (1 - s) ** 1.3)
        channels[f"{side}_foot_pitch"] = roll(p)
        channels[f"{side}_foot_x"] = width
        channels[f"{side}_foot_yaw"] = 0.08

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        phase = cadence * t + start + 0.03 * drift(t)
        turn = 2 * np.pi * phase
        foot(channels, "l", phase)
        foot(channels, "r", phase + 0.5)
        mid = 2 * np.pi * duty / 2
        # Walking, the pelvis is highest over the standing leg; running, it is lowest there.
        channels["root_y"] = -0.055 + bounce * (-1 if run else 1) * np.cos(2 * (turn - mid)) - (0.035 if run else 0)
        channels["root_x"] = (0.012 if run else 0.03) * np.cos(turn - mid)
        channels["pelvis_yaw"] = -twist * np.cos(turn)
        channels["pelvis_roll"] = 0.05 * np.cos(turn - mid)
        channels["pelvis_pitch"] = lean
        channels["spine_yaw"] = 2.1 * twist * np.cos(turn)
        channels["spine_roll"] = -0.05 * np.cos(turn - mid)
        channels["spine_pitch"] = 0.4 * lean + 0.02 * np.cos(2 * turn)
        channels["head_yaw"] = -1.0 * twist * np.cos(turn)
        channels["head_pitch"] = -0.9 * lean
        for side, sign in (("l", -1.0), ("r", 1.0)):
            forward = sign * np.cos(turn - 0.25)
            channels[f"{side}_arm_flex"] = swing_arm * (forward + (-0.15 if run else 0.1))
            channels[f"{side}_arm_abduct"] = 0.16 + (0.1 if run else 0.0)
            channels[f"{side}_arm_twist"] = -0.35 if run else 0.0
            channels[f"{side}_elbow"] = elbow + (0.3 if run else 0.25) * (1 + forward) * swing_arm
        channels["speed"] = stride * cadence
        return channels

    return _restless(rng, motion)


def walk(rng: np.random.Generator) -> Motion:
    """Walk: 0.7 to 1.05 strides a second."""
    return _gait(rng, run=False)


def run(rng: np.random.Generator) -> Motion:
    """Run, with flight phases: 1.25 to 1.5 strides a second."""
    return _gait(rng, run=True)


def jump(rng: np.random.Generator) -> Motion:
    """Jump again and again: crouch, fly, land; or as jumping jacks."""
    jacks = rng.random() < 0.45
    height = rng.uniform(0.07, 0.16) if jacks else rng.uniform(0.14, 0.42)
    flight = 2 * np.sqrt(2 * height / GRAVITY)
    contact = rng.uniform(0.25, 0.4) if jacks else rng.uniform(0.55, 1.1)
    wait = 0.0 if jacks else rng.uniform(0.0, 1.0)
    period = flight + contact + wait
    crouch = rng.uniform(0.06, 0.12) if jacks else rng.uniform(0.22, 0.42)
    tuck = 0.0 if jacks else rng.uniform(0.0, 0.35)
    arms = rng.uniform(1.6, 2.7)
    spread = rng.uniform(0.3, 0.45)
    start = rng.uniform()
    air = flight / period
    # Knees give at the landing, straighten as far as there is time for it, and bend again for the push-off.
    land, back = air + 0.2 * contact / period, 1 - 0.3 * contact / period
    if jacks:
        dip = _cycle({0.0: 0.0, air: 0.0, 0.5 * (air + 1): 1.0})
    else:
        dip = _cycle({0.0: 0.0, air: 0.0, land: 0.75, 0.5 * (land + back): 0.75 - 1.4 * min(wait, 0.5), back: 1.0})
    swing = _cycle({0.0: 0.75 * arms, 0.6 * air: arms, air: 0.8, 0.5 * (air + back): 0.1, back: -0.9})
    elbow = _cycle({0.0: 0.5, 0.5 * air: 0.3, air: 0.9, back: 0.4})
    apart = _cycle({0.0: 0.0, air / 2: 1.0, 0.5: 1.0, 0.5 + air / 2: 0.0})

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        cycle = t / period + start
        p = cycle % 1.0  # the flight is [0, air), then the landing, a rest, crouch and push-off
        up = np.where(p < air, 4 * height * (p / air) * (1 - p / air), 0.0)
        bend = dip(p)
        channels["root_y"] = up - crouch * bend
        channels["root_z"] = -0.25 * crouch * bend
        channels["pelvis_pitch"] = 0.9 * crouch * bend + 0.05
        channels["spine_pitch"] = 0.8 * crouch * bend + 0.4 * tuck * up
        channels["head_pitch"] = -0.9 * crouch * bend
        fold = smoothstep(up / height)
        for side in "lr":
            channels[f"{side}_foot_y"] = up * (1 + tuck) * np.where(p < air, 1.0, 0.0) * 0.96
            channels[f"{side}_foot_pitch"] = np.where(p < air, 0.75 * (1 - 0.6 * tuck) * np.sqrt(fold), 0.0)
            if jacks:
                # Feet part on every other jump; the arms go up with them.
                wide = apart(cycle / 2)
                channels[f"{side}_foot_x"] = 0.09 + spread * wide
                channels[f"{side}_arm_abduct"] = 0.2 + 2.5 * wide
                channels[f"{side}_arm_twist"] = 1.2 * wide
                channels[f"{side}_elbow"] = 0.25 + 0.35 * wide * (1 - wide) * 4
                channels[f"{side}_shoulder_lift"] = 0.35 * wide
            else:
                channels[f"{side}_foot_x"] = 0.14
                raised = swing(p)
                channels[f"{side}_arm_flex"] = raised
                channels[f"{side}_elbow"] = elbow(p)
                channels[f"{side}_shoulder_lift"] = 0.12 * np.maximum(raised, 0)
        return channels

    return _restless(rng, motion, 0.7)


def wave(rng: np.random.Generator) -> Motion:
    """Stand, shift the weight, and wave one arm or both."""
    both, left = rng.random() < 0.25, rng.random() < 0.5
    pace = rng.uniform(1.3, 2.6)
    raised = rng.uniform(0.8, 1.6)
    size = rng.uniform(0.35, 0.75)
    start = rng.uniform(0, 2 * np.pi)
    weight, lively, lift = Wobble(rng, 2.5), Wobble(rng, 1.5), Wobble(rng, 1.7)
    hip_hand = rng.random() < 0.3

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        sway = weight(t)
        channels["root_x"] = 0.07 * sway
        channels["root_y"] = -0.02 - 0.01 * sway**2
        channels["pelvis_roll"] = -0.06 * sway
        channels["spine_roll"] = 0.1 * sway
        beat = np.sin(2 * np.pi * pace * t + start + 0.5 * lively(t))
        for side in "lr":
            if both or (side == "l") == left:
                channels[f"{side}_arm_abduct"] = raised + 0.3 * size * beat + 0.15 * lift(t)
                channels[f"{side}_arm_twist"] = 1.45 + 0.25 * beat
                channels[f"{side}_arm_flex"] = 0.25
                channels[f"{side}_elbow"] = 1.25 + size * beat - 0.3 * (raised - 1.2)
                channels[f"{side}_shoulder_lift"] = 0.12 * raised
                channels["spine_roll"] = channels["spine_roll"] + (0.05 if side == "l" else -0.05)
            elif hip_hand:
                channels[f"{side}_arm_abduct"] = 0.75
                channels[f"{side}_arm_twist"] = -0.9
                channels[f"{side}_arm_flex"] = -0.35
                channels[f"{side}_elbow"] = 1.6
        return channels

    return _restless(rng, motion, 1.3)


def squat(rng: np.random.Generator) -> Motion:
    """Squat down and stand up, with the arms for balance or at the head."""
    period = rng.uniform(1.6, 2.8)
    depth = rng.uniform(0.3, 0.56)
    stance = rng.uniform(0.15, 0.26)
    prisoner = rng.random() < 0.3
    reach = rng.uniform(0.9, 1.6)
    start = rng.uniform()
    effort = Wobble(rng, 3.0)
    lower = _cycle({0.0: 0.0, 0.12: 0.0, 0.5: 1.0, 0.6: 0.97})

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        down = lower(t / period + start + 0.04 * effort(t))
        channels["root_y"] = -0.02 - depth * down
        channels["root_z"] = -0.3 * depth * down
        channels["pelvis_pitch"] = 0.95 * depth * down
        channels["spine_pitch"] = 0.55 * depth * down
        channels["head_pitch"] = -0.9 * depth * down
        for side in "lr":
            channels[f"{side}_foot_x"] = stance
            channels[f"{side}_foot_yaw"] = 0.35
            if prisoner:
                channels[f"{side}_arm_abduct"] = 1.55
                channels[f"{side}_arm_twist"] = 1.0
                channels[f"{side}_elbow"] = 2.35
            else:
                channels[f"{side}_arm_flex"] = reach * down + 0.05
                channels[f"{side}_elbow"] = 0.3 + 0.5 * down * (reach < 1.2)
        return channels

    return _restless(rng, motion)


# A right-handed pitch. Phase: 0 stand with the hands together, .35 leg lifted, .55 long step and arm cocked,
# .66 release, .8 follow through.
_PITCH: dict[str, dict[float, float]] = {
    "root_z": {0.0: 0.0, 0.3: -0.08, 0.55: 0.42, 0.68: 0.62, 0.8: 0.66, 0.95: 0.1},
    "root_y": {0.0: -0.02, 0.33: -0.03, 0.56: -0.17, 0.68: -0.14, 0.8: -0.1, 0.95: -0.02},
    "pelvis_yaw": {0.0: -0.5, 0.33: -1.5, 0.5: -1.3, 0.62: -0.1, 0.72: 0.35, 0.95: -0.3},
    "pelvis_pitch": {0.0: 0.0, 0.33: -0.05, 0.58: 0.05, 0.68: 0.35, 0.8: 0.6, 0.95: 0.1},
    "spine_yaw": {0.0: 0.0, 0.4: -0.35, 0.58: -0.5, 0.68: 0.45, 0.8: 0.65, 0.95: 0.0},
    "spine_pitch": {0.0: 0.0, 0.4: 0.1, 0.57: -0.2, 0.68: 0.35, 0.8: 0.65, 0.95: 0.05},
    "spine_roll": {0.0: 0.0, 0.5: 0.05, 0.66: -0.3, 0.8: -0.15, 0.95: 0.0},
    "head_yaw": {0.0: 0.5, 0.33: 1.2, 0.55: 1.2, 0.68: 0.1, 0.8: -0.3, 0.95: 0.3},
    "r_arm_flex": {0.0: 0.7, 0.33: 0.8, 0.48: -0.3, 0.57: -0.2, 0.66: 0.5, 0.76: 1.2, 0.92: 0.4},
    "r_arm_abduct": {0.0: 0.1, 0.33: 0.15, 0.48: 0.9, 0.57: 1.65, 0.66: 1.75, 0.76: 0.5, 0.92: 0.2},
    "r_arm_twist": {0.0: -0.3, 0.33: -0.3, 0.48: 0.2, 0.58: 2.0, 0.66: 0.9, 0.76: -0.4, 0.92: 0.0},
    "r_elbow": {0.0: 1.9, 0.33: 2.0, 0.46: 0.6, 0.56: 1.6, 0.66: 0.3, 0.76: 0.5, 0.92: 0.8},
    "l_arm_flex": {0.0: 0.7, 0.33: 0.8, 0.5: 0.9, 0.6: 0.3, 0.7: -0.4, 0.92: 0.3},
    "l_arm_abduct": {0.0: 0.1, 0.33: 0.2, 0.5: 1.3, 0.6: 0.8, 0.7: 0.4, 0.92: 0.2},
    "l_elbow": {0.0: 1.9, 0.33: 2.0, 0.5: 0.4, 0.6: 1.3, 0.7: 1.7, 0.92: 0.9},
    "l_foot_y": {0.0: 0.0, 0.1: 0.0, 0.33: 0.55, 0.46: 0.25, 0.56: 0.0, 0.86: 0.0, 0.92: 0.12, 0.97: 0.0},
    "l_foot_z": {0.0: 0.05, 0.1: 0.05, 0.33: 0.2, 0.46: 0.75, 0.56: 1.0, 0.85: 1.0, 0.97: 0.05},
    "l_foot_pitch": {0.0: 0.0, 0.1: 0.0, 0.33: 0.6, 0.5: -0.2, 0.56: 0.0, 0.85: 0.0, 0.91: 0.4, 0.97: 0.0},
    "r_foot_y": {0.0: 0.0, 0.6: 0.0, 0.7: 0.12, 0.78: 0.35, 0.88: 0.15, 0.94: 0.0},
    "r_foot_z": {0.0: -0.05, 0.56: -0.05, 0.66: 0.1, 0.78: 0.45, 0.88: 0.4, 0.97: -0.05},
    "r_foot_pitch": {0.0: 0.0, 0.5: 0.0, 0.62: 0.9, 0.78: 0.9, 0.9: 0.1, 0.95: 0.0},
}


def throw(rng: np.random.Generator) -> Motion:
    """Wind up, step and throw, like a pitcher; left-handed now and then."""
    period = rng.uniform(2.2, 3.4)
    size = rng.uniform(0.8, 1.15)
    start = rng.uniform()
    left_handed = rng.random() < 0.3
    timing = Wobble(rng, 3.0)
    curves = {name: _cycle(keys) for name, keys in _PITCH.items()}

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        phase = t / period + start + 0.02 * timing(t)
        for name, curve in curves.items():
            channels[name] = size * curve(phase)
        channels["l_foot_x"], channels["r_foot_x"] = 0.1, 0.12
        return channels.mirrored() if left_handed else channels

    return _restless(rng, motion, 0.8)


_DANCE = {
    "l_arm_flex": (0.7, 0.7), "r_arm_flex": (0.7, 0.7), "l_arm_abduct": (0.85, 0.6), "r_arm_abduct": (0.85, 0.6),
    "l_arm_twist": (0.3, 0.8), "r_arm_twist": (0.3, 0.8), "l_elbow": (1.1, 0.6), "r_elbow": (1.1, 0.6),
    "l_shoulder_lift": (0.1, 0.12), "r_shoulder_lift": (0.1, 0.12), "spine_yaw": (0.0, 0.25),
    "spine_roll": (0.0, 0.14), "spine_pitch": (0.06, 0.12), "pelvis_yaw": (0.0, 0.25), "pelvis_roll": (0.0, 0.12),
    "head_yaw": (0.0, 0.3), "head_pitch": (0.02, 0.14), "head_roll": (0.0, 0.14), "root_x": (0.0, 0.11),
    "root_z": (0.0, 0.06),
}  # fmt: skip


def dance(rng: np.random.Generator) -> Motion:
    """Random poses of arms, trunk and head on a beat, with bouncing knees and side steps."""
    beat = rng.uniform(1.4, 2.1)
    bars = 48
    size = rng.uniform(0.75, 1.2)
    start = rng.uniform(0, bars)
    bounce = rng.uniform(0.03, 0.09)
    snap = rng.uniform(0.25, 0.5)
    # Some beats are held, so the rhythm of arm, trunk and head differs.
    poses = {}
    for name, (middle, spread) in _DANCE.items():
        values = middle + size * spread * np.clip(rng.normal(size=bars), -1.8, 1.8)
        for i in np.flatnonzero(rng.random(bars) < 0.3):
            values[i] = values[i - 1]
        poses[name] = np.maximum(values, 0.05) if name.endswith("elbow") else values
    steps = {side: 0.12 + 0.2 * rng.random(bars) for side in "lr"}
    forward = {side: 0.12 * rng.normal(size=bars) for side in "lr"}

    def travel(values: Array, p: Array, share: float) -> Array:
        """From each beat's value to the next one's, within the first `share` of the beat."""
        now = np.floor(p).astype(int) % bars
        return np.asarray(values[now - 1] + (values[now] - values[now - 1]) * smoothstep((p % 1.0) / share))

    def motion(t: Array) -> Channels:
        channels = Channels(len(t))
        p = beat * t + start
        for name, values in poses.items():
            channels[name] = travel(values, p, 0.55 + snap)
        channels["root_y"] = -0.05 - bounce * (1 - np.cos(2 * np.pi * p))
        for side, late in (("l", 0.0), ("r", 1.0)):
            # Each foot steps on every other beat.
            half = (p + late) / 2
            channels[f"{side}_foot_x"] = travel(steps[side], half, 0.4)
            channels[f"{side}_foot_z"] = travel(forward[side], half, 0.4)
            lifted = np.sin(np.pi * np.clip((half % 1.0) / 0.4, 0, 1))
            channels[f"{side}_foot_y"] = 0.1 * lifted
            channels[f"{side}_foot_pitch"] = 0.5 * lifted
        return channels

    return _restless(rng, motion)


MOTIONS: dict[str, Callable[[np.random.Generator], Motion]] = {
    "walk": walk,
    "run": run,
    "jump": jump,
    "wave": wave,
    "squat": squat,
    "throw": throw,
    "dance": dance,
}
