"""The channels that a decoded image shall have, and its orientation."""

import enum
from typing import Any

import numpy as np
import PIL.Image

__all__ = ["ImageReadMode"]

ORIENTATION = 0x0112
"""The EXIF tag that says how an image is turned and mirrored."""
COPIED_PIXELS = 1 << 20
"""How many pixels of an image are copied at once."""
GRAY_WEIGHTS = (9794, 19234, 3740)
"""Of red, green and blue in grey, in units of 1/32768: libpng's weights for torchvision's 0.2989, 0.587, 0.114."""


class ImageReadMode(enum.Enum):
    """The channels of a decoded image; the decoders take the names as strings too, in small letters or capitals.

    Attributes:
        UNCHANGED: what the file has.
        GRAY: one channel.
        GRAY_ALPHA: grey and opacity.
        RGB: three channels.
        RGB_ALPHA: three channels and opacity.
        RGBA: another name of RGB_ALPHA.
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


def read_mode(mode: ImageReadMode | str) -> ImageReadMode:
    """The mode with this name; ValueError if there is none."""
    if isinstance(mode, ImageReadMode):
        return mode
    if isinstance(mode, str) and mode.upper() in ImageReadMode.__members__:
        return ImageReadMode[mode.upper()]
    raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(ImageReadMode.__members__)}")


def pixels(image: Any) -> np.ndarray:
    """A copy of the pixels of a PIL image, [height, width, channels].

    Pillow copies the pixels twice on the way to numpy, so a large image is copied in parts.
    """
    width, height = image.size
    rows = max(1, COPIED_PIXELS // width)
    if rows >= height:
        array = np.array(image)
        return array[..., None] if array.ndim == 2 else array
    first = pixels(image.crop((0, 0, width, rows)))
    array = np.empty((height, *first.shape[1:]), first.dtype)
    array[:rows] = first
    for top in range(rows, height, rows):
        bottom = min(top + rows, height)
        array[top:bottom] = pixels(image.crop((0, top, width, bottom)))
    return array


def to_mode(image: np.ndarray, mode: ImageReadMode) -> np.ndarray:
    """An image with the channels that `mode` asks for.

    Args:
        image: uint8 or uint16, [..., 1 | 2 | 3 | 4]: grey, grey and opacity, RGB, RGB and opacity.
        mode: the channels of the result. Opacity that is missing is the largest value.
    """
    channels = image.shape[-1]
    wanted = channels if mode is ImageReadMode.UNCHANGED else mode.value
    if wanted == channels:
        return image
    if wanted < 3:
        color = image[..., :1] if channels < 3 else gray(image)
    else:
        color = image[..., :3] if channels >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    if wanted in (1, 3):
        return np.ascontiguousarray(color)
    if channels in (2, 4):
        opacity = image[..., -1:]
    else:
        opacity = np.full((*image.shape[:-1], 1), np.iinfo(image.dtype).max, image.dtype)
    return np.concatenate([color, opacity], axis=-1)


def gray(image: np.ndarray) -> np.ndarray:
    """The grey values of a colour image, [..., 1]: a weighted sum of red, green and blue, rounded."""
    total = np.full((*image.shape[:-1], 1), 1 << 14, np.uint32)
    for channel, weight in enumerate(GRAY_WEIGHTS):
        total += image[..., channel : channel + 1] * np.uint32(weight)
    return (total >> np.uint32(15)).astype(image.dtype)


def orientation(exif: bytes | PIL.Image.Exif | None) -> int:
    """The orientation, 1 to 8, that EXIF data give; 1 is upright, and what data without one mean."""
    if isinstance(exif, bytes):
        found = PIL.Image.Exif()
        found.load(exif)
        exif = found
    value = exif.get(ORIENTATION, 1) if exif else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image, [..., height, width, channels], turned and mirrored as its EXIF orientation says."""
    if orientation >= 5:
        image = image.swapaxes(-3, -2)
    if orientation in (3, 4, 7, 8):
        image = image[..., ::-1, :, :]
    if orientation in (2, 3, 6, 7):
        image = image[..., ::-1, :]
    return np.ascontiguousarray(image)


def check_pixels(height: int, width: int, limit: int | None, frames: int = 1) -> None:
    """ValueError if an image, or all frames of an animation together, have more pixels than the limit."""
    if limit is not None and height * width * frames > limit:
        size = f"{height} x {width}" + (f" x {frames} frames" if frames > 1 else "")
        raise ValueError(
            f"it has {size} pixels, more than the {limit:,} that max_pixels allows; if you trust it, pass a larger "
            f"max_pixels, or None for no limit"
        )
