"""Training labels from a few manual ones and many propagated ones: PoseWarper's section 3.4, "data augmentation".

    pairs = pair("keys/", "dense/")
    train, counts = join(pairs[0].manual, pairs[0].propagated, AugmentOptions(min_score=0.5))

What a person set is taken over bit for bit; every propagated keypoint keeps its source, its origin and a score, which
`pwarp train --pseudo-weights score` reads as the weight of its loss (a manual one has none and weighs 1).
"""

from pwarp.augment.counts import Counts
from pwarp.augment.join import AugmentOptions, join
from pwarp.augment.pairs import Pair, pair

__all__ = ["AugmentOptions", "Counts", "Pair", "join", "pair"]
