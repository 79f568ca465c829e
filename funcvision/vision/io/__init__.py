"""Reading and writing image and video files, under torchvision's names. Arrays are [height, width, channels]."""

from .decode import (
    decode_avif,
    decode_gif,
    decode_heic,
    decode_image,
    decode_jpeg,
    decode_png,
    decode_webp,
    read_image,
)
from .encode import encode_jpeg, encode_png, write_jpeg, write_png
from .files import read_file, write_file
from .image import open_image
from .modes import ImageReadMode
from .video import VideoReader
from .video_file import read_video, read_video_timestamps, write_video

__all__ = [
    "ImageReadMode",
    "VideoReader",
    "decode_avif",
    "decode_gif",
    "decode_heic",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "open_image",
    "read_file",
    "read_image",
    "read_video",
    "read_video_timestamps",
    "write_file",
    "write_jpeg",
    "write_png",
    "write_video",
]
