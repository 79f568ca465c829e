"""Parsers of the formats that data sets are published in, one file a format.

Every parser takes the bytes or the path of a file from outside, runs nothing in it, and raises `ValueError` where the
file is damaged or of another format.
"""

from .cifar_batch import read_cifar_batch
from .idx import read_idx
from .json_file import read_json
from .mat import read_mat
from .text_table import Record, read_csv, read_table

__all__ = ["Record", "read_cifar_batch", "read_csv", "read_idx", "read_json", "read_mat", "read_table"]
