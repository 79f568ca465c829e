"""Decoding of PNG with its checksums verified, and with all 16 bits where it has 16."""

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
import PIL.Image

from .modes import ImageReadMode, check_pixels, orientation, pixels, to_mode, upright

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOR, PALETTE, GREY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {
    GREY: (1, 2, 4, 8, 16), COLOR: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), COLOR_ALPHA: (8, 16),
}  # fmt: skip
CHANNELS = {GREY: 1, COLOR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOR_ALPHA: 4}
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The parts of an interlaced image: first row, first column, step of rows, step of columns."""
PART_BYTES = 1 << 22
"""How much is decompressed at once."""
USED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND"}


class Header(NamedTuple):
    """The chunk IHDR."""

    width: int
    height: int
    depth: int
    color: int
    compression: int
    filtering: int
    interlace: int


class File(NamedTuple):
    """What is used of a PNG file: its header, and the chunks PLTE, tRNS, eXIf, and IDAT one after another."""

    header: Header
    palette: bytes
    opacity: bytes
    exif: bytes
    compressed: bytes


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def parse(data: bytes) -> File:
    """The used chunks of a file, after their checksums are verified."""
    if not data.startswith(SIGNATURE):
        raise ValueError("it does not begin as a PNG does")
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    found: dict[bytes, list[memoryview]] = {name: [] for name in USED}
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError("it is cut off: the chunk at its end is missing")
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            raise ValueError(f"it is cut off within a chunk {kind!r} of {size} bytes")
        if kind in USED:
            if zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
                raise ValueError(f"the checksum of a chunk {kind!r} is wrong")
            found[kind].append(view[at + 8 : end])
        elif kind[:1].isupper():
            raise ValueError(f"it has a chunk {kind!r}, which must be understood and is not known")
        at = end + 4
    if [len(content) for content in found[b"IHDR"]] != [13]:
        raise ValueError("it has no valid header")
    header = Header(*struct.unpack(">IIBBBBB", found[b"IHDR"][0]))
    if header.depth not in DEPTHS.get(header.color, ()) or header[4:6] != (0, 0) or header.interlace > 1:
        raise ValueError(f"its header has invalid values: {header}")
    if not header.width or not header.height:
        raise ValueError(f"its size is {header.height} x {header.width}")
    palette, opacity, exif, compressed = (b"".join(found[name]) for name in (b"PLTE", b"tRNS", b"eXIf", b"IDAT"))
    if header.color == PALETTE and not (0 < len(palette) <= 3 * 256 and len(palette) % 3 == 0):
        raise ValueError(f"its palette has {len(palette)} bytes")
    return File(header, palette, opacity, exif, compressed)


def decode(data: bytes, mode: ImageReadMode, *, exif: bool, max_pixels: int | None) -> np.ndarray:
    """The image in a PNG file; see `decode_png`."""
    file = parse(data)
    check_pixels(file.header.height, file.header.width, max_pixels)
    image = sixteen_bits(file) if file.header.depth == 16 else eight_bits(file)
    if file.header.color == PALETTE and mode is not ImageReadMode.UNCHANGED:
        image = colors(file)[image[..., 0]]
    image = to_mode(image, mode)
    return upright(image, orientation(file.exif)) if exif and file.exif else image


def pixel_bytes(header: Header) -> int:
    """How many bytes the pixels have before they are compressed."""
    bits = header.depth * CHANNELS[header.color]
    size = 0
    for top, left, down, right in PASSES if header.interlace else ((0, 0, 1, 1),):
        rows, columns = -(-(header.height - top) // down), -(-(header.width - left) // right)
        size += rows * (1 + (columns * bits + 7) // 8) if rows > 0 and columns > 0 else 0
    return size


def uncompressed(file: File, *, depth: int, color: int) -> io.BytesIO:
    """A PNG file for Pillow with the same pixels, after their number and their checksum are verified.

    Pillow takes a stream that ends early for a whole one, and does not verify the checksum. It is given the pixels in a
    stream without compression, which is fast to write and to read.

    Args:
        file: the file.
        depth: the bits of a value in the new file; with `color` it must give a pixel as many bits as it has.
        color: what the channels are in the new file.
    """
    result = io.BytesIO()
    header = struct.pack(">IIBBBBB", *file.header._replace(depth=depth, color=color))
    result.write(SIGNATURE + chunk(b"IHDR", header) + (chunk(b"PLTE", file.palette) if color == PALETTE else b""))
    missing, tail = pixel_bytes(file.header), file.compressed
    reader, writer = zlib.decompressobj(), zlib.compressobj(0)
    while missing and (part := reader.decompress(tail, min(missing, PART_BYTES))):
        missing, tail = missing - len(part), reader.unconsumed_tail
        if stored := writer.compress(part):
            result.write(chunk(b"IDAT", stored))
    if missing:
        raise ValueError(f"it is cut off: {missing} bytes of its pixels are missing")
    if reader.decompress(tail, 1):
        raise ValueError("its pixels have more bytes than its size needs")
    if not reader.eof:
        raise ValueError("it is cut off: the checksum of its pixels is missing")
    result.write(chunk(b"IDAT", writer.flush()) + chunk(b"IEND", b""))
    return result


def colors(file: File) -> np.ndarray:
    """The palette, [256, 4], with opacity. Colours that it does not have are black."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    palette = np.frombuffer(file.palette, np.uint8).reshape(-1, 3)
    opacity = np.frombuffer(file.opacity[: len(palette)], np.uint8)
    table[: len(palette), :3] = palette
    table[: len(opacity), 3] = opacity
    return table


def read(file: io.BytesIO, rawmode: str = "") -> np.ndarray:
    """What Pillow makes of a PNG file, [height, width, channels].

    Args:
        file: the file.
        rawmode: Pillow's name for the layout of a pixel, in place of its choice.
    """
    file.seek(0)
    with PIL.Image.open(file, formats=("PNG",)) as image:
        if rawmode:
            image.tile = [image.tile[0]._replace(args=rawmode)]
        return pixels(image.convert("L") if image.mode == "1" else image)


def eight_bits(file: File) -> np.ndarray:
    """The pixels of a file with up to 8 bits. Grey values of fewer bits are scaled to 255; a palette gives indices."""
    return read(uncompressed(file, depth=file.header.depth, color=file.header.color))


def sixteen_bits(file: File) -> np.ndarray:
    """The pixels of a file with 16 bits, as uint16.

    Pillow keeps 8 of the 16 bits of colours. Its filters act on bytes, whatever they mean, so a pixel of two or four
    bytes is read as one with as many channels of 8 bits. There is nothing of six or eight channels, so there Pillow
    reads the upper bytes, and then the lower ones as if they came first.
    """
    if file.header.color in (GREY, GREY_ALPHA):
        pair = {GREY: GREY_ALPHA, GREY_ALPHA: COLOR_ALPHA}[file.header.color]
        return read(uncompressed(file, depth=8, color=pair)).view(">u2").astype(np.uint16)
    name = "RGB" if file.header.color == COLOR else "RGBA"
    same = uncompressed(file, depth=16, color=file.header.color)
    upper, lower = (read(same, f"{name};16{order}") for order in ("B", "L"))
    return upper.astype(np.uint16) << np.uint16(8) | lower
