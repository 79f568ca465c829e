"""Parsers of the formats that data sets are published in, one file a format.

Every parser takes the bytes or the path of a file from outside, runs nothing in it, and raises `ValueError` where the
file is damaged or of another format.
"""

from .cifar_batch import read_cifar_batch
from .idx import read_idx

__all__ = ["read_cifar_batch", "read_idx"]
