"""Decoding of JPEG by Pillow or, where it is installed, by simplejpeg, with a check that every scan is complete."""

import functools
import io
import math
import re
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from .modes import ImageReadMode, check_pixels, orientation, to_mode, upright

EOI, SOS, DNL = 0xD9, 0xDA, 0xDC
BASELINE, EXTENDED, PROGRESSIVE, ARITHMETIC = 0xC0, 0xC1, 0xC2, 0xC9
START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
BETWEEN_SCANS = {0xC4, 0xCC, SOS, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}
"""Tables, restart intervals, comments and application data: what may follow a scan before the end of the image."""
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker inside compressed data, other than the restart markers."""
PADDING = b"\xfe" * 10
"""Follows a scan in place of a marker. libjpeg reads up to 10 bytes beyond the last bit that it needs."""
KEPT_BYTES = 1 << 24
"""The largest memory that each thread keeps from one image to the next."""
LOCAL = threading.local()
MAX_SCANS = 500
"""A progressive JPEG has about ten scans; each takes as long as decoding the whole image once."""


class Frame(NamedTuple):
    """What the header says of the image.

    Attributes:
        kind: the marker of the frame, which names the coding process.
        height: in pixels.
        width: in pixels.
        precision: bits of a sample.
        components: 1 for grey, 3 for colour, 4 for CMYK.
    """

    kind: int
    height: int
    width: int
    precision: int
    components: int


class Scan(NamedTuple):
    """Where a scan is in the data.

    Attributes:
        header: the bytes of its header, after the length.
        end: the position of the marker that follows its compressed data.
    """

    header: bytes
    end: int


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of each segment up to the first scan."""
    at = 2
    while True:
        at = data.find(b"\xff", at)
        while 0 <= at < len(data) and data[at] == 0xFF:
            at += 1
        if not 0 < at < len(data) - 2:
            raise ValueError("it ends within its header")
        marker = data[at]
        if marker in WITHOUT_LENGTH:
            continue
        end = at + 1 + int.from_bytes(data[at + 1 : at + 3], "big")
        if end > len(data):
            raise ValueError("it ends within its header")
        yield marker, at + 3, end
        if marker == SOS:
            return
        at = end


def read_frame(data: bytes) -> Frame:
    """The size and kind of the image."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("it does not begin as a JPEG does")
    for marker, start, end in segments(data):
        if marker in START_OF_FRAME and end - start >= 6:
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (start + 1, start + 3))
            if not height or not width:
                raise ValueError(f"its size is {height} x {width}")
            return Frame(marker, height, width, data[start], data[start + 5])
        if marker in (SOS, EOI):
            break
    raise ValueError("its header gives no size")


def read_scans(data: bytes) -> Iterator[Scan]:
    """The scans, up to the end of the image."""
    marker, start, end = SOS, 0, 0
    for marker, start, end in segments(data):  # noqa: B007
        pass
    while True:
        found = MARKER.search(data, end)
        if found is None:
            raise ValueError("it is cut off: the marker at the end of the image is missing")
        if marker == SOS:
            if end - start < 4 or end - start < 4 + 2 * data[start]:
                raise ValueError("the header of a scan is too short")
            yield Scan(data[start:end], found.start())
        marker = data[found.start() + 1]
        if marker == EOI:
            return
        if marker not in BETWEEN_SCANS:
            raise ValueError(f"its compressed data contain the marker 0x{marker:02x}")
        start = found.start() + 4
        end = start - 2 + int.from_bytes(data[start - 2 : start], "big")


def check_precision(scans: list[Scan]) -> None:
    """ValueError if a progressive image ends before its coefficients have their full precision."""
    missing: dict[tuple[int, int], int] = {}  # bits that are still to come, by component and coefficient
    for header, _ in scans:
        count = header[0]
        first, last, bits = header[1 + 2 * count : 4 + 2 * count]
        for component in header[1 : 1 + 2 * count : 2]:
            missing.update({(component, k): bits & 15 for k in range(first, min(last, 63) + 1)})
    if any(missing.values()):
        raise ValueError("it is cut off: scans are missing that give the coefficients their full precision")


def decode(
    data: bytes, mode: ImageReadMode, *, exif: bool, size: tuple[int, int] | None, max_pixels: int | None
) -> np.ndarray:
    """The image in a JPEG file; see `decode_jpeg`."""
    frame = read_frame(data)
    check_pixels(frame.height, frame.width, max_pixels)
    turned = 1
    if exif:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG",)) as file:
            turned = orientation(file.getexif())
    gray = mode.value in (1, 2)
    if size is None:
        pixels = fast(data, frame, gray=gray)
        image = converted(with_pillow(data, frame, gray=gray) if pixels is None else pixels, mode)
    else:
        stored = size if turned < 5 else (size[1], size[0])
        pixels = with_pillow(data, frame, gray=gray, at_least=(2 * stored[0], 2 * stored[1]))
        image = resized(converted(pixels, mode), stored)
    image = to_mode(image, mode)
    return upright(image, turned) if turned > 1 else image


def converted(pixels: np.ndarray, mode: ImageReadMode) -> np.ndarray:
    """The pixels; CMYK becomes RGB or grey unless the mode is UNCHANGED."""
    if pixels.shape[-1] < 4 or mode is ImageReadMode.UNCHANGED:
        return pixels
    image = PIL.Image.frombuffer("CMYK", pixels.shape[1::-1], pixels, "raw", "CMYK", 0, 1).convert("RGB")
    return np.array(image.convert("L"))[..., None] if mode.value < 3 else np.array(image)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels, resized to (height, width)."""
    image = PIL.Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return np.array(image.resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR)).reshape(*size, -1)


@functools.cache
def simplejpeg() -> ModuleType | None:
    """The package of the extra `fast`, if it is installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def fast(data: bytes, frame: Frame, *, gray: bool) -> np.ndarray | None:
    """The image decoded by simplejpeg, or None where that is not installed, does not apply, or refuses the file.

    It refuses each file on which libjpeg gives a warning; the check of `with_pillow` then decides.
    """
    package = simplejpeg()
    known = frame.kind in (BASELINE, EXTENDED, PROGRESSIVE) and frame.precision == 8 and frame.components in (1, 3)
    if package is None or not known:
        return None
    if frame.kind == PROGRESSIVE:
        check_scans(frame, list(read_scans(data)))
    colorspace = "GRAY" if frame.components == 1 or gray else "RGB"
    try:
        return package.decode_jpeg(data, colorspace)
    except (ValueError, RuntimeError):
        return None


def check_scans(frame: Frame, scans: list[Scan]) -> None:
    """ValueError if there are too many scans, or some are missing."""
    if len(scans) > MAX_SCANS:
        raise ValueError(f"it has {len(scans)} scans, and more than {MAX_SCANS} are refused")
    if frame.kind == PROGRESSIVE:
        check_precision(scans)


def with_pillow(data: bytes, frame: Frame, *, gray: bool, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels, [height, width, 1, 3 or 4], decoded by Pillow, after a check that no scan ends early.

    libjpeg decodes the rest of a scan that ends early as if it were flat, and only warns, and Pillow does not show
    warnings. But where the data end without a marker, libjpeg waits for more. So each scan is passed on alone, with
    padding in place of the marker after it; if libjpeg then waits for more data of this scan, the scan is short. A scan
    that lacks fewer bytes than the padding has is not detected.

    Args:
        data: the file.
        frame: its header.
        gray: decode the luminance only.
        at_least: the smallest height and width that will do. The image may be decoded at a half, a quarter or an
            eighth of its size.
    """
    file = PIL.Image.open(io.BytesIO(data), formats=("JPEG",))
    if file.size != (frame.width, frame.height):  # libjpeg would write beyond the array
        raise ValueError("its header gives two different sizes")
    if gray or at_least:
        file.draft("L" if gray else None, at_least and (at_least[1], at_least[0]))
    codec, extents, _, arguments = file.tile[0]
    # Pillow has RGB in four bytes a pixel. With a mode of four bytes it can decode into an array, which saves a copy.
    mode, layout = ("RGBX", ("RGBX", "")) if file.mode == "RGB" else (file.mode, arguments)
    shape = (*file.size[::-1], 1 if mode == "L" else 4)
    pixels = scratch(shape) if mode == "RGBX" else np.empty(shape, np.uint8)
    image = PIL.Image.frombuffer(mode, file.size, pixels, "raw", mode, 0, 1)
    decoder = PIL.Image._getdecoder(mode, codec, layout, file.decoderconfig)  # pyright: ignore
    try:
        decoder.setimage(image.im, extents)
        if frame.kind >= ARITHMETIC:  # libjpeg cannot wait within a scan of this kind
            scans = list(read_scans(data))
            check_scans(frame, scans)
            done = decoder.decode(data)
        else:
            done = decode_scans(decoder, data, frame)
    finally:
        decoder.cleanup()
    if done != (-1, 0):
        raise ValueError("libjpeg cannot decode it")
    if file.mode != "RGB":
        return pixels
    rgb = np.empty((*shape[:2], 3), np.uint8)
    for channel in range(3):  # a third of the time of a slice
        rgb[..., channel] = pixels[..., channel]
    return rgb


def scratch(shape: tuple[int, ...]) -> np.ndarray:
    """An array that this thread uses again for the next image, because new memory is slow to touch."""
    size = math.prod(shape)
    if size > KEPT_BYTES:
        return np.empty(shape, np.uint8)
    held = getattr(LOCAL, "buffer", None)
    if held is None or held.size < size:
        held = LOCAL.buffer = np.empty(size, np.uint8)
    return held[:size].reshape(shape)


def padded(data: bytes) -> bytes | None:
    """A file of one sequential scan with padding in place of its end, so that Pillow reports a scan that ends early.

    None for a file of several scans or of another kind, which `decode` checks.

    Raises:
        ValueError: the file is cut off.
    """
    frame, scans = read_frame(data), list(read_scans(data))
    sequential = frame.kind < PROGRESSIVE and len(scans) == 1 and scans[0].header[0] == frame.components
    if not sequential or data[scans[0].end + 1] != EOI:
        return None
    return data[: scans[0].end] + PADDING


def decode_scans(decoder: Any, data: bytes, frame: Frame) -> tuple[int, int]:
    """Passes the scans to Pillow's decoder; gives -1 and 0 where all went well."""
    scans = list(read_scans(data))
    check_scans(frame, scans)
    if frame.kind != PROGRESSIVE and scans[0].header[0] == frame.components:
        if len(scans) > 1 or data[scans[0].end + 1] != EOI:
            raise ValueError("its compressed data are interrupted by a marker")
        scan = memoryview(data)[: scans[0].end]
        consumed, error = decoder.decode(scan)
        if consumed >= 0:
            consumed, error = decoder.decode(bytes(scan[consumed:]) + PADDING)
        if consumed >= 0:
            raise ValueError("its compressed data end early")
        return consumed, error
    start = 0
    for _, end in scans:
        for piece in (data[start:end] + PADDING, b"\0"):
            consumed, error = decoder.decode(piece)
            if consumed < 0:
                return (-2, error)
            if consumed < len(piece):
                raise ValueError("the compressed data of a scan end early")
        start = end
    return decoder.decode(data[start:])
