"""Colours: one for all objects, or one for each."""

from collections.abc import Sequence
from typing import TypeAlias

import PIL.ImageColor

__all__ = ["Color", "Colors", "color_of", "colors_of"]

Color: TypeAlias = str | tuple[int, int, int]
"""A name or a code that Pillow knows, such as "red" or "#FF00FF", or red, green and blue from 0 to 255."""

Colors: TypeAlias = Color | Sequence[Color] | None
"""One colour for all objects, a list with a colour for each, or None for torchvision's palette."""

PALETTE = (2**25 - 1, 2**15 - 1, 2**21 - 1)
"""Red, green and blue of object i are i times these, modulo 255: torchvision's palette."""


def colors_of(colors: Colors, count: int) -> list[tuple[int, ...]]:
    """Red, green and blue for each of the objects.

    Raises:
        ValueError: there are fewer colours than objects, or it is no colour.
    """
    if colors is None:
        return [tuple(i * factor % 255 for factor in PALETTE) for i in range(count)]
    if not isinstance(colors, list):
        return [color_of(colors)] * count
    if len(colors) < count:
        raise ValueError(f"colors has {len(colors)} entries for {count} objects: give one for each, or one for all")
    return [color_of(color) for color in colors[:count]]


def color_of(color: object) -> tuple[int, ...]:
    """Red, green and blue of one colour; raises ValueError if it is none."""
    if isinstance(color, str):
        return PIL.ImageColor.getrgb(color)[:3]
    if isinstance(color, tuple) and len(color) == 3:
        return tuple(int(value) for value in color)
    raise ValueError(
        f"{color!r} is no colour: give a name such as 'red', a code such as '#FF00FF', or a tuple (red, green, blue); "
        f"different colours for the objects are a list of these"
    )
