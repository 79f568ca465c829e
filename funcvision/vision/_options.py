"""Options that are given as a string or as a member of an enum, of this library or of torchvision."""

import enum
from typing import Any

__all__ = ["InterpolationMode", "option_value"]


class InterpolationMode(enum.StrEnum):
    """The modes of interpolation; a transform takes a member or its value.

    >>> InterpolationMode.NEAREST_EXACT == "nearest-exact"
    True
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def option_value(option: Any) -> Any:
    """The value of a member of an enum; anything else as it is."""
    return option.value if isinstance(option, enum.Enum) else option
