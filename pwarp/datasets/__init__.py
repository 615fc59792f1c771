"""Published datasets in their own folder layouts, and results files for their evaluation servers.

dataset = open_dataset(root)
for sample in dataset.samples("val"):
    sample.video, sample.annotations
"""

from pwarp.datasets.base import Dataset, Sample, mean_over_splits, open_dataset, sniffed

__all__ = ["Dataset", "Sample", "mean_over_splits", "open_dataset", "sniffed"]
