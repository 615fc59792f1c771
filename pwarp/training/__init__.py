"""Training: one data pipeline and one loop for all networks.

`train` does what `pwarp train` does. A clip of crops under one transform, target heatmaps for some of its frames, and a
loss make a `Task` (`tasks`); everything else is the same for all of them.
"""
