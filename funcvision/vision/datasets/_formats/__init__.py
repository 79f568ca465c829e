"""Parsers of the formats that data sets are published in, one file a format.

Every parser takes the bytes or the path of a file from outside, runs nothing in it, and raises `ValueError` where the
file is damaged or of another format.
"""

from .cifar_batch import read_cifar_batch
from .coco_json import CocoAnnotations
from .flo import read_flo
from .idx import read_idx
from .mat import read_mat
from .pfm import read_pfm
from .png16 import read_png
from .rle import read_segmentation
from .voc_xml import read_voc_xml, voc_dict

__all__ = [
    "CocoAnnotations", "read_cifar_batch", "read_flo", "read_idx", "read_mat", "read_pfm", "read_png",
    "read_segmentation", "read_voc_xml", "voc_dict",
]  # fmt: skip
