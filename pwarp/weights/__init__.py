"""Weights that others have published: where they are, and turning them into checkpoints of pwarp."""

from pwarp.weights.convert import convert
from pwarp.weights.download import address, download
from pwarp.weights.names import MAPPINGS
from pwarp.weights.published import PUBLISHED, Published, of_model, published

__all__ = ["MAPPINGS", "PUBLISHED", "Published", "address", "convert", "download", "of_model", "published"]
