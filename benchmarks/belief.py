"""One step of the belief grid: NumPy with OpenCV, as the engine `auto` does it, beside the same step in torch.

    python -m benchmarks.belief

Prints milliseconds a step for one person of 13 keypoints and for 4 people of 17, on 1 and 2 threads, and the largest
difference of the two results.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses

from pwarp.annotations import FloatArray
from pwarp.propagation.belief import Belief, BeliefConfig, Grid, normalised
from pwarp.propagation.motion import Crop, Flow

_DIAGONAL = 320.0


def torch_carry(grid: Grid, belief: Belief, here: FloatArray, there: FloatArray, flow: Flow) -> Belief:
    """`Grid.carry` written in torch: two grid_samples and batched products."""
    config, n = grid.config, grid.n
    with torch.inference_mode():
        points = torch.from_numpy(grid.points(there)).reshape(len(belief), n, n, 2)
        crop = flow.crop
        corner = torch.tensor([crop.x0, crop.y0])
        size = torch.tensor([crop.x1 - crop.x0, crop.y1 - crop.y0])
        at = (points + 0.5 - corner) / size * 2 - 1
        field = torch.from_numpy(flow.field).permute(2, 0, 1)[None]
        motion = F.grid_sample(field, at.reshape(1, -1, n, 2), padding_mode="border", align_corners=False)
        motion = motion[0].reshape(3, len(belief), n, n)
        source = points + motion[:2].permute(1, 2, 3, 0) - torch.from_numpy(here.astype(np.float32))[:, None, None]
        before = torch.from_numpy(belief)
        moved = F.grid_sample(before[:, None], source / (grid.step * (n - 1) / 2), align_corners=True)[:, 0]
        torn = (motion[2] / (config.torn_at * _DIAGONAL)).clamp(0, 1)
        sharp, spread, drift = (
            torch.from_numpy(kernel) @ what @ torch.from_numpy(kernel)
            for kernel, what in ((grid._blur, moved), (grid._torn_blur, moved), (grid._drift_blur, before))
        )
        message, drift = (m / m.sum((1, 2), keepdim=True) for m in (sharp + torn * (spread - sharp), drift))
        message = (1 - config.drift_share) * message + config.drift_share * drift
        return ((1 - config.hazard) * message + config.hazard / n**2).numpy()


def milliseconds(step: Callable[[], object]) -> float:
    """The median of 60 runs after a warm-up."""
    for _ in range(5):
        step()
    times = []
    for _ in range(60):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1000


def main() -> None:
    """Time both and compare what they give."""
    rng = np.random.default_rng(0)
    grid = Grid(_DIAGONAL, BeliefConfig())
    crop = Crop(0, 0, 480, 360, 1.0)
    field = cv2.GaussianBlur(rng.normal(0, 20, (180, 240, 3)).astype(np.float32), (0, 0), 8)
    flow = Flow(crop, np.abs(field))
    print("| keypoints | threads | NumPy + OpenCV, ms | torch, ms | largest difference |\n|---|---|---|---|---|")
    for count in (13, 68):
        here = rng.uniform(100, 250, (count, 2))
        there = here + rng.normal(0, 3, (count, 2))
        belief = normalised(grid.peak(rng.normal(0, 20, (count, 2))) + grid.uniform(count))
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            torch.set_num_threads(threads)
            ours = milliseconds(lambda: grid.carry(belief, here, there, flow))  # noqa: B023 - called at once
            theirs = milliseconds(lambda: torch_carry(grid, belief, here, there, flow))  # noqa: B023
            difference = np.abs(grid.carry(belief, here, there, flow) - torch_carry(grid, belief, here, there, flow))
            print(f"| {count} | {threads} | {ours:.2f} | {theirs:.2f} | {difference.max():.1e} |")


if __name__ == "__main__":
    main()
