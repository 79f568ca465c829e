"""PNG files whose samples have 16 bits, as optical flow and disparity are published.

Pillow reduces 16-bit colour to 8 bits. So this file reads the chunks itself (https://www.w3.org/TR/png-3/) and leaves
only the undoing of the row filters to Pillow. A filter predicts each byte from the byte at the same place in the pixel
to the left and in the row above. The six bytes of a 16-bit colour pixel are therefore filtered as two pixels of three
bytes would be, and Pillow decodes them as two 8-bit images.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

__all__ = ["read_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the colour type, of those that may have 16 bits
_PARTS = {2: (2,), 6: (3, 3), 4: (4,), 8: (4, 4)}  # how the bytes of a pixel are divided into 8-bit pixels
_COLOUR_TYPES = {2: 4, 3: 2, 4: 6}  # the colour type of an 8-bit pixel, by its number of bytes
_MOST_PIXELS = 1 << 25  # of an image; they unpack to 268 MB at 8 bytes a pixel


def read_png(path: str | os.PathLike[str]) -> np.ndarray:
    """The samples of a PNG file, `[height, width]` or `[height, width, channels]`, uint16 where the file has 16 bits.

    Files of at most 8 bits give what Pillow makes of them.

    Raises:
        ValueError: the file is damaged, truncated or no PNG file; the message names it.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        chunks = list(_chunks(content))
        if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
            raise ValueError("it has no header")
        width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
        if not 0 < width * height <= _MOST_PIXELS:
            raise ValueError(f"it declares {width} x {height} pixels")
        if depth != 16:
            with Image.open(io.BytesIO(content)) as image:
                return np.array(image)
        if colour_type not in _CHANNELS or interlaced:
            raise ValueError(f"its colour type {colour_type} with interlacing {interlaced} is not read with 16 bits")
        return _samples16(b"".join(data for name, data in chunks if name == b"IDAT"), width, height, colour_type)
    except (ValueError, OSError, SyntaxError, zlib.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no PNG file: {error}") from error


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of every chunk, whose checksum is verified."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("it does not start as a PNG file")
    position, name = len(_SIGNATURE), b""
    while name != b"IEND":
        if position + 12 > len(content):
            raise ValueError("it is cut off")
        length, name = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        checksum = content[position + 8 + length : position + 12 + length]
        if len(checksum) != 4 or zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(checksum, "big"):
            raise ValueError(f"the checksum of its chunk {name!r} is wrong")
        yield name, data
        position += 12 + length


def _samples16(compressed: bytes, width: int, height: int, colour_type: int) -> np.ndarray:
    """The samples of a 16-bit image that is not interlaced."""
    channels = _CHANNELS[colour_type]
    size = height * (1 + 2 * channels * width)
    stream = zlib.decompressobj()
    raw = stream.decompress(compressed, size + 1)
    if len(raw) != size or not stream.eof:
        raise ValueError(f"its pixels take other than {size} bytes")
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1)
    filters, filtered = rows[:, :1], rows[:, 1:].reshape(height, width, 2 * channels)
    pixels = np.empty((height, width, 2 * channels), np.uint8)
    start = 0
    for count in _PARTS[2 * channels]:
        part = slice(start, start + count)
        pixels[:, :, part] = _unfiltered(filters, filtered[:, :, part])
        start += count
    samples = pixels.view(">u2").astype(np.uint16)
    return samples[:, :, 0] if channels == 1 else samples


def _unfiltered(filters: np.ndarray, filtered: np.ndarray) -> np.ndarray:
    """The bytes of 8-bit pixels, `[height, width, 2 | 3 | 4]`, from row filters and filtered bytes."""
    height, width, count = filtered.shape
    rows = np.concatenate([filters, filtered.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[count], 0, 0, 0)
    png = [_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows.tobytes(), 0)), _chunk(b"IEND", b"")]
    with Image.open(io.BytesIO(b"".join(png))) as image:
        return np.asarray(image)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
