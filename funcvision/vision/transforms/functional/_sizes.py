"""The sizes and the interpolation modes that the kernels of geometry take."""

import operator
from collections.abc import Sequence

import PIL.Image

from ..._options import option_value
from ._resampling import FILTERS, NEAREST

__all__ = [
    "PIL_FILTERS", "centred", "check_array_mode", "check_interpolation", "check_pil_mode", "resized_size", "square",
]

PIL_FILTERS = {
    "nearest": PIL.Image.Resampling.NEAREST,
    "nearest-exact": PIL.Image.Resampling.NEAREST,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
    "box": PIL.Image.Resampling.BOX,
    "hamming": PIL.Image.Resampling.HAMMING,
}


def square(size: int | Sequence[int], name: str = "size") -> tuple[int, int]:
    """(height, width) from one int, or from a sequence of one or two."""
    values = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(values) not in (1, 2) or any(operator.index(value) < 1 for value in values):
        raise ValueError(f"{name}={size!r} is neither a positive int nor (height, width)")
    return operator.index(values[0]), operator.index(values[-1])


def centred(old: int, new: int) -> int:
    """Where a crop around the centre starts; it is rounded as in torchvision, differently for the two cases."""
    return round((old - new) / 2) if old >= new else -((new - old) // 2)


def check_interpolation(interpolation: str, antialias: bool) -> None:
    """Raises ValueError unless the mode, a string or a member of an enum, exists and goes with `antialias`."""
    interpolation = option_value(interpolation)
    if interpolation not in PIL_FILTERS:
        raise ValueError(f"interpolation={interpolation!r} is not one of {', '.join(map(repr, PIL_FILTERS))}")
    if interpolation == "lanczos" and not antialias:
        raise ValueError('interpolation="lanczos" needs antialias=True')


def check_pil_mode(interpolation: str, antialias: bool) -> None:
    """Raises ValueError if Pillow cannot do without antialiasing (torchvision warns, and antialiases)."""
    if not antialias and interpolation not in NEAREST:
        raise ValueError(
            "Pillow always antialiases, and antialias=False was asked for: leave it out, or resize an array "
            "(ToImage() before Resize)"
        )


def check_array_mode(interpolation: str) -> None:
    """Raises ValueError if the mode exists only for PIL images."""
    if interpolation not in (*NEAREST, *FILTERS):
        raise ValueError(f"interpolation={interpolation!r} is for PIL images only; arrays have {(*NEAREST, *FILTERS)}")


def resized_size(old: tuple[int, int], size: int | Sequence[int] | None, max_size: int | None) -> tuple[int, int]:
    """Height and width after `resize`."""
    if isinstance(size, Sequence) and len(size) == 2:
        if max_size is not None:
            raise ValueError(f"max_size={max_size} goes with an int size or None, not with size={size!r}")
        height, width = map(operator.index, size)
    else:
        short, long = _resized_edges(min(old), max(old), size, max_size)
        height, width = (long, short) if old[0] >= old[1] else (short, long)
    if height < 1 or width < 1:
        raise ValueError(f"size={size!r}, max_size={max_size} would make an image of {old} pixels {(height, width)}")
    return height, width


def _resized_edges(short: int, long: int, size: int | Sequence[int] | None, max_size: int | None) -> tuple[int, int]:
    """The shorter and the longer edge after `resize` with a size that fixes only one."""
    if size is None:
        if max_size is None:
            raise ValueError("size=None needs max_size, the length of the longer edge")
        return int(operator.index(max_size) * short / long), operator.index(max_size)
    if isinstance(size, Sequence):
        if len(size) != 1:
            raise ValueError(f"size={size!r} is neither an int nor (height, width)")
        size = size[0]
    if max_size is not None and max_size <= size:
        raise ValueError(f"max_size={max_size} must be greater than size={size}, the length of the shorter edge")
    new_short, new_long = operator.index(size), int(size * long / short)
    if max_size is None or new_long <= max_size:
        return new_short, new_long
    return int(max_size * new_short / new_long), max_size
