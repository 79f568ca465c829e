"""Opening an image file as a picture of mode RGB, or saying in one sentence why that cannot be done."""

import io
import os
from typing import BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageOps

from . import _gif, _jpeg, _png
from .modes import ImageReadMode

__all__ = ["open_image"]

BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
"""Tags of a TIFF file, and a value of the second."""


def open_image(source: str | os.PathLike[str] | bytes, *, exif: bool = False) -> PIL.Image.Image:
    """The image in a file, converted to mode RGB.

    A grey image of 16 bits keeps the upper 8 bits of each value, as Pillow does for colours of 16 bits: 65535 becomes
    white. Pillow's own conversion makes everything above 255 white.

    Pillow detects that most files are cut off. It does not detect that a GIF is, or a PNG shortly before its end, nor
    that the data inside a JPEG end early before a correct end marker: libjpeg then guesses the rest. Here these files
    are refused too, as by `decode_image`, and PNG files whose checksums are wrong. This takes 5 % of the time of a
    photo. With `PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True` all that Pillow reads is taken.

    Pillow refuses images of more than twice `PIL.Image.MAX_IMAGE_PIXELS` pixels, because a small malicious file may
    unpack to more than the memory holds, and warns above `MAX_IMAGE_PIXELS` itself. Set it before if you trust the
    files; None removes the limit.

    Args:
        source: the path of the file, or its bytes.
        exif: turn and mirror the image as its EXIF orientation says, as cameras and phones expect. TIFF files are
            always turned, by Pillow.

    Raises:
        ValueError: Pillow cannot read all of the file; or the image has too many pixels; or its values are integers of
            32 bits or floats, whose range the file does not say. The message names the file.
        OSError: the file cannot be opened.
        MemoryError: the pixels do not fit into memory.
    """
    name = "the data" if isinstance(source, bytes) else os.fspath(source)
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            image = PIL.Image.open(file)
            if not PIL.ImageFile.LOAD_TRUNCATED_IMAGES:
                image = _strict(image, file)
            image.load()
            if exif:
                PIL.ImageOps.exif_transpose(image, in_place=True)
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
            raise ValueError(_too_large(name, size, error)) from error
        except MemoryError as error:
            raise MemoryError(f"{name} ({size} bytes) unpacks to more pixels than fit into memory") from error
        except Exception as error:  # on damaged files Pillow's readers raise exceptions of any type
            raise ValueError(f"{name} ({size} bytes) is not an image, or is damaged: {reason(error)}") from error
    return _rgb(image, name)


def _strict(image: PIL.ImageFile.ImageFile, file: BinaryIO) -> PIL.Image.Image:
    """The same image, not loaded yet or already checked, of which Pillow reports that it ends early."""
    if image.format not in ("JPEG", "MPO", "PNG", "GIF"):
        return image
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    if image.format in ("PNG", "GIF"):
        _png.parse(data) if image.format == "PNG" else _gif.check_complete(data)
        return image
    if (padded := _jpeg.padded(data)) is not None:
        image.fp = io.BytesIO(padded)  # its header is the same; to parse it again would take a while
        return image
    pixels = _jpeg.decode(data, ImageReadMode.RGB, exif=False, size=None, max_pixels=None)
    checked = PIL.Image.fromarray(pixels)
    checked.info = image.info
    return checked


def _too_large(name: str, size: int, error: Exception) -> str:
    """The message for an image over one of Pillow's limits. A warning comes here if warnings are errors."""
    limit, does = PIL.Image.MAX_IMAGE_PIXELS or 0, "warns of"
    if isinstance(error, PIL.Image.DecompressionBombError):
        limit, does = 2 * limit, "refuses"
    return (
        f"{name} ({size} bytes) is an image of more than {limit:,} pixels, which Pillow {does} because unpacking it "
        f"may exhaust the memory; if you trust the file, set PIL.Image.MAX_IMAGE_PIXELS = None (--any-size on the "
        f"command line)"
    )


def reason(error: Exception) -> str:
    """Why a file cannot be read, in one line. Pillow's message about an unknown format shows a Python object."""
    if isinstance(error, PIL.UnidentifiedImageError):
        return "no format that Pillow reads is recognised"
    return " ".join(str(error).split()) or type(error).__name__


def _rgb(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """The image in mode RGB; ValueError if the range of its values is not known."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _eight_bits(image).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "integers of 32 bits" if image.mode == "I" else "floats"
        raise ValueError(
            f"{name} has mode {image.mode!r}: its values are {kind}, and the file does not say which of them is white. "
            f"Open it with PIL.Image.open, scale the values to 0 to 255 and convert them to uint8; a data set takes a "
            f"function that does this as loader="
        )
    return image.convert("RGB")


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """The upper 8 bits of grey values, which have 16 bits, or 12 in some TIFF files."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    values = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow does this for 8 bits, and not for 16
        values = 255 - values
    return PIL.Image.fromarray(values)
