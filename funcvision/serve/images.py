"""Images from bytes of unknown origin: their size is checked before pixels are unpacked."""

import io
import math
from typing import Any

import PIL.Image
import PIL.ImageOps

from ..vision import io as files
from .errors import ServeError

__all__ = ["FORMATS", "Limits", "fitted", "open_image"]

PIL.Image.init()
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF") if name in PIL.Image.OPEN)
"""Pillow's names of the formats that are read. Others run other programs, as EPS does, or have readers seldom used."""


class Limits:
    """What an image may measure.

    Args:
        max_pixels: of the image, and of the image after resizing.
        resize: the shorter side after resizing, or (height, width); None if images are not resized.

    Attributes:
        max_pixels: as given.
    """

    def __init__(self, max_pixels: int, *, resize: Any = None):
        self.max_pixels = max_pixels
        self._resize = tuple(resize) if isinstance(resize, list | tuple) else resize
        if isinstance(self._resize, tuple) and len(self._resize) == 1:
            self._resize = self._resize[0]

    def check(self, height: int, width: int) -> None:
        """Refuses an image of this size.

        Raises:
            ServeError: 413; the image has too many pixels, or would have after resizing.
        """
        if height * width > self.max_pixels:
            raise ServeError(
                413, f"the image has {height} x {width} pixels (height x width), more than {self.max_pixels:,}"
            )
        new_height, new_width = self._resized(height, width)
        if new_height * new_width > self.max_pixels:
            raise ServeError(
                413, f"the image has {height} x {width} pixels (height x width); resized for the model it would have "
                f"{new_height} x {new_width}, more than {self.max_pixels:,}"
            )

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self._resize is None:
            return height, width
        if isinstance(self._resize, tuple):
            return self._resize[0], self._resize[1]
        scale = self._resize / max(1, min(height, width))
        return math.ceil(height * scale), math.ceil(width * scale)


def open_image(data: bytes, limits: Limits) -> PIL.Image.Image:
    """The image in a file, in mode RGB, turned as its EXIF orientation says.

    Args:
        data: the bytes of the file.
        limits: that its header must keep before its pixels are unpacked.

    Raises:
        ServeError: 415 if it is no image in one of `FORMATS`, 413 if it is too large, 400 if it is damaged.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as header:
            width, height = header.size
    except PIL.UnidentifiedImageError:
        raise ServeError(415, f"the body is not an image that is read here: {', '.join(FORMATS)}") from None
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise ServeError(413, "the image has too many pixels") from None
    except Exception:  # on damaged files Pillow's readers raise exceptions of any type
        raise ServeError(400, "the image is damaged: its header cannot be read") from None
    limits.check(height, width)
    try:
        return files.open_image(data, exif=True)
    except (ValueError, OSError) as error:
        raise ServeError(400, str(error)) from error


def fitted(image: PIL.Image.Image, height: int, width: int) -> PIL.Image.Image:
    """The image in another size: scaled until it covers this size, and cut to it around its centre."""
    if image.size == (width, height):
        return image
    return PIL.ImageOps.fit(image, (width, height), PIL.Image.Resampling.BILINEAR)
