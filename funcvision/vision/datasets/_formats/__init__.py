"""Parsers of the formats that data sets are published in, one file a format.

Every parser takes the bytes or the path of a file from outside, runs nothing in it, and raises `ValueError` where the
file is damaged or of another format.
"""

from .arrow_rows import ArrowRows
from .cifar_batch import read_cifar_batch
from .coco_json import CocoAnnotations
from .flo import read_flo
from .hdf5 import HDF5Array
from .idx import read_idx
from .json_file import read_json
from .libsvm import read_libsvm
from .lmdb import LMDB
from .mat import read_mat
from .npy import read_npy
from .pfm import read_pfm
from .rle import read_segmentation
from .stl10_binary import read_stl10_images, read_stl10_labels
from .tar_stream import read_tar
from .text import read_lines, read_numbers
from .text_table import Record, read_csv, read_table
from .voc_xml import read_voc_xml, voc_dict

__all__ = [
    "ArrowRows", "CocoAnnotations", "HDF5Array", "LMDB", "Record", "read_cifar_batch", "read_csv", "read_flo",
    "read_idx", "read_json", "read_libsvm", "read_lines", "read_mat", "read_npy", "read_numbers", "read_pfm",
    "read_segmentation", "read_stl10_images", "read_stl10_labels", "read_table", "read_tar",
    "read_voc_xml", "voc_dict",
]
