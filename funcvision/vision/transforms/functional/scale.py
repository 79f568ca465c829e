"""Kernels that put a resized leaf on a canvas of fixed size, so that a drawn size does not change a shape."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from jax import lax

from ....functional import _resample
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._kernel import PlainImage, get_size, kernel, mask_planes, namespace
from ._padding import colour
from ._resampling import FILTERS, NEAREST
from ._sizes import centred, check_array_mode, check_interpolation, square
from .boxes import box_array, clamp_array, point_array, row, scale_boxes, scale_points, shift_boxes
from .geometry import factors_of, pad, resize

__all__ = ["letterbox", "letterbox_place", "place", "uncrop"]

Pair = Sequence[Any]


@kernel
def place(
    image: PlainImage, size: Pair, corner: Pair, canvas_size: Sequence[int], interpolation: str = "bilinear", *,
    antialias: bool = True, fill: float | Sequence[float] = 0, max_shrink: float | None = None,
) -> Any:
    """The image in another size, on a canvas; what lies beyond the canvas is cut off.

    It is `resize`, then `pad`. On jax arrays `size` and `corner` may be traced, since only `canvas_size` decides the
    shape. For a traced size, uint8 may differ from the result of the same ints by one level.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        size: (height, width) of the resized image.
        corner: (top, left) of the resized image on the canvas; may be negative.
        canvas_size: (height, width) of the result.
        interpolation: as in `resize`.
        antialias: as in `resize`.
        fill: value of the canvas beside the image, or one value per channel.
        max_shrink: bound of old length / new length for a traced size. It limits how many pixels of the input an
            output pixel may cover; None means the whole image, which is slow.

    Raises:
        ValueError: a size or mode that does not exist.
    """
    canvas = _canvas(canvas_size)
    check_interpolation(interpolation, antialias)
    if _traced(size):
        namespace(image, "place")
        check_array_mode(interpolation)
        blank = _blank(image, canvas, fill)
        return _resized_onto(blank, image, size, corner, interpolation, antialias, max_shrink)
    height, width = map(operator.index, size)
    image = resize(image, (height, width), interpolation, antialias=antialias)
    if _traced(corner):
        return _pasted(_blank(image, canvas, fill), image, corner)
    top, left = map(operator.index, corner)
    if isinstance(image, PIL.Image.Image) or _overlaps((top, left), (height, width), canvas):
        return pad(image, (left, top, canvas[1] - left - width, canvas[0] - top - height), fill)
    return _blank(image, canvas, fill)


@place.register(Mask)
def _(
    mask: Mask, size: Pair, corner: Pair, canvas_size: Sequence[int], interpolation: str = "bilinear", *,
    antialias: bool = True, fill: float = 0, max_shrink: float | None = None,
) -> Mask:
    mode = interpolation if interpolation in NEAREST else "nearest"
    return mask.replace(array=place(mask_planes(mask)[..., None], size, corner, canvas_size, mode, fill=fill)[..., 0])


@place.register(BoundingBoxes)
@place.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, size: Pair, corner: Pair, canvas_size: Sequence[int],
    interpolation: str = "bilinear", *, antialias: bool = True, fill: Any = 0, max_shrink: float | None = None,
) -> Any:
    canvas, (top, left) = _canvas(canvas_size), corner
    new = (size[0], size[1])
    factors = factors_of(leaf.canvas_size, new)
    if isinstance(leaf, KeyPoints):
        array = scale_points(point_array(leaf), factors)
        return leaf.replace(array=array + row([left, top], array), canvas_size=canvas)
    array = scale_boxes(box_array(leaf), leaf.format, factors, new, leaf.clamping_mode)
    array = shift_boxes(array, leaf.format, -left, -top)
    return leaf.replace(array=clamp_array(array, leaf.format, canvas, leaf.clamping_mode), canvas_size=canvas)


def uncrop(leaf: Any, top: Any, left: Any, canvas_size: Sequence[int]) -> Any:
    """A leaf that was cut out at (top, left), back on the canvas it came from, with zeros around it."""
    return place(leaf, get_size(leaf), (top, left), canvas_size)


def letterbox(
    leaf: Any, size: int | Sequence[int], interpolation: str = "bilinear", *, antialias: bool = True,
    fill: float | Sequence[float] = 0, enlarge: bool = True,
) -> Any:
    """The leaf, resized with its aspect ratio kept and put into the middle of a canvas.

    Args:
        leaf: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        size: (height, width) of the canvas, or an int for a square.
        interpolation: as in `resize`.
        antialias: as in `resize`.
        fill: value of the border, or one value per channel.
        enlarge: whether a leaf smaller than the canvas is enlarged.

    >>> boxes = BoundingBoxes(np.array([[0.0, 0.0, 20.0, 10.0]]), canvas_size=(10, 20))
    >>> letterbox(boxes, 40).array
    array([[ 0., 10., 40., 30.]])
    """
    new, corner = letterbox_place(get_size(leaf), square(size), enlarge)
    return place(leaf, new, corner, square(size), interpolation, antialias=antialias, fill=fill)


def letterbox_place(
    size: tuple[int, int], canvas: tuple[int, int], enlarge: bool
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size of a leaf on its canvas after `letterbox`, and its corner (top, left)."""
    ratio = min(new / old for old, new in zip(size, canvas))
    if not enlarge:
        ratio = min(ratio, 1.0)
    height, width = (max(min(round(old * ratio), new), 1) for old, new in zip(size, canvas))
    return (height, width), (-centred(height, canvas[0]), -centred(width, canvas[1]))


def _taps(
    position: jax.Array, old: int, new: jax.Array, interpolation: str, antialias: bool, max_shrink: float | None
) -> _resample.Taps:
    """The taps of output positions of an axis that is resized from `old` to `new`, which is traced."""
    ratio = np.float32(old) / new.astype(jnp.float32)
    if interpolation in NEAREST:
        half = 0.5 if interpolation == "nearest-exact" else 0.0
        index = jnp.floor((position.astype(jnp.float32) + half) * ratio).astype(jnp.int32)
        return _resample.Taps(jnp.minimum(index, old - 1)[:, None], jnp.ones((1, 1)))
    filter = _resample.FILTERS[FILTERS[interpolation][0 if antialias else 1]]
    centre = ((position.astype(jnp.float32) + 0.5) * ratio)[:, None]
    if not antialias:
        index = jnp.floor(centre - 0.5).astype(jnp.int32) + np.arange(1 - filter.radius, filter.radius + 1)[None]
        weight = filter.weight(jnp, index.astype(jnp.float32) + 0.5 - centre)
        return _resample.Taps(jnp.clip(index, 0, old - 1), weight)
    stretch = jnp.maximum(ratio, 1.0)
    first = jnp.maximum(jnp.floor(centre - filter.radius * stretch + 0.5).astype(jnp.int32), 0)
    last = jnp.minimum(jnp.floor(centre + filter.radius * stretch + 0.5).astype(jnp.int32), old)
    most = min(old if max_shrink is None else max(max_shrink, 1.0), old)
    index = first + np.arange(min(2 * math.ceil(filter.radius * most) + 1, old), dtype=np.int32)[None]
    weight = filter.weight(jnp, (index.astype(jnp.float32) + 0.5 - centre) / stretch)
    weight = jnp.where(index < last, weight, 0.0)
    return _resample.Taps(jnp.minimum(index, last - 1), weight / weight.sum(1, keepdims=True))


def _resized_onto(
    blank: jax.Array, image: Any, size: Pair, corner: Pair, interpolation: str, antialias: bool,
    max_shrink: float | None,
) -> jax.Array:
    """The canvas with the image on it in a size that is traced."""
    exact, dtype = interpolation in NEAREST, image.dtype
    values = image if exact or dtype in (np.float32, np.float64) else image.astype(np.float32)
    covered = []
    for axis, length, start in ((image.ndim - 3, size[0], corner[0]), (image.ndim - 2, size[1], corner[1])):
        length, start = (jnp.asarray(value).astype(jnp.int32) for value in (length, start))
        position = jnp.arange(blank.shape[axis], dtype=jnp.int32) - start
        covered.append((position >= 0) & (position < length))
        position = jnp.clip(position, 0, length - 1)
        taps = _taps(position, image.shape[axis], length, interpolation, antialias, max_shrink)
        if exact:
            values = jnp.take(values, taps.index[:, 0], axis=axis, mode="clip")
        else:
            values = _resample.resample(values, axis, taps)
    if jnp.issubdtype(dtype, jnp.integer) and not exact:
        limits = jnp.iinfo(dtype)
        values = jnp.clip(jnp.round(values), limits.min, limits.max)
    region = (covered[0][:, None] & covered[1][None])[..., None]
    region = jnp.broadcast_to(region.reshape((1,) * (image.ndim - 3) + region.shape), blank.shape)
    return jnp.where(region, values.astype(dtype), blank)


def _pasted(blank: jax.Array, image: Any, corner: Pair) -> jax.Array:
    """The canvas with the image at a corner that may be traced and lie outside."""
    height, width = image.shape[-3:-1]
    border = [(0, 0)] * (image.ndim - 3) + [(height, height), (width, width), (0, 0)]
    wide = jnp.pad(blank, border)
    start = [jnp.asarray(edge).astype(jnp.int32) + length for edge, length in zip(corner, (height, width))]
    zero = jnp.zeros((), jnp.int32)
    wide = lax.dynamic_update_slice(wide, image, (*[zero] * (image.ndim - 3), *start, zero))
    return wide[..., height : wide.shape[-3] - height, width : wide.shape[-2] - width, :]


def _blank(image: Any, size: tuple[int, int], fill: float | Sequence[float]) -> Any:
    """A canvas of the fill, with the leading axes, channels and dtype of an image."""
    xp = namespace(image, "place")
    shape = (*image.shape[:-3], *size, image.shape[-1])
    return xp.asarray(np.broadcast_to(colour(fill, image.shape[-1], image.dtype), shape))


def _overlaps(corner: Pair, size: tuple[int, int], canvas: tuple[int, int]) -> bool:
    return all(-length < start < end for start, length, end in zip(corner, size, canvas))


def _canvas(size: Sequence[int]) -> tuple[int, int]:
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"canvas_size={size!r} must be (height, width)")
    return square(size, "canvas_size")


def _traced(*pairs: Pair) -> bool:
    return any(isinstance(value, jax.Array) for pair in pairs for value in pair)
