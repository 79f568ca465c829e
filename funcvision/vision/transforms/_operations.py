"""The operations of the automatic policies, each with one magnitude, which may be traced.

An operation is named by its place in `OPERATIONS`. Where the place is known, the kernel of that operation is called.
Where it is traced, operations that differ only in numbers share one branch: the five warps are one affine map, and
brightness, contrast and colour are blends with another image. So `vmap`, which runs every branch for every image, runs
one warp and one blend. On a CPU a batch is a loop over its images, in which each image runs its own branch alone.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from ..tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from . import functional as F
from .functional import get_size
from .functional._blend import blend_one_of
from .functional._loop import one_image_at_a_time
from .functional._values import check_grey_or_rgb, largest_value
from .sample import Leaf

__all__ = ["OPERATIONS", "SIGNED", "mixed", "operated"]

Fill = float | Sequence[float] | None

OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert",
)
"""The names, in the order in which params count them."""

SIGNED = OPERATIONS[1:10]
"""The operations whose magnitude is drawn with a random sign."""

MOVING = OPERATIONS[1:6]
"""The operations that move pixels."""

SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, ROTATE, BRIGHTNESS, COLOR, CONTRAST = range(1, 9)
INVERT = OPERATIONS.index("Invert")


def operated(leaf: Leaf, indices: Any, magnitudes: Any, interpolation: str, fill: Fill) -> Any:
    """A leaf after a chain of operations.

    Args:
        leaf: any leaf. Operations on colours leave boxes, masks and key points as they are.
        indices: `[steps]`, places in `OPERATIONS`.
        magnitudes: `[steps]`, of each operation: a shear as the tangent of its angle; a translation in pixels, cut to
            whole ones; degrees; for a blend what is added to the factor 1; the bits that stay; the threshold of
            solarize as a share of white. Operations without a magnitude ignore it.
        interpolation: of the warps.
        fill: of the warps.
    """
    array: Any = leaf.array if isinstance(leaf, Image | Video) else leaf
    if isinstance(array, np.ndarray | jax.Array):
        check_grey_or_rgb(array, "an automatic policy")
    if not _is_traced(indices, magnitudes):
        for index, magnitude in zip(indices, magnitudes, strict=True):
            leaf = _KERNELS[OPERATIONS[int(index)]](leaf, float(magnitude), interpolation, fill)
        return leaf
    if isinstance(leaf, BoundingBoxes | KeyPoints | Mask):
        return _moved(leaf, indices, magnitudes, interpolation, fill)
    chain = one_image_at_a_time(partial(_chain, _branches(interpolation, fill)))
    return _with_pixels(leaf, chain(array, indices, magnitudes))


def mixed(leaf: Leaf, indices: Any, magnitudes: Any, weights: Any, interpolation: str, fill: Fill) -> Any:
    """The weighted mean of an image or a video and of its copies after some chains of operations.

    Args:
        leaf: array, `Image` or `Video`.
        indices: `[chains, steps]`, as in `operated`.
        magnitudes: `[chains, steps]`, as in `operated`.
        weights: `[1 + chains]`, whose sum is 1; the first one is that of the leaf itself.
        interpolation: of the warps.
        fill: of the warps.
    """
    array: Any = leaf.array if isinstance(leaf, Image | Video) else leaf
    check_grey_or_rgb(array, "an automatic policy")
    work = np.float64 if array.dtype == np.float64 else np.float32
    if not _is_traced(indices, magnitudes, weights):
        total = array.astype(work) * work(weights[0])
        for chain, amounts, weight in zip(indices, magnitudes, weights[1:], strict=True):
            total = total + operated(array, chain, amounts, interpolation, fill).astype(work) * work(weight)
        return _with_pixels(leaf, total.astype(array.dtype))
    branches = _branches(interpolation, fill)

    def mix(image: Any, indices: Any, magnitudes: Any, weights: Any) -> Any:
        def add(total: Any, chain: Any) -> tuple[Any, None]:
            *steps, weight = chain
            return total + _chain(branches, image, *steps).astype(work) * weight.astype(work), None

        start = image.astype(work) * weights[0].astype(work)
        return lax.scan(add, start, (indices, magnitudes, weights[1:]))[0].astype(image.dtype)

    return _with_pixels(leaf, one_image_at_a_time(mix)(array, indices, magnitudes, weights))


def _with_pixels(leaf: Any, array: Any) -> Any:
    return leaf.replace(array=array) if isinstance(leaf, Image | Video) else array


def _is_traced(*values: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


# Where the operation is known: the kernels


def _affine(
    leaf: Any, interpolation: str, fill: Fill, *, translate: tuple[int, int] = (0, 0),
    tangents: tuple[float, float] | None = None,
) -> Any:
    """A translation, or a shear around the upper left corner."""
    shear = [math.degrees(math.atan(tangent)) for tangent in tangents or (0.0, 0.0)]
    center = (0.0, 0.0) if tangents else None
    return F.affine(leaf, 0.0, translate, 1.0, shear, interpolation, fill=fill, center=center)


def _solarize(leaf: Any, magnitude: float) -> Any:
    """Solarize with a threshold that is a share of white; torch compares an array in float32."""
    array: Any = leaf.array if isinstance(leaf, Image | Video) else leaf
    if not isinstance(array, np.ndarray | jax.Array):
        return F.solarize(leaf, 255.0 * magnitude)
    return F.solarize(leaf, float(np.float32(largest_value(array, "solarize") * magnitude)))


_KERNELS: dict[str, Callable[[Any, float, str, Fill], Any]] = {
    "Identity": lambda leaf, m, how, fill: leaf,
    "ShearX": lambda leaf, m, how, fill: _affine(leaf, how, fill, tangents=(m, 0.0)),
    "ShearY": lambda leaf, m, how, fill: _affine(leaf, how, fill, tangents=(0.0, m)),
    "TranslateX": lambda leaf, m, how, fill: _affine(leaf, how, fill, translate=(int(m), 0)),
    "TranslateY": lambda leaf, m, how, fill: _affine(leaf, how, fill, translate=(0, int(m))),
    "Rotate": lambda leaf, m, how, fill: F.rotate(leaf, m, how, fill=fill),
    "Brightness": lambda leaf, m, how, fill: F.adjust_brightness(leaf, 1.0 + m),
    "Color": lambda leaf, m, how, fill: F.adjust_saturation(leaf, 1.0 + m),
    "Contrast": lambda leaf, m, how, fill: F.adjust_contrast(leaf, 1.0 + m),
    "Sharpness": lambda leaf, m, how, fill: F.adjust_sharpness(leaf, 1.0 + m),
    "Posterize": lambda leaf, m, how, fill: F.posterize(leaf, int(m)),
    "Solarize": lambda leaf, m, how, fill: _solarize(leaf, m),
    "AutoContrast": lambda leaf, m, how, fill: F.autocontrast(leaf),
    "Equalize": lambda leaf, m, how, fill: F.equalize(leaf),
    "Invert": lambda leaf, m, how, fill: F.invert(leaf),
}


# Where the operation is traced: branches that several operations share

Branch = Callable[[Any, Any, Any], Any]
"""A function of an image, the place of an operation, and its magnitude."""

_BRANCH_OF = {
    "Identity": 0, **dict.fromkeys(MOVING, 1), **dict.fromkeys(("Brightness", "Color", "Contrast"), 2),
    "Sharpness": 3, "Posterize": 4, **dict.fromkeys(("Solarize", "Invert"), 5), "AutoContrast": 6, "Equalize": 7,
}
"""For each operation its branch: the place in what `_branches` returns."""


def _branches(interpolation: str, fill: Fill) -> tuple[Branch, ...]:
    return (
        lambda image, index, magnitude: image,
        partial(_warp, interpolation, fill),
        _blend,
        lambda image, index, magnitude: F.adjust_sharpness(image, 1 + magnitude),
        lambda image, index, magnitude: F.posterize(image, magnitude.astype(jnp.int32)),
        _invert_from_threshold,
        lambda image, index, magnitude: F.autocontrast(image),
        lambda image, index, magnitude: F.equalize(image),
    )


def _chain(branches: Sequence[Branch], image: Any, indices: Any, magnitudes: Any) -> Any:
    """The image after a chain of operations; the loop over the steps compiles the branches once."""
    branch_of = np.array([_BRANCH_OF[name] for name in OPERATIONS], np.int32)

    def step(image: Any, chosen: tuple[Any, Any]) -> tuple[Any, None]:
        index, magnitude = chosen
        return lax.switch(jnp.asarray(branch_of)[index], branches, image, index, magnitude), None

    return lax.scan(step, image, (indices, magnitudes.astype(jnp.float32)))[0]


def _warp(interpolation: str, fill: Fill, leaf: Any, index: Any, magnitude: Any) -> Any:
    """The leaf after one of the five warps, all of which are affine."""
    height, width = get_size(leaf)
    sheared = index <= SHEAR_Y
    degrees = jnp.degrees(jnp.arctan(magnitude))
    pixels = jnp.trunc(magnitude)
    return F.affine(
        leaf,
        jnp.where(index == ROTATE, -magnitude, 0),
        (jnp.where(index == TRANSLATE_X, pixels, 0), jnp.where(index == TRANSLATE_Y, pixels, 0)),
        1.0,
        (jnp.where(index == SHEAR_X, degrees, 0), jnp.where(index == SHEAR_Y, degrees, 0)),
        interpolation,
        fill=fill,
        center=(jnp.where(sheared, 0, width * 0.5), jnp.where(sheared, 0, height * 0.5)),
    )


def _blend(image: Any, index: Any, magnitude: Any) -> Any:
    """The image blended with black, with its mean brightness or with its grey version."""
    which = jnp.where(index == BRIGHTNESS, 0, jnp.where(index == CONTRAST, 1, 2))
    return blend_one_of(image, which, 1 + magnitude)


def _invert_from_threshold(image: Any, index: Any, magnitude: Any) -> Any:
    """Solarize; or invert, whose threshold is below every value."""
    return F.solarize(image, jnp.where(index == INVERT, -jnp.inf, magnitude * largest_value(image, "solarize")))


def _moved(leaf: Any, indices: Any, magnitudes: Any, interpolation: str, fill: Fill) -> Any:
    """Boxes, a mask or key points after the warps of a chain."""
    for index, magnitude in zip(indices, magnitudes, strict=True):
        moved = _warp(interpolation, fill, leaf, index, magnitude.astype(jnp.float32))
        applied = (index >= SHEAR_X) & (index <= ROTATE)
        leaf = jax.tree.map(lambda new, old, applied=applied: jnp.where(applied, new, old), moved, leaf)
    return leaf
