"""Reading image files."""

from .image import open_image

__all__ = ["open_image"]
