"""Small image files in memory, each format in several of its forms, for the tests of decoders."""

import io
import struct
import zlib

import numpy as np
import PIL.Image

PALETTE = bytes([10, 20, 30, 255, 0, 0, 0, 255, 0, 0, 0, 255])


def photo(height: int = 37, width: int = 53, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth shapes with noise, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phase = rng.uniform(0, 6, channels)
    smooth = 120 + 90 * np.sin(y[..., None] / 9 + phase) * np.cos(x[..., None] / 7 + 2 * phase)
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def saved(image: np.ndarray | PIL.Image.Image, format: str, **options) -> bytes:
    """The bytes that Pillow writes."""
    if isinstance(image, np.ndarray):
        image = PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""Adam7: first row, first column, step of rows, step of columns."""


def paeth(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))


def filtered(values: np.ndarray, depth: int, seed: int) -> bytes:
    """Rows of values, [height, width, channels], each behind one of the five filters drawn at random."""
    height, _, channels = values.shape
    if depth == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = values.astype(np.uint8).reshape(height, -1)
    else:
        bits = (values.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.astype(np.uint8).reshape(height, -1), axis=1)
    step = max(1, depth * channels // 8)
    padded = np.pad(rows.astype(int), ((1, 0), (step, 0)))
    a, b, c = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    choices = [rows * 0, a, b, (a + b) // 2, paeth(a, b, c)]
    kinds = np.random.default_rng(seed).integers(0, 5, height)
    return b"".join(
        bytes([kind]) + ((rows[y].astype(int) - choices[kind][y]) % 256).astype(np.uint8).tobytes()
        for y, kind in enumerate(kinds)
    )


def png(
    values: np.ndarray, depth: int, color: int, *, interlaced: bool = False, palette: bytes = b"", opacity: bytes = b"",
    extra: bytes = b"", seed: int = 0,
) -> bytes:  # fmt: skip
    """A PNG file of any kind; `values` is [height, width, channels]."""
    height, width, _ = values.shape
    parts = [values[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [values]
    content = b"".join(filtered(part, depth, seed + i) for i, part in enumerate(parts) if part.size)
    compressed = zlib.compress(content)
    middle = len(compressed) // 2
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
        + extra + (png_chunk(b"PLTE", palette) if palette else b"") + (png_chunk(b"tRNS", opacity) if opacity else b"")
        + png_chunk(b"IDAT", compressed[:middle]) + png_chunk(b"IDAT", compressed[middle:]) + png_chunk(b"IEND", b"")
    )  # fmt: skip


def lzw(indices: np.ndarray, bits: int = 2) -> bytes:
    """GIF's compressed data, in which the table never grows."""
    clear = 1 << bits
    codes = []
    for i, index in enumerate(np.ravel(indices).tolist()):
        codes += [clear] * (i % 2 == 0) + [index]
    codes.append(clear + 1)
    number = sum(code << i * (bits + 1) for i, code in enumerate(codes))
    raw = number.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")
    blocks = [raw[i : i + 255] for i in range(0, len(raw), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_frame(
    indices: np.ndarray, left: int = 0, top: int = 0, *, disposal: int = 0, transparent: int | None = None,
    palette: bytes = b"", interlaced: bool = False,
) -> bytes:  # fmt: skip
    height, width = indices.shape
    control = b"!\xf9\x04" + bytes([disposal << 2 | (transparent is not None), 10, 0, transparent or 0, 0])
    place = struct.pack("<HHHH", left, top, width, height)
    flags = bytes([(0x81 if palette else 0) | 0x40 * interlaced])
    order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, height, step)]
    return control + b"," + place + flags + palette + lzw(indices[order] if interlaced else indices)


def gif(height: int, width: int, frames: list[bytes], *, background: int = 0, palette: bytes = PALETTE) -> bytes:
    screen = struct.pack("<HH", width, height) + bytes([0x81 if palette else 0, background, 0])
    return b"GIF89a" + screen + palette + b"".join(frames) + b";"


def with_orientation(orientation: int) -> bytes:
    """EXIF data."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
