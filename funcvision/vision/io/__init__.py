"""Reading image and video files."""

from .image import open_image
from .video import VideoReader
from .video_file import read_video, read_video_timestamps, write_video

__all__ = ["VideoReader", "open_image", "read_video", "read_video_timestamps", "write_video"]
