"""What is learned from a clip: which frames a sample has, and how a network turns them into a loss.

A task knows its network's interface (`pwarp.models`) and nothing about videos, files or optimisers. `frames` is for
estimators of single frames, `warping` for PoseWarper, `windows` for models that look around a frame (DCPose, GLPose),
`clips` for those that walk through a video (PPN, DKD).
"""
