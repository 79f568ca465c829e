"""Decoding of GIF: its blocks are read here, the pixels of a frame are decompressed by Pillow."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import PIL.Image

from .modes import ImageReadMode, check_pixels, to_mode

EXTENSION, IMAGE, TRAILER, CONTROL = 0x21, 0x2C, 0x3B, 0xF9
BACKGROUND, PREVIOUS = 2, 3
"""Ways to dispose of a frame: fill with the background, or show again what was there before."""


class Frame(NamedTuple):
    """One image of the file.

    Attributes:
        left: its first column on the canvas.
        top: its first row on the canvas.
        width: in pixels.
        height: in pixels.
        interlaced: its rows are stored in four passes.
        palette: its colours, [number, 3].
        transparent: the index of the colour that leaves a pixel as it was, or None.
        disposal: what happens to it.
        compressed: its compressed data.
    """

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    palette: np.ndarray
    transparent: int | None
    disposal: int
    compressed: bytes


class Reader:
    """Reads the parts of a file one after another; ValueError where it ends too early."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        part = self.data[self.at : self.at + count]
        if len(part) < count:
            raise ValueError("it is cut off")
        self.at += count
        return part

    def numbers(self, count: int) -> list[int]:
        """The next numbers of 16 bits."""
        return np.frombuffer(self.take(2 * count), "<u2").tolist()

    def palette(self, flags: int) -> np.ndarray | None:
        """The palette that follows if the highest of the flags says so."""
        if not flags & 0x80:
            return None
        return np.frombuffer(self.take(3 << (flags & 7) + 1), np.uint8).reshape(-1, 3)

    def blocks(self) -> bytes:
        """The blocks up to an empty one, with their lengths."""
        start = self.at
        while size := self.take(1)[0]:
            self.take(size)
        return self.data[start : self.at]


def read_frames(reader: Reader, default: np.ndarray | None) -> Iterator[Frame]:
    """The frames of a file, after its header.

    Args:
        reader: has read the header and the palette of the file.
        default: the palette of frames that have none.
    """
    disposal, transparent = 0, None
    while (kind := reader.take(1)[0]) != TRAILER:
        if kind == EXTENSION:
            label, content = reader.take(1)[0], reader.blocks()
            if label == CONTROL and len(content) >= 5:
                disposal = content[1] >> 2 & 7
                transparent = content[4] if content[1] & 1 else None
        elif kind == IMAGE:
            left, top, width, height = reader.numbers(4)
            flags = reader.take(1)[0]
            palette = reader.palette(flags)
            palette = default if palette is None else palette
            if palette is None:
                raise ValueError("a frame has no colours")
            start = reader.take(1)
            yield Frame(
                left, top, width, height, bool(flags & 0x40), palette, transparent, disposal, start + reader.blocks()
            )
            disposal, transparent = 0, None
        else:
            raise ValueError(f"it has an unknown block 0x{kind:02x}")


def indices(frame: Frame) -> np.ndarray:
    """The numbers of the colours of a frame, [height, width]."""
    size = frame.width.to_bytes(2, "little") + frame.height.to_bytes(2, "little")
    flags = b"\x40" if frame.interlaced else b"\0"
    alone = b"GIF89a" + size + bytes(3) + b"," + bytes(4) + size + flags + frame.compressed
    with PIL.Image.open(io.BytesIO(alone), formats=("GIF",)) as image:
        return np.asarray(image)


def check_complete(data: bytes) -> None:
    """ValueError if a file ends before its last frame does."""
    reader = Reader(data)
    reader.take(10)
    flags = reader.take(3)[0]
    default = reader.palette(flags)
    for _ in read_frames(reader, np.zeros((0, 3), np.uint8) if default is None else default):
        pass


def decode(data: bytes, mode: ImageReadMode, *, max_pixels: int | None) -> np.ndarray:
    """The image or animation in a GIF file; see `decode_gif`."""
    reader = Reader(data)
    if reader.take(6) not in (b"GIF87a", b"GIF89a"):
        raise ValueError("it does not begin as a GIF does")
    width, height = reader.numbers(2)
    flags, background, _ = reader.take(3)
    default = reader.palette(flags)
    if not width or not height:
        raise ValueError(f"its size is {height} x {width}")
    check_pixels(height, width, max_pixels)
    frames = []
    for frame in read_frames(reader, default):
        frames.append(frame)
        check_pixels(frame.height, frame.width, max_pixels, len(frames))
        check_pixels(height, width, max_pixels, len(frames))
    if not frames:
        raise ValueError("it has no image")
    fill = np.zeros(3, np.uint8) if default is None or background >= len(default) else default[background]
    movie = np.empty((len(frames), height, width, 3), np.uint8)
    before = fill
    for number, frame in enumerate(frames):
        # torchvision fills the whole canvas before this frame; the format says that its area is filled after it
        movie[number] = fill if frame.disposal == BACKGROUND else before
        draw(movie[number], frame)
        if frame.disposal != PREVIOUS or number == 0:
            before = movie[number]
    movie = to_mode(movie, mode)
    return movie if len(frames) > 1 else movie[0]


def draw(canvas: np.ndarray, frame: Frame) -> None:
    """Draws a frame on the canvas; what lies outside is cut off."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(frame.palette)] = frame.palette
    area = canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    chosen = indices(frame)[: area.shape[0], : area.shape[1]]
    if frame.transparent is None:
        area[...] = table[chosen]
    else:
        area[...] = np.where((chosen == frame.transparent)[..., None], area, table[chosen])
