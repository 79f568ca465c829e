"""Decoding of WebP, AVIF and HEIC, which may be animations, by Pillow and pillow-heif."""

import io

import numpy as np
import PIL.Image

from .modes import ImageReadMode, check_pixels, orientation, pixels, to_mode, upright


def webp_size(data: bytes) -> tuple[int, int]:
    """The height and width that the header of a WebP file gives, after a check that the file is whole."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        raise ValueError("it does not begin as a WebP does, or is cut off")
    size = 8 + int.from_bytes(data[4:8], "little")
    if size > len(data):
        raise ValueError(f"it is cut off: {size} bytes are announced")
    check_chunks(data, size)
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        raise ValueError(f"its first chunk is {kind!r}")
    return height, width


def check_chunks(data: bytes, size: int) -> None:
    """ValueError if the chunks of a WebP file do not end where the file ends."""
    at = 12
    while at < size:
        if at + 8 > size:
            raise ValueError("its last chunk is cut off")
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    if at > size + 1:  # some writers leave out the last byte, which only makes the length even
        raise ValueError("its last chunk is cut off")


def decode(data: bytes, format: str, mode: ImageReadMode, *, exif: bool, max_pixels: int | None) -> np.ndarray:
    """The image or animation in a WebP or AVIF file; see `decode_webp`."""
    if format == "WEBP":
        check_pixels(*webp_size(data), max_pixels)
    with PIL.Image.open(io.BytesIO(data), formats=(format,)) as file:
        count = getattr(file, "n_frames", 1)
        check_pixels(file.height, file.width, max_pixels, count)
        if count == 1:
            movie = to_mode(pixels(file), mode)
        else:
            file.seek(0)
            first = to_mode(pixels(file), mode)
            movie = np.empty((count, *first.shape), np.uint8)
            movie[0] = first
            for number in range(1, count):
                file.seek(number)
                movie[number] = to_mode(pixels(file), mode)
        turned = orientation(file.getexif()) if exif else 1
    return upright(movie, turned) if turned > 1 else movie


def decode_heif(data: bytes, mode: ImageReadMode, *, max_pixels: int | None) -> np.ndarray:
    """The image in a HEIC file; see `decode_heic`."""
    try:
        import pillow_heif
    except ImportError as error:
        raise ImportError('reading HEIC needs pillow-heif: pip install "funcvision[heif]"') from error
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    check_pixels(file.size[1], file.size[0], max_pixels)
    array = np.array(np.asarray(file))
    return to_mode(array[..., None] if array.ndim == 2 else array, mode)
