"""Transforms that change how the values of an image are stored, not where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import functional as F
from .sample import ImageLike
from .transform import Transform

__all__ = ["Normalize", "ToDtype", "ToImage"]


@dataclass(frozen=True, eq=False)
class ToImage(Transform):
    """Makes a numpy array `[height, width, channels]` of a PIL image, with the same values; leaves arrays as they are.

    >>> import PIL.Image
    >>> ToImage()((PIL.Image.new("L", (4, 3)), 7))[0].shape
    (3, 4, 1)
    """

    def apply(self, image: ImageLike, **params: Any) -> Any:
        """The image as an array."""
        return F.to_image(image)


@dataclass(frozen=True, eq=False)
class ToDtype(Transform):
    """Converts arrays to another dtype, and with `scale` to its range of values; see `functional.to_dtype`.

    >>> ToDtype(jnp.float32, scale=True)(np.full((1, 1, 1), 255, np.uint8))
    array([[[1.]]], dtype=float32)
    """

    dtype: Any
    scale: bool = False

    def __post_init__(self) -> None:
        jnp.dtype(self.dtype)

    def apply(self, image: ImageLike, **params: Any) -> Any:
        """The image in the new dtype."""
        return F.to_dtype(image, self.dtype, self.scale)


@dataclass(frozen=True, eq=False)
class Normalize(Transform):
    """Subtracts a mean from every channel of a float array and divides by a standard deviation.

    >>> Normalize(mean=[0.5], std=[0.25])(np.ones((1, 1, 1), np.float32))
    array([[[2.]]], dtype=float32)
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        if not np.all(self.std):
            raise ValueError(f"std={self.std!r} has a zero, and would be divided by")

    def apply(self, image: ImageLike, **params: Any) -> Any:
        """The normalised image."""
        return F.normalize(image, self.mean, self.std)
