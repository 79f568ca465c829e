"""Kernels that change the size of an image or move its pixels; masks, boxes and key points move along.

Boxes and key points follow torchvision: a crop and a pad clamp boxes to the canvas (see `BoundingBoxes`), a resize
clamps rotated ones, a flip none. Nothing is dropped.
"""

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from jax import lax

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from . import _rotated_boxes as rotated
from ._bands import map_bands
from ._kernel import PlainImage, array_namespace, get_size, kernel, namespace, with_channel_axis
from ._padding import check_padding_mode, colour, edges, pad_pil, padded_size
from ._resampling import NEAREST, Span, resample
from ._sizes import PIL_FILTERS, centred, check_array_mode, check_interpolation, check_pil_mode, resized_size, square
from .boxes import box_array, clamp_array, mirror_boxes, point_array, row, scale_boxes, scale_points, shift_boxes

__all__ = [
    "center_crop", "crop", "hflip", "horizontal_flip", "pad", "resize", "resized_crop", "vertical_flip", "vflip",
]


@kernel
def resize(
    image: PlainImage, size: int | Sequence[int] | None, interpolation: str = "bilinear", *,
    max_size: int | None = None, antialias: bool = True,
) -> Any:
    """The image in another size; it comes back as it is if it has that size already.

    A PIL image is resized by Pillow; one with a palette by "nearest". On arrays the result is torch's, for uint8 to the
    bit. A mask is resized by "nearest", or by "nearest-exact" if that is asked for.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        size: (height, width); or an int, the length of the shorter edge, while the longer one keeps the ratio (rounded
            down); or None, which makes the longer edge `max_size`.
        interpolation: "nearest" (on arrays as in torch, where the pixels are shifted by up to half a pixel),
            "nearest-exact", "bilinear", "bicubic", "lanczos"; for PIL images also "box" and "hamming".
        max_size: largest length of the longer edge, for an int `size`. If the longer edge would exceed it, both edges
            become smaller.
        antialias: when shrinking, average over all input pixels that an output pixel covers. Pillow always does.

    Raises:
        ValueError: a size, mode or combination that does not exist.

    >>> import numpy as np
    >>> resize(np.zeros((30, 40, 3), np.uint8), 15).shape
    (15, 20, 3)
    """
    height, width = new_size = resized_size(get_size(image), size, max_size)
    check_interpolation(interpolation, antialias)
    if new_size == get_size(image):
        return image
    if isinstance(image, PIL.Image.Image):
        check_pil_mode(interpolation, antialias)
        if image.mode == "PA":  # Pillow would mix the palette's indices and lose the palette
            return map_bands(lambda band: band.resize((width, height), PIL_FILTERS["nearest"]), image)
        return image.resize((width, height), PIL_FILTERS[interpolation])
    namespace(image, "resize")
    check_array_mode(interpolation)
    rows, columns = (Span(0, length) for length in get_size(image))
    return resample(image, rows, columns, new_size, interpolation=interpolation, antialias=antialias)


@resize.register(Mask)
def _(
    mask: Mask, size: int | Sequence[int] | None, interpolation: str = "bilinear", *, max_size: int | None = None,
    antialias: bool = True,
) -> Mask:
    check_interpolation(interpolation, antialias)
    mode = interpolation if interpolation in NEAREST else "nearest"
    return with_channel_axis(resize)(mask, size, mode, max_size=max_size)


@resize.register(BoundingBoxes)
def _(
    boxes: BoundingBoxes, size: int | Sequence[int] | None, interpolation: str = "bilinear", *,
    max_size: int | None = None, antialias: bool = True,
) -> BoundingBoxes:
    array, new = box_array(boxes), resized_size(boxes.canvas_size, size, max_size)
    if new == boxes.canvas_size:
        return boxes
    array = scale_boxes(array, boxes.format, factors_of(boxes.canvas_size, new), new, boxes.clamping_mode)
    return boxes.replace(array=array, canvas_size=new)


@resize.register(KeyPoints)
def _(
    points: KeyPoints, size: int | Sequence[int] | None, interpolation: str = "bilinear", *,
    max_size: int | None = None, antialias: bool = True,
) -> KeyPoints:
    array, new = point_array(points), resized_size(points.canvas_size, size, max_size)
    if new == points.canvas_size:
        return points
    return points.replace(array=scale_points(array, factors_of(points.canvas_size, new)), canvas_size=new)


@kernel
def resized_crop(
    image: PlainImage, top: int | jax.Array, left: int | jax.Array, height: int | jax.Array, width: int | jax.Array,
    size: int | Sequence[int], interpolation: str = "bilinear", *, antialias: bool = True,
) -> Any:
    """`resize(crop(image, top, left, height, width), size)`, where on jax arrays the box may be traced.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        top: upper edge of the box in pixels. Ints may place the box partly outside the image, where it is black. A
            traced box must lie inside, which is not checked.
        left: left edge of the box.
        height: height of the box.
        width: width of the box.
        size: as in `resize`; (height, width) where the box is traced, since a shape cannot depend on it.
        interpolation: as in `resize`.
        antialias: as in `resize`.

    For a traced box the weights are computed in float32. For uint8, torch computes them in float64; about one pixel in
    ten thousand differs by one level.

    Raises:
        ValueError: a size or mode that does not exist.
    """
    box = (top, left, height, width)
    if not any(isinstance(edge, jax.Array) for edge in box):
        return resize(crop(image, *map(operator.index, box)), size, interpolation, antialias=antialias)
    height, width = _size_of_traced(size)
    namespace(image, "resized_crop")
    check_interpolation(interpolation, antialias)
    check_array_mode(interpolation)
    y, x, h, w = (jnp.asarray(edge).astype(jnp.int32) for edge in box)
    return resample(
        image, Span(y, h), Span(x, w), (height, width), interpolation=interpolation, antialias=antialias
    )


@resized_crop.register(Mask)
def _(
    mask: Mask, top: Any, left: Any, height: Any, width: Any, size: int | Sequence[int],
    interpolation: str = "bilinear", *, antialias: bool = True,
) -> Mask:
    # torchvision resizes by "nearest" here even where "nearest-exact" is asked for
    return with_channel_axis(resized_crop)(mask, top, left, height, width, size, "nearest")


@resized_crop.register(BoundingBoxes)
@resized_crop.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, top: Any, left: Any, height: Any, width: Any, size: int | Sequence[int],
    interpolation: str = "bilinear", *, antialias: bool = True,
) -> Any:
    if not any(isinstance(edge, jax.Array) for edge in (height, width)):
        return resize(crop(leaf, top, left, height, width), size)
    new = _size_of_traced(size)
    array, factors = leaf.array, factors_of((height, width), new)
    if isinstance(leaf, KeyPoints):
        array = scale_points(point_array(leaf) - row([left, top], array), factors)
        return leaf.replace(array=array, canvas_size=new)
    array = crop_boxes(leaf, top, left, height, width)
    return leaf.replace(array=scale_boxes(array, leaf.format, factors, new, leaf.clamping_mode), canvas_size=new)


@kernel
def horizontal_flip(image: PlainImage) -> Any:
    """The leaf mirrored, left to right.

    The pixel of column x goes to column width - 1 - x. So does a key point; an edge of a box goes to width - x.
    """
    if isinstance(image, PIL.Image.Image):
        return image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    namespace(image, "horizontal_flip")
    return image[..., ::-1, :]


@kernel
def vertical_flip(image: PlainImage) -> Any:
    """The leaf mirrored, upside down; see `horizontal_flip`."""
    if isinstance(image, PIL.Image.Image):
        return image.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)
    namespace(image, "vertical_flip")
    return image[..., ::-1, :, :]


def _flip_boxes(boxes: BoundingBoxes, *, axis: int) -> BoundingBoxes:
    return boxes.replace(array=mirror_boxes(box_array(boxes), boxes.format, boxes.canvas_size[1 - axis], axis))


def _flip_points(points: KeyPoints, *, axis: int) -> KeyPoints:
    array = point_array(points)
    parts = [array[..., 0], array[..., 1]]
    parts[axis] = points.canvas_size[1 - axis] - 1 - parts[axis]
    return points.replace(array=array_namespace(array).stack(parts, -1))


hflip, vflip = horizontal_flip, vertical_flip

for _flip, _axis in ((horizontal_flip, 0), (vertical_flip, 1)):
    _flip.register(Mask, with_channel_axis(_flip))
    _flip.register(BoundingBoxes, partial(_flip_boxes, axis=_axis))
    _flip.register(KeyPoints, partial(_flip_points, axis=_axis))


@kernel
def crop(image: PlainImage, top: int | jax.Array, left: int | jax.Array, height: int, width: int) -> Any:
    """The box of `height` x `width` pixels whose upper left corner is at (top, left).

    What lies outside the image is black (zero). On jax arrays the corner may be traced; the box must then lie inside,
    which is not checked.

    Raises:
        ValueError: `height` or `width` is less than 1.

    >>> crop(BoundingBoxes(np.array([[2, 3, 9, 9]]), canvas_size=(10, 10)), 1, 0, 8, 4).array
    array([[2, 2, 4, 8]])
    """
    height, width = _box_size(height, width)
    if isinstance(image, jax.Array) and (isinstance(top, jax.Array) or isinstance(left, jax.Array)):
        namespace(image, "crop")
        image = lax.dynamic_slice_in_dim(image, top, height, axis=image.ndim - 3)
        return lax.dynamic_slice_in_dim(image, left, width, axis=image.ndim - 2)
    top, left = operator.index(top), operator.index(left)
    if isinstance(image, PIL.Image.Image):
        return image.crop((left, top, left + width, top + height))
    namespace(image, "crop")
    rows, columns = (_range(*edge) for edge in zip((top, left), (height, width), get_size(image)))
    image = image[..., rows.kept, columns.kept, :]
    border = [(0, 0)] * (image.ndim - 3) + [(rows.before, rows.after), (columns.before, columns.after), (0, 0)]
    return array_namespace(image).pad(image, border) if any(map(any, border)) else image


crop.register(Mask, with_channel_axis(crop))


@crop.register(BoundingBoxes)
def _(boxes: BoundingBoxes, top: Any, left: Any, height: int, width: int) -> BoundingBoxes:
    height, width = _box_size(height, width)
    return boxes.replace(array=crop_boxes(boxes, top, left, height, width), canvas_size=(height, width))


@crop.register(KeyPoints)
def _(points: KeyPoints, top: Any, left: Any, height: int, width: int) -> KeyPoints:
    height, width = _box_size(height, width)
    array = point_array(points)
    return points.replace(array=array - row([left, top], array), canvas_size=(height, width))


@kernel
def center_crop(image: PlainImage, output_size: int | Sequence[int]) -> Any:
    """The middle of the image; an image smaller than `output_size` gets a black border.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        output_size: (height, width), or an int for a square.

    >>> center_crop(np.arange(5).reshape(1, 5, 1), (1, 3)).ravel()
    array([1, 2, 3])
    """
    height, width = square(output_size, "output_size")
    old_height, old_width = get_size(image)
    return crop(image, centred(old_height, height), centred(old_width, width), height, width)


@center_crop.register(BoundingBoxes)
@center_crop.register(KeyPoints)
def _(leaf: BoundingBoxes | KeyPoints, output_size: int | Sequence[int]) -> Any:
    # Where the image is enlarged by an odd number of pixels, torchvision moves boxes one pixel less than the image.
    (old_height, old_width), (height, width) = leaf.canvas_size, square(output_size, "output_size")
    return crop(leaf, centred(old_height, height), centred(old_width, width), height, width)


center_crop.register(Mask, with_channel_axis(center_crop))


@kernel
def pad(
    image: PlainImage, padding: int | Sequence[int], fill: float | Sequence[float] = 0, *,
    padding_mode: str = "constant",
) -> Any:
    """The image with a border around it; a negative padding cuts pixels off.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        padding: pixels on every side; or (left and right, top and bottom); or (left, top, right, bottom).
        fill: value of a constant border, or one value per channel, in the range of the dtype.
        padding_mode: "constant"; "edge", which repeats the outermost pixel; "reflect", which mirrors the image without
            repeating that pixel; "symmetric", which mirrors the image and repeats it.

    Raises:
        ValueError: a padding, fill or mode that does not exist; or a negative padding that leaves no pixel.

    >>> pad(np.arange(1, 4).reshape(1, 3, 1), (2, 0), padding_mode="reflect").ravel()
    array([3, 2, 1, 2, 3, 2, 1])
    """
    left, top, right, bottom = edges(padding)
    check_padding_mode(padding_mode)
    if padding_mode != "constant" and isinstance(fill, Sequence) and len(fill) > 1:
        raise ValueError(f"padding_mode={padding_mode!r} takes no fill, and fill={fill!r} was given")
    height, width = get_size(image)
    padded_size((height, width), (left, top, right, bottom))
    if isinstance(image, PIL.Image.Image):
        return pad_pil(image, (left, top, right, bottom), fill, padding_mode)
    xp = namespace(image, "pad")
    image = image[..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0), :]
    border = [(0, 0)] * (image.ndim - 3) + [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)]
    if not any(map(any, border)):
        return image
    if padding_mode != "constant":
        return xp.pad(image, border, mode=padding_mode)
    values = colour(fill, image.shape[-1], image.dtype)
    if (values == values[0]).all():
        return xp.pad(image, border, constant_values=values[0])
    padded = xp.pad(image, border)
    inside = np.pad(np.ones(image.shape[-3:-1], bool), border[-3:-1])
    shape = padded.shape
    return xp.where(np.broadcast_to(inside[..., None], shape), padded, np.broadcast_to(values, shape))


@pad.register(Mask)
def _(mask: Mask, padding: int | Sequence[int], fill: float = 0, *, padding_mode: str = "constant") -> Mask:
    if isinstance(fill, Sequence):
        raise ValueError(f"fill={fill!r} has a value for every channel, and a Mask has no channels: give one number")
    return with_channel_axis(pad)(mask, padding, fill, padding_mode=padding_mode)


@pad.register(BoundingBoxes)
@pad.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, padding: int | Sequence[int], fill: float | Sequence[float] = 0, *,
    padding_mode: str = "constant",
) -> Any:
    left, top, right, bottom = edges(padding)
    if padding_mode != "constant":
        raise ValueError(
            f"padding_mode={padding_mode!r} repeats parts of the image, and {type(leaf).__name__} cannot follow: use "
            f"padding_mode='constant'"
        )
    size = padded_size(leaf.canvas_size, (left, top, right, bottom))
    if isinstance(leaf, KeyPoints):
        array = point_array(leaf) + row([left, top], leaf.array)
    else:
        array = shift_boxes(box_array(leaf), leaf.format, -left, -top)
        array = clamp_array(array, leaf.format, size, leaf.clamping_mode)
    return leaf.replace(array=array, canvas_size=size)


def _box_size(height: int, width: int) -> tuple[int, int]:
    """The size of a box as two ints; ValueError if it has no pixel."""
    height, width = operator.index(height), operator.index(width)
    if height < 1 or width < 1:
        raise ValueError(f"a box of height={height} and width={width} holds no pixel: both must be at least 1")
    return height, width


def _size_of_traced(size: int | Sequence[int]) -> tuple[int, int]:
    """The size of the result for a traced box, whose ratio a size of one number would depend on."""
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"size={size!r}: a box of jax arrays needs size=(height, width), one shape for every box")
    return operator.index(size[0]), operator.index(size[1])


def crop_boxes(boxes: BoundingBoxes, top: Any, left: Any, height: Any, width: Any) -> Any:
    """The array of the boxes, relative to a corner and cut to a size."""
    array = shift_boxes(box_array(boxes), boxes.format, left, top)
    if boxes.format == "XYXYXYXY":
        array = rotated.rectangle_around(array)
    return clamp_array(array, boxes.format, (height, width), boxes.clamping_mode)


def factors_of(old: tuple[Any, Any], new: tuple[int, int]) -> list[Any]:
    """What x and y are multiplied by when a canvas of size `old`, which may be traced, is resized to `new`."""
    # torchvision rounds the quotients to float32, whatever the dtype of the coordinates
    quotients = [a / (b.astype(jnp.float32) if isinstance(b, jax.Array) else b) for a, b in zip(new[::-1], old[::-1])]
    return [quotient if isinstance(quotient, jax.Array) else np.float32(quotient) for quotient in quotients]


class _Range(NamedTuple):
    """What a crop takes from an axis: the slice inside the image, and how many pixels lie before and after it."""

    kept: slice
    before: int
    after: int


def _range(start: int, length: int, size: int) -> _Range:
    stop = start + length
    return _Range(slice(max(start, 0), max(stop, 0)), min(max(-start, 0), length), min(max(stop - size, 0), length))
