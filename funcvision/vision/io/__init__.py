"""Reading image and video files."""

from .image import open_image
from .video import VideoReader

__all__ = ["VideoReader", "open_image"]
