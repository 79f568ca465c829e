"""Decoding of image files into numpy arrays: torchvision's names and results, channels last."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _animation, _gif, _jpeg, _png
from .files import Input, each, read_input
from .image import reason
from .modes import ImageReadMode, read_mode

__all__ = [
    "decode_avif",
    "decode_gif",
    "decode_heic",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "read_image",
]

MAX_PIXELS = 89_478_485
"""Pillow's own limit: 256 MiB of RGB. A file of some kilobytes can unpack to more than any memory holds."""
Images = Input | Sequence[Input]
Mode = ImageReadMode | str
UNCHANGED = ImageReadMode.UNCHANGED


def _decode(
    format: str, decoder: Callable[[bytes], np.ndarray], source: Any, max_pixels: int | None, threads: int | None
) -> Any:
    """Decodes one input or a list of them. Each failure becomes a ValueError that names the input."""

    def one(source: Input) -> np.ndarray:
        # 8 bytes a pixel and room for small images: more is only in a file that is damaged or holds other data
        data, name = read_input(source, None if max_pixels is None else 8 * max_pixels + (1 << 26))
        try:
            return decoder(data)
        except (MemoryError, ImportError):
            raise
        except Exception as error:  # on damaged files Pillow's readers raise exceptions of any type
            raise ValueError(f"{name} ({len(data)} bytes) cannot be read as {format}: {reason(error)}") from error

    return each(one, source, threads)


def decode_jpeg(
    input: Images,
    mode: Mode = UNCHANGED,
    device: str = "cpu",
    apply_exif_orientation: bool = False,
    *,
    exif: bool = False,
    size: tuple[int, int] | None = None,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in a JPEG file: uint8, [height, width, channels].

    Pillow decodes it, or simplejpeg where the extra `fast` is installed; both give torchvision's values. CMYK with mode
    UNCHANGED has four channels, in which 0 is no ink, as Pillow gives them; torchvision returns them as stored, which
    mostly is inverted.

    A file without its end marker is refused, and so is one whose compressed data end early or whose scans do not
    complete it. JPEG has no checksum, so other damage may go unnoticed.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result. GRAY is the luminance of the file, as in torchvision. RGBA and GRAY_ALPHA,
            which torchvision refuses, add an opacity of 255.
        device: "cpu"; `jax.device_put` moves an array elsewhere.
        apply_exif_orientation: turn and mirror the image as its EXIF orientation says.
        exif: the same.
        size: (height, width) of the result, after the orientation is applied. The image is decoded at an eighth, a
            quarter or a half where that is at least twice as large, and resized with antialiased bilinear weights.
        max_pixels: the largest number of pixels that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged or no JPEG, or has too many pixels; the message names it. Or `mode`, `device` or
            `size` is not valid.
        OSError: the file cannot be opened.
    """
    if str(device) != "cpu":
        raise ValueError(f"device is {device!r}; images are decoded on the cpu, and jax.device_put moves them")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size is {size}; it must be (height, width), both at least 1")
    decoder = functools.partial(
        _jpeg.decode, mode=read_mode(mode), exif=exif or apply_exif_orientation, size=size, max_pixels=max_pixels
    )
    return _decode("JPEG", decoder, input, max_pixels, threads)


def decode_png(
    input: Images,
    mode: Mode = UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    exif: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in a PNG file: uint8, or uint16 where the file has 16 bits, [height, width, channels].

    The values are torchvision's. A palette with mode UNCHANGED gives the numbers of the colours, in one channel. The
    opacity of a palette without a chunk tRNS, and of grey values of fewer than 8 bits, is 255. The chunk tRNS of grey
    and RGB files, which makes one colour transparent, is ignored as in torchvision. Of an animation the default image
    is read.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result.
        apply_exif_orientation: turn and mirror the image as its EXIF orientation says.
        exif: the same.
        max_pixels: the largest number of pixels that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged (each checksum is verified) or no PNG, or has too many pixels; the message names
            it. Or `mode` is not valid.
        OSError: the file cannot be opened.
    """
    decoder = functools.partial(
        _png.decode, mode=read_mode(mode), exif=exif or apply_exif_orientation, max_pixels=max_pixels
    )
    return _decode("PNG", decoder, input, max_pixels, threads)


def decode_gif(
    input: Images,
    mode: Mode = UNCHANGED,
    *,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in a GIF file, uint8 [height, width, 3], or its frames, [time, height, width, 3], if there are several.

    Each frame is the whole canvas as torchvision composes it: the canvas begins with the background colour, and a frame
    with disposal 2 clears all of it before that frame is drawn. A frame with disposal 3 is taken away again after it
    was shown, as the format says and Pillow does.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result; UNCHANGED is RGB.
        max_pixels: the largest number of pixels of all frames together that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged, cut off or no GIF, or has too many pixels; the message names it. Or `mode` is
            not valid.
        OSError: the file cannot be opened.
    """
    decoder = functools.partial(_gif.decode, mode=read_mode(mode), max_pixels=max_pixels)
    return _decode("GIF", decoder, input, max_pixels, threads)


def decode_webp(
    input: Images,
    mode: Mode = UNCHANGED,
    *,
    exif: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in a WebP file, uint8 [height, width, 3 or 4], or its frames, [time, height, width, 3 or 4].

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result. Unlike torchvision, GRAY and GRAY_ALPHA give grey.
        exif: turn and mirror the image as its EXIF orientation says.
        max_pixels: the largest number of pixels of all frames together that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged or no WebP, or has too many pixels; the message names it. Or `mode` is not
            valid.
        OSError: the file cannot be opened.
    """
    decoder = functools.partial(
        _animation.decode, format="WEBP", mode=read_mode(mode), exif=exif, max_pixels=max_pixels
    )
    return _decode("WebP", decoder, input, max_pixels, threads)


def decode_avif(
    input: Images,
    mode: Mode = UNCHANGED,
    *,
    exif: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in an AVIF file, uint8 [height, width, 3 or 4], or its frames, [time, height, width, 3 or 4].

    Pillow decodes it. It reduces 10 and 12 bits to 8; torchvision's decoder returns uint16 for these.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result.
        exif: turn and mirror the image as its EXIF orientation and its own properties say.
        max_pixels: the largest number of pixels of all frames together that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged or no AVIF, or has too many pixels; the message names it. Or `mode` is not
            valid.
        OSError: the file cannot be opened.
    """
    decoder = functools.partial(
        _animation.decode, format="AVIF", mode=read_mode(mode), exif=exif, max_pixels=max_pixels
    )
    return _decode("AVIF", decoder, input, max_pixels, threads)


def decode_heic(
    input: Images,
    mode: Mode = UNCHANGED,
    *,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The main image in a HEIC file: uint8, or uint16 where it has more than 8 bits, [height, width, channels].

    The image is upright: the format's own rotation is always applied.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result.
        max_pixels: the largest number of pixels that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged or no HEIC, or has too many pixels; the message names it. Or `mode` is not
            valid.
        ImportError: the extra `heif` is not installed.
        OSError: the file cannot be opened.
    """
    decoder = functools.partial(_animation.decode_heif, mode=read_mode(mode), max_pixels=max_pixels)
    return _decode("HEIC", decoder, input, max_pixels, threads)


def decode_image(
    input: Images,
    mode: Mode = UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    exif: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    threads: int | None = None,
) -> Any:
    """The image in a JPEG, PNG, GIF, WebP, AVIF or HEIC file, whose format its first bytes show.

    The result is that of `decode_jpeg`, `decode_png` and so on: uint8, or uint16 where the file has more than 8 bits,
    [height, width, channels], with a leading axis of time for an animation. `open_image` reads further formats.

    Args:
        input: bytes, a uint8 array of bytes, a path, a file object, or a list of these, which gives a list.
        mode: the channels of the result.
        apply_exif_orientation: turn and mirror the image as its EXIF orientation says.
        exif: the same.
        max_pixels: the largest number of pixels of all frames together that is decoded; None is no limit.
        threads: how many threads decode a list; None is one for each core.

    Raises:
        ValueError: the file is damaged, has none of these formats, or has too many pixels; the message names it. Or
            `mode` is not valid.
        ImportError: the file is a HEIC, and the extra `heif` is not installed.
        OSError: the file cannot be opened.
    """
    options = {"mode": read_mode(mode), "max_pixels": max_pixels}
    turned = {"exif": exif or apply_exif_orientation}

    def decoder(data: bytes) -> np.ndarray:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg.decode(data, size=None, **turned, **options)
        if data.startswith(_png.SIGNATURE):
            return _png.decode(data, **turned, **options)
        if data.startswith(b"GIF8"):
            return _gif.decode(data, **options)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _animation.decode(data, format="WEBP", **turned, **options)
        if data[4:8] == b"ftyp":
            if _brands(data) & {b"avif", b"avis"}:
                return _animation.decode(data, format="AVIF", **turned, **options)
            if _brands(data) & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
                return _animation.decode_heif(data, **options)
        raise ValueError("its first bytes are those of no JPEG, PNG, GIF, WebP, AVIF or HEIC")

    return _decode("an image", decoder, input, max_pixels, threads)


def _brands(data: bytes) -> set[bytes]:
    """The kinds of file that the header of an AVIF or HEIC file names."""
    end = min(int.from_bytes(data[:4], "big"), len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}


def read_image(
    path: str | os.PathLike[str],
    mode: Mode = UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    exif: bool = False,
    max_pixels: int | None = MAX_PIXELS,
) -> np.ndarray:
    """The image in a file; the same as `decode_image` of its path.

    Args:
        path: the file.
        mode: the channels of the result.
        apply_exif_orientation: turn and mirror the image as its EXIF orientation says.
        exif: the same.
        max_pixels: the largest number of pixels of all frames together that is decoded; None is no limit.

    Raises:
        ValueError: the file is damaged, has no known format, or has too many pixels; the message names it. Or `mode` is
            not valid.
        OSError: the file cannot be opened.
    """
    return decode_image(path, mode, apply_exif_orientation, exif=exif, max_pixels=max_pixels)
