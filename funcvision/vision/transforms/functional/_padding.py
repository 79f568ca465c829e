"""The border that `pad` puts around an image: its width, its colour, and how Pillow makes it."""

import operator
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..._options import option_value
from ._bands import map_bands, with_palette

__all__ = ["check_padding_mode", "colour", "edges", "pad_pil", "padded_size"]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def edges(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from any form of `padding`."""
    values = tuple(padding) if isinstance(padding, Sequence) else (padding,)
    if len(values) not in (1, 2, 4):
        raise ValueError(
            f"padding={padding!r} is neither an int nor (left and right, top and bottom) nor (left, top, right, bottom)"
        )
    left, top, right, bottom = (values * 4)[:4]
    return operator.index(left), operator.index(top), operator.index(right), operator.index(bottom)


def padded_size(size: tuple[int, int], border: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width after a padding of (left, top, right, bottom); ValueError if nothing is left of the image."""
    left, top, right, bottom = border
    height, width = size
    kept = height + min(top, 0) + min(bottom, 0), width + min(left, 0) + min(right, 0)
    if min(kept) < 1:
        raise ValueError(
            f"the padding (left, top, right, bottom) = {border} cuts everything off an image of {size} pixels; at "
            f"least 1 x 1 must be left"
        )
    return height + top + bottom, width + left + right


def check_padding_mode(padding_mode: str) -> None:
    """Raises ValueError unless the mode exists."""
    if option_value(padding_mode) not in PADDING_MODES:
        raise ValueError(f"padding_mode={padding_mode!r} is not one of {', '.join(map(repr, PADDING_MODES))}")


def colour(fill: float | Sequence[float], channels: int, dtype: Any) -> np.ndarray:
    """The fill as one value per channel, `[channels]`."""
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(values) not in (1, channels):
        raise ValueError(f"fill={fill!r} has {len(values)} values for an image of {channels} channels")
    if jnp.issubdtype(dtype, jnp.integer):
        limits = jnp.iinfo(dtype)
        if not all(limits.min <= value <= limits.max for value in values):
            raise ValueError(f"fill={fill!r} does not fit in {dtype}, which holds {limits.min} to {limits.max}")
    return np.broadcast_to(np.asarray(values).astype(dtype), (channels,))


def pad_pil(
    image: PIL.Image.Image, border: tuple[int, int, int, int], fill: float | Sequence[float], padding_mode: str
) -> PIL.Image.Image:
    """The PIL image with a border of (left, top, right, bottom) pixels. It keeps its mode, palette and `info`."""
    left, top, right, bottom = border
    kept = image.crop((max(-left, 0), max(-top, 0), image.width - max(-right, 0), image.height - max(-bottom, 0)))
    if padding_mode == "constant":
        bands = len(image.getbands())
        dtype = {"F": np.float32, "I": np.int32, "I;16": np.uint16}.get(image.mode, np.uint8)
        values = colour(fill, bands, dtype).tolist()
        size = image.width + left + right, image.height + top + bottom
        result = PIL.Image.new(image.mode, size, values[0] if bands == 1 else tuple(values))
        result.paste(kept, (max(left, 0), max(top, 0)))
        return with_palette(result, kept)
    widths = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)))

    def padded(band: PIL.Image.Image) -> PIL.Image.Image:
        return PIL.Image.fromarray(np.pad(np.asarray(band), widths, mode=padding_mode))  # pyright: ignore

    return map_bands(padded, kept)
