"""Encoding of numpy arrays, channels last, as JPEG and PNG."""

import io
import os
import zlib
from typing import Any

import numpy as np
import PIL.Image

from ._png import COLOR, COLOR_ALPHA, GREY, GREY_ALPHA, SIGNATURE, Header, chunk
from .files import each, write_file

__all__ = ["encode_jpeg", "encode_png", "write_jpeg", "write_png"]

UP = 2
"""The PNG filter that stores the difference from the row above."""


def _pixels(image: Any, channels: tuple[int, ...], dtypes: tuple[type, ...]) -> np.ndarray:
    """The image as an array with an axis of channels; ValueError if it has another shape or dtype."""
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype not in dtypes or array.ndim != 3 or array.shape[-1] not in channels or 0 in array.shape:
        raise ValueError(
            f"the image has dtype {array.dtype} and shape {np.shape(image)}; it must have dtype "
            f"{' or '.join(np.dtype(dtype).name for dtype in dtypes)} and shape [height, width, channels] with "
            f"{' or '.join(map(str, channels))} channels"
        )
    return array


def encode_jpeg(input: Any, quality: int = 75, *, threads: int | None = None) -> Any:
    """The bytes of a JPEG file, a uint8 array of one dimension.

    Args:
        input: uint8, [height, width, 1 or 3] or [height, width], or a list of these, which gives a list.
        quality: 1 to 100.
        threads: how many threads encode a list; None is one for each core.

    Raises:
        ValueError: the quality, shape or dtype is another one.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}; it must be from 1 to 100")

    def one(image: Any) -> np.ndarray:
        pixels = _pixels(image, (1, 3), (np.uint8,))
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "JPEG", quality=quality)
        return np.frombuffer(buffer.getbuffer(), np.uint8)

    return each(one, input, threads)


def encode_png(input: Any, compression_level: int = 6, *, threads: int | None = None) -> Any:
    """The bytes of a PNG file, a uint8 array of one dimension.

    Args:
        input: uint8 or uint16, [height, width, channels] with 1 to 4 channels (grey, grey and opacity, RGB, RGB and
            opacity) or [height, width], or a list of these, which gives a list.
        compression_level: 0 to 9.
        threads: how many threads encode a list; None is one for each core.

    Raises:
        ValueError: the level, shape or dtype is another one.
    """
    if not 0 <= compression_level <= 9:
        raise ValueError(f"compression_level is {compression_level}; it must be from 0 to 9")

    def one(image: Any) -> np.ndarray:
        pixels = _pixels(image, (1, 2, 3, 4), (np.uint8, np.uint16))
        return np.frombuffer(bytearray(_png(pixels, compression_level)), np.uint8)

    return each(one, input, threads)


def _png(pixels: np.ndarray, level: int) -> bytes:
    """A PNG file whose rows are stored as differences from the rows above."""
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    rows = np.ascontiguousarray(pixels, f">u{depth // 8}").view(np.uint8).reshape(height, -1)
    stored = np.full((height, 1 + rows.shape[1]), UP, np.uint8)
    stored[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=stored[1:, 1:])
    header = Header(width, height, depth, (GREY, GREY_ALPHA, COLOR, COLOR_ALPHA)[channels - 1], 0, 0, 0)
    content = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes(header[2:])
    compressed = zlib.compress(stored.tobytes(), level)
    return SIGNATURE + chunk(b"IHDR", content) + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")


def write_jpeg(input: np.ndarray, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Writes an image to a JPEG file.

    Args:
        input: uint8, [height, width, 1 or 3] or [height, width].
        filename: the file; one that exists is replaced.
        quality: 1 to 100.

    Raises:
        ValueError: the quality, shape or dtype is another one.
        OSError: the file cannot be written.
    """
    write_file(filename, encode_jpeg(input, quality))


def write_png(input: np.ndarray, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Writes an image to a PNG file.

    Args:
        input: uint8 or uint16, [height, width, channels] with 1 to 4 channels, or [height, width].
        filename: the file; one that exists is replaced.
        compression_level: 0 to 9.

    Raises:
        ValueError: the level, shape or dtype is another one.
        OSError: the file cannot be written.
    """
    write_file(filename, encode_png(input, compression_level))
