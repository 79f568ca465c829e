"""Writers of the formats in which flow, disparity and masks are published, with random contents."""

import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 6, 9


def rng(path: pathlib.Path) -> np.random.Generator:
    """Random numbers that depend on the name of a file, so that no two files hold the same."""
    return np.random.default_rng(zlib.crc32("/".join(path.parts[-5:]).encode()))


def image(path: pathlib.Path, mode: str = "RGB", size: tuple[int, int] = (HEIGHT, WIDTH), values: int = 256) -> None:
    """A random image in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, {"RGB": 3, "RGBA": 4}.get(mode, 1))
    pixels = rng(path).integers(0, values, shape, np.uint8)
    drawn = Image.fromarray(pixels if shape[2] > 1 else pixels[:, :, 0])
    if mode == "P":
        drawn.putpalette(bytes(range(256)) * 3)
    drawn.save(path)


def png16(path: pathlib.Path, samples: np.ndarray) -> None:
    """A PNG file of 16 bits, whose rows take turns between the five filters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = samples.reshape(*samples.shape[:2], -1).shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8).reshape(height, -1).astype(int)
    step, packed = 2 * channels, []
    for y, row in enumerate(rows):
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        up = rows[y - 1] if y else np.zeros_like(row)
        corner = np.concatenate([np.zeros(step, int), up[:-step]])
        estimate = left + up - corner
        distances = np.abs(np.stack([estimate - left, estimate - up, estimate - corner]))
        paeth = np.stack([left, up, corner])[distances.argmin(0), np.arange(row.size)]
        predicted = [0 * row, left, up, (left + up) // 2, paeth][y % 5]
        packed.append(bytes([y % 5]) + ((row - predicted) % 256).astype(np.uint8).tobytes())
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(packed))), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def numbers16(path: pathlib.Path, low: int = 1) -> None:
    """A PNG file of one channel of 16 bits."""
    png16(path, rng(path).integers(low, 2**16, (HEIGHT, WIDTH), np.uint16))


def flow16(path: pathlib.Path) -> None:
    """A PNG file of flow and validity, as KITTI has them."""
    samples = rng(path).integers(0, 2**16, (HEIGHT, WIDTH, 3), np.uint16)
    samples[:, :, 2] %= 2
    png16(path, samples)


def flo(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = rng(path).standard_normal((HEIGHT, WIDTH, 2)).astype("<f4")
    path.write_bytes(b"PIEH" + struct.pack("<ii", WIDTH, HEIGHT) + numbers.tobytes())


def pfm(path: pathlib.Path, channels: int = 1, *, big: bool = False, infinite: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = rng(path).standard_normal((HEIGHT, WIDTH, channels)).astype(">f4" if big else "<f4")
    if infinite:
        numbers[::2, ::3] = np.inf
    header = f"{'PF' if channels == 3 else 'Pf'}\n{WIDTH} {HEIGHT}\n{1.0 if big else -1.0}\n"
    path.write_bytes(header.encode() + numbers.tobytes())


def text(path: pathlib.Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def as_json(path: pathlib.Path, content: object) -> None:
    text(path, json.dumps(content))
