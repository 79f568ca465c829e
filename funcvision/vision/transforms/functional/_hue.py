"""The shift of the hue of RGB arrays, computed by way of HSV in the order of operations of torchvision."""

from typing import Any

import numpy as np
from jax import lax

from ._kernel import array_namespace
from ._values import as_number, clip

__all__ = ["shift_hue"]


def shift_hue(image: Any, shift: Any) -> Any:
    """A float array `[..., 3]` with values in [0, 1] after a shift of the hue; 1 is a whole turn."""
    hue, saturation, value = _hsv(image)
    hue = hue + as_number(shift, hue)
    xp = array_namespace(image)
    return _rgb(xp.where(hue < 0, hue + 1, xp.where(hue >= 1, hue - 1, hue)), saturation, value)


def _hsv(image: Any) -> tuple[Any, Any, Any]:
    """Hue in [0, 1), saturation and value. Grey has hue and saturation 0."""
    xp = array_namespace(image)
    r, g, b = (image[..., channel] for channel in range(3))
    largest, smallest = xp.maximum(xp.maximum(r, g), b), xp.minimum(xp.minimum(r, g), b)
    grey = largest == smallest
    # The divisors of grey pixels are replaced by 1, so that no NaN arises, in the gradient neither.
    one = as_number(1, image)
    saturation = (largest - smallest) / xp.where(grey, one, largest)
    spread = xp.where(grey, one, largest - smallest)
    rc, gc, bc = (largest - r) / spread, (largest - g) / spread, (largest - b) / spread
    sector = xp.where(largest == r, bc - gc, xp.where(largest == g, rc + 2 - bc, gc + 4 - rc))
    hue = sector * as_number(1 / 6, image) + 1
    return xp.where(hue >= 1, hue - 1, hue), saturation, largest


def _rgb(hue: Any, saturation: Any, value: Any) -> Any:
    xp = array_namespace(hue)
    sixth = xp.floor(hue * 6)
    fraction = hue * 6 - sixth
    index = sixth.astype(np.int32)
    index = xp.where(index == 6, 0, index)  # hue + 1 of a tiny negative hue is rounded to 1
    part = saturation * fraction
    falling = clip((1 - part) * value, 0, 1)
    rising = clip((part + (1 - saturation)) * value, 0, 1)
    low = clip((1 - saturation) * value, 0, 1)
    return xp.stack([
        _choose(index, value, falling, low, low, rising, value),
        _choose(index, rising, value, value, falling, low, low),
        _choose(index, low, low, rising, value, value, falling),
    ], -1)


def _choose(index: Any, *cases: Any) -> Any:
    """Of several arrays of one shape, element by element the one whose number `index` is."""
    return np.choose(index, cases) if isinstance(index, np.ndarray) else lax.select_n(index, *cases)
