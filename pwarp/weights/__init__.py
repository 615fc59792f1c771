"""Known published checkpoints, and how their files become ours."""
