"""Kernels that take every output pixel from a computed position: affine, rotate, perspective, elastic.

PIL images are warped by Pillow, as in torchvision. Arrays give the numbers of torchvision's tensors. Masks are sampled
by "nearest". Boxes become what encloses their moved corners, cut to the canvas (see `BoundingBoxes`); integer
coordinates are computed in float32 and cut off towards zero at the end.

A parameter may be a jax array, traced or not, where the leaf is a jax array.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from . import _rotated_boxes as rotated
from . import _warp as warp
from ._kernel import PlainImage, array_namespace, get_size, kernel, mask_planes, namespace
from ._warp import Fill
from .boxes import ROTATED, box_array, clamp_array, convert_array, point_array

__all__ = ["affine", "elastic", "elastic_transform", "grid_distortion", "perspective", "rotate"]

ARRAY_MODES = ("nearest", "bilinear")
PIL_MODES = {
    "nearest": PIL.Image.Resampling.NEAREST, "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
}
Points = Callable[[Any, Any], tuple[Any, Any]]
"""A function of x and y that gives the x and y of the moved points."""


@kernel
def affine(
    image: PlainImage, angle: Any, translate: Sequence[Any], scale: Any, shear: Any, interpolation: str = "nearest", *,
    fill: Fill = None, center: Sequence[float] | None = None,
) -> Any:
    """The image sheared, scaled and turned around `center`, then translated; the size stays.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        angle: degrees, clockwise.
        translate: (x, y) in pixels.
        scale: factor, above zero.
        shear: degrees along x and along y; one number for x alone.
        interpolation: "nearest", "bilinear"; for PIL images also "bicubic".
        fill: value outside the image, or one value for each channel. None means zero; "bilinear" then fades to it over
            one pixel, while a given fill is blended in once more, as in torchvision.
        center: (x, y) in pixels from the upper left corner of the image; None for the middle.

    Raises:
        ValueError: an argument that does not fit.
    """
    shear = _affine_arguments(translate, scale, shear)
    height, width = size = get_size(image)
    if isinstance(image, PIL.Image.Image):
        around = (width * 0.5, height * 0.5) if center is None else center
        matrix = warp.inverse_affine(around, float(angle), translate, float(scale), shear)
        return _pil_transform(image, PIL.Image.Transform.AFFINE, matrix, interpolation, fill)
    xp = namespace(image, "affine")
    matrix = warp.inverse_affine(_from_middle(center, size), angle, translate, scale, shear)
    return _sampled(image, partial(warp.affine_positions, xp, matrix, size, size), interpolation, fill)


@affine.register(BoundingBoxes)
@affine.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, angle: Any, translate: Sequence[Any], scale: Any, shear: Any,
    interpolation: str = "nearest", *, fill: Fill = None, center: Sequence[float] | None = None,
) -> Any:
    shear = _affine_arguments(translate, scale, shear)
    height, width = leaf.canvas_size
    around = (width * 0.5, height * 0.5) if center is None else center
    return _moved(leaf, _linear(warp.inverse_affine(around, angle, translate, scale, shear, inverted=False)))


@kernel
def rotate(
    image: PlainImage, angle: Any, interpolation: str = "nearest", expand: bool = False,
    center: Sequence[float] | None = None, fill: Fill = None,
) -> Any:
    """The image turned around `center`; by a multiple of 90 degrees exactly, where the shape allows it.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        angle: degrees, counter-clockwise.
        interpolation: as in `affine`.
        expand: enlarge the canvas so that it holds the whole turned image. The angle must then be a number of Python
            or numpy, since the shape depends on it. As in torchvision, boxes and key points may then lie one pixel
            beside the image.
        center: as in `affine`.
        fill: as in `affine`.

    Raises:
        ValueError: an argument that does not fit.
    """
    if isinstance(image, PIL.Image.Image):
        _check_mode(interpolation, PIL_MODES)
        around = None if center is None else (center[0], center[1])
        return image.rotate(
            float(angle), PIL_MODES[interpolation], expand, around, fillcolor=_pil_fill(fill, image)
        )
    xp = namespace(image, "rotate")
    _check_mode(interpolation, ARRAY_MODES)
    size = get_size(image)
    quarters = None if center is not None or warp.traced(angle) else float(angle) % 360 / 90
    if quarters in (0, 2) or (quarters in (1, 3) and (expand or size[0] == size[1])):
        return xp.rot90(image, int(quarters), axes=(-3, -2))
    matrix = _rotation(angle, _from_middle(center, size))
    new_size = _expanded(angle, center, size) if expand else size
    return _sampled(image, partial(warp.affine_positions, xp, matrix, size, new_size), interpolation, fill)


@rotate.register(BoundingBoxes)
@rotate.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, angle: Any, interpolation: str = "nearest", expand: bool = False,
    center: Sequence[float] | None = None, fill: Fill = None,
) -> Any:
    height, width = size = leaf.canvas_size
    around = (width * 0.5, height * 0.5) if center is None else center
    matrix = _rotation(angle, around, inverted=False)
    if not expand:
        return _moved(leaf, _linear(matrix))
    new_size = _expanded(angle, center, size)
    a, b, c, d, e, f = matrix
    frame = [(0, 0), (0, height), (width, height), (width, 0)]
    c, f = c - min(a * x + b * y + c for x, y in frame), f - min(d * x + e * y + f for x, y in frame)
    return _moved(leaf, _linear([a, b, c, d, e, f]), new_size)


@kernel
def perspective(
    image: PlainImage, startpoints: Any, endpoints: Any, interpolation: str = "bilinear", *, fill: Fill = None,
    coefficients: Any = None,
) -> Any:
    """The image seen from elsewhere: four points of it move to four others.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        startpoints: four points (x, y) of the image: upper left, upper right, lower right, lower left.
        endpoints: where these points come to lie.
        interpolation: as in `affine`.
        fill: as in `affine`.
        coefficients: in place of both, eight numbers a to h. The output pixel (x, y) is taken from
            ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)).

    Raises:
        ValueError: neither or both of points and coefficients, or of another length.
    """
    numbers = _coefficients(startpoints, endpoints, coefficients)
    if isinstance(image, PIL.Image.Image):
        values = [float(numbers[i]) for i in range(8)]
        return _pil_transform(image, PIL.Image.Transform.PERSPECTIVE, values, interpolation, fill)
    xp = namespace(image, "perspective")
    return _sampled(image, partial(warp.perspective_positions, xp, numbers, get_size(image)), interpolation, fill)


@perspective.register(BoundingBoxes)
@perspective.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, startpoints: Any, endpoints: Any, interpolation: str = "bilinear", *,
    fill: Fill = None, coefficients: Any = None,
) -> Any:
    numbers = _coefficients(startpoints, endpoints, coefficients)
    area = numbers[0] * numbers[4] - numbers[1] * numbers[3]
    if not warp.traced(area) and area == 0:
        raise ValueError(f"the perspective of coefficients={coefficients!r} is flat, so that no point can be moved")
    inverse = warp.inverse_coefficients(numbers)

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        xp = array_namespace(x)
        a, b, c, d, e, f, g, h = (xp.asarray(value).astype(x.dtype) for value in inverse)
        depth = g * x + h * y + x.dtype.type(1)
        return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth

    return _moved(leaf, moved)


@kernel
def elastic(
    image: PlainImage, displacement: Any, interpolation: str = "bilinear", *, fill: Fill = None
) -> Any:
    """The image with every output pixel taken from a place nearby.

    Boxes and key points move against the displacement at their corners, which is the inverse for small displacements.
    As in torchvision, corners are rounded up and key points down to find that displacement.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        displacement: `[1, height, width, 2]`, along x and y, in units of half the width and half the height.
        interpolation: "nearest" or "bilinear".
        fill: as in `affine`.

    Raises:
        ValueError: the displacement is of another shape.
    """
    size = get_size(image)
    displacement = _displacement(displacement, size)
    if isinstance(image, PIL.Image.Image):
        if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "F"):
            raise ValueError(f"elastic does not warp a PIL image of mode {image.mode}: convert it to RGB or L first")
        pixels = np.asarray(image).reshape(*size, -1)
        result = elastic(pixels, displacement, interpolation, fill=fill)
        result = result[..., 0] if result.shape[-1] == 1 else result
        return PIL.Image.fromarray(result) if image.mode != "CMYK" else PIL.Image.frombytes(
            "CMYK", image.size, result.tobytes())
    xp = namespace(image, "elastic")

    def positions(dtype: Any) -> tuple[Any, Any]:
        grid = warp.identity_grid(xp, size, dtype) + xp.asarray(displacement[0]).astype(dtype)
        return warp.grid_positions(grid)

    return _sampled(image, positions, interpolation, fill)


@elastic.register(BoundingBoxes)
@elastic.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, displacement: Any, interpolation: str = "bilinear", *, fill: Fill = None
) -> Any:
    height, width = size = leaf.canvas_size
    displacement = _displacement(displacement, size)
    upwards = isinstance(leaf, BoundingBoxes)

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        xp = array_namespace(x)
        dtype = x.dtype.type
        grid = warp.identity_grid(xp, size, dtype) - xp.asarray(displacement[0]).astype(dtype)
        column, line = (xp.ceil(v) if upwards else xp.trunc(v) for v in (x, y))
        column = xp.clip(column, 0, width - 1).astype(np.int32)
        line = xp.clip(line, 0, height - 1).astype(np.int32)
        return warp.grid_positions_at(grid, line, column)

    return _moved(leaf, moved, centres=True)


@kernel
def grid_distortion(
    image: PlainImage, along_x: Any, along_y: Any, interpolation: str = "bilinear", *, fill: Fill = None,
    inverted: bool = False,
) -> Any:
    """The image with the lines of a grid moved, and everything between them stretched evenly.

    Args:
        image: PIL image, array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        along_x: increasing numbers from 0 to 1, `[lines]`: where in the input each of as many evenly spaced vertical
            lines of the output is taken from, as a share of the width.
        along_y: the same for horizontal lines.
        interpolation: "nearest" or "bilinear".
        fill: as in `affine`.
        inverted: move the lines back instead.
    """
    size = get_size(image)
    if isinstance(image, PIL.Image.Image):
        pixels = np.asarray(image).reshape(*size, -1)
        result = grid_distortion(pixels, along_x, along_y, interpolation, fill=fill, inverted=inverted)
        return PIL.Image.frombytes(image.mode, image.size, np.ascontiguousarray(result).tobytes())
    xp = namespace(image, "grid_distortion")

    def positions(dtype: Any) -> tuple[Any, Any]:
        x, y = (
            _between_lines(xp, xp.asarray((np.arange(length) + 0.5) / length, dtype), lines, dtype, inverted)
            * dtype(length) - dtype(0.5)
            for length, lines in ((size[1], along_x), (size[0], along_y))
        )
        return xp.broadcast_to(x[None], size), xp.broadcast_to(y[:, None], size)

    return _sampled(image, positions, interpolation, fill)


@grid_distortion.register(BoundingBoxes)
@grid_distortion.register(KeyPoints)
def _(
    leaf: BoundingBoxes | KeyPoints, along_x: Any, along_y: Any, interpolation: str = "bilinear", *,
    fill: Fill = None, inverted: bool = False,
) -> Any:
    height, width = leaf.canvas_size

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        xp, dtype = array_namespace(x), x.dtype.type
        shift = 0.5 if isinstance(leaf, KeyPoints) else 0.0  # a key point names the centre of a pixel
        x, y = (
            _between_lines(xp, (place + dtype(shift)) / dtype(length), lines, dtype, not inverted) * dtype(length)
            - dtype(shift)
            for place, length, lines in ((x, width, along_x), (y, height, along_y))
        )
        return x, y

    return _moved(leaf, moved)


def _between_lines(xp: Any, shares: Any, lines: Any, dtype: Any, inverted: bool) -> Any:
    """The input places of output places, or inverted, as shares of a side; outside the image a translation."""
    lines = xp.asarray(lines).astype(dtype)
    even = xp.asarray(np.linspace(0, 1, len(lines)), dtype)
    inside = xp.clip(shares, 0, 1)
    start, end = (lines, even) if inverted else (even, lines)
    return xp.interp(inside, start, end).astype(dtype) + (shares - inside)


def _mask_implementation(function: Any) -> Callable[..., Mask]:
    """The implementation for masks: an image of one channel, sampled by "nearest"."""
    def of_mask(mask: Mask, *args: Any, interpolation: str | None = None, **kwargs: Any) -> Mask:
        limit = MODE_PLACES[function.__name__]
        args = (*args[:limit], "nearest", *args[limit + 1 :]) if len(args) > limit else args
        options = kwargs if len(args) > limit else {**kwargs, "interpolation": "nearest"}
        return mask.replace(array=function(mask_planes(mask)[..., None], *args, **options)[..., 0])

    return of_mask


MODE_PLACES = {"affine": 4, "rotate": 1, "perspective": 2, "elastic": 1, "grid_distortion": 2}
"""The place of `interpolation` among the arguments after the leaf."""

elastic_transform = elastic

for _kernel in (affine, rotate, perspective, elastic, grid_distortion):
    _kernel.register(Mask, _mask_implementation(_kernel))


def _moved(
    leaf: BoundingBoxes | KeyPoints, points: Points, canvas_size: tuple[int, int] | None = None, *,
    centres: bool = False,
) -> Any:
    """Boxes or key points after their corners have moved.

    Args:
        leaf: the boxes or key points.
        points: what moves a point.
        canvas_size: of the result, if it is another one.
        centres: move only the centre of a rotated box.
    """
    size = canvas_size or leaf.canvas_size
    if isinstance(leaf, KeyPoints):
        array = point_array(leaf)
        xp = array_namespace(array)
        wide = _widened(array)
        moved = xp.stack(points(wide[..., 0], wide[..., 1]), -1)
        return leaf.replace(array=moved.astype(array.dtype), canvas_size=size)
    array = box_array(leaf)
    xp, turned = array_namespace(array), leaf.format in ROTATED
    inner = ("CXCYWHR" if centres else "XYXYXYXY") if turned else "XYXY"
    boxes = convert_array(_widened(array), leaf.format, inner)
    if inner == "CXCYWHR":
        centre = xp.stack(points(boxes[..., 0], boxes[..., 1]), -1)
        boxes = xp.concatenate([centre, boxes[..., 2:]], -1)
    else:
        corners = boxes if turned else xp.stack([boxes[..., i] for i in (0, 1, 2, 1, 2, 3, 0, 3)], -1)
        x, y = points(corners[..., 0::2], corners[..., 1::2])
        if turned:
            boxes = rotated.rectangle_around(xp.stack([x, y], -1).reshape(boxes.shape))
        else:
            boxes = xp.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], -1)
    boxes = clamp_array(boxes, inner, size, leaf.clamping_mode)
    return leaf.replace(array=convert_array(boxes, inner, leaf.format).astype(array.dtype), canvas_size=size)


def _widened(array: Any) -> Any:
    """The coordinates in float32 at least."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def _linear(matrix: Sequence[Any]) -> Points:
    """What moves a point by a 2 x 3 matrix."""
    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        xp = array_namespace(x)
        a, b, c, d, e, f = (xp.asarray(value).astype(x.dtype) for value in matrix)
        return a * x + b * y + c, d * x + e * y + f

    return moved


def _rotation(angle: Any, center: Sequence[float], *, inverted: bool = True) -> list[Any]:
    return warp.inverse_affine(center, -angle, (0.0, 0.0), 1.0, (0.0, 0.0), inverted=inverted)


def _expanded(angle: Any, center: Sequence[float] | None, size: tuple[int, int]) -> tuple[int, int]:
    if warp.traced(angle):
        raise ValueError("expand=True needs an angle that is no jax array, since the shape of the result depends on it")
    quarters = float(angle) % 360 / 90
    if center is None and quarters == int(quarters):
        return size if quarters in (0, 2) else (size[1], size[0])
    return warp.expanded_size(_rotation(float(angle) % 360, _from_middle(center, size)), *size)


def _from_middle(center: Sequence[float] | None, size: tuple[int, int]) -> tuple[float, float]:
    """The centre, counted from the middle of the image."""
    if center is None:
        return 0.0, 0.0
    if len(center) != 2:
        raise ValueError(f"center={center!r} must be (x, y)")
    return center[0] - size[1] * 0.5, center[1] - size[0] * 0.5


def _affine_arguments(translate: Sequence[Any], scale: Any, shear: Any) -> tuple[Any, Any]:
    """The shear as two numbers, after a check of the others."""
    if len(translate) != 2:
        raise ValueError(f"translate={translate!r} must be (x, y)")
    if not warp.traced(scale) and scale <= 0:
        raise ValueError(f"scale={scale!r} must be above zero")
    if not isinstance(shear, Sequence) and np.ndim(shear) == 0:
        return shear, 0.0
    if len(shear) not in (1, 2):
        raise ValueError(f"shear={shear!r} must be one number, or degrees along x and along y")
    return shear[0], shear[-1]


def _coefficients(startpoints: Any, endpoints: Any, coefficients: Any) -> Any:
    points_given = startpoints is not None and endpoints is not None
    if points_given == (coefficients is not None):
        raise ValueError("perspective needs either startpoints and endpoints, or coefficients, and not both")
    if startpoints is not None and endpoints is not None:
        if len(startpoints) != 4 or len(endpoints) != 4:
            raise ValueError(f"perspective takes four points, and got {len(startpoints)} and {len(endpoints)}")
        xp, dtype = (jnp, np.float32) if warp.traced(startpoints, endpoints) else (np, np.float64)
        start, end = (xp.asarray(points).astype(dtype) for points in (startpoints, endpoints))
        return warp.homography(start, end).astype(np.float32)
    if len(coefficients) != 8:
        raise ValueError(f"perspective takes eight coefficients, and got {len(coefficients)}")
    return coefficients


def _displacement(displacement: Any, size: tuple[int, int]) -> Any:
    """The displacement as an array, which may be given as nested lists; ValueError if it has another shape."""
    array = displacement if isinstance(displacement, jax.Array) else np.asarray(displacement, np.float32)
    if array.shape != (1, *size, 2):
        raise ValueError(f"displacement has shape {array.shape}, and this leaf needs {(1, *size, 2)}")
    return array


def _check_mode(interpolation: str, modes: Any) -> None:
    if interpolation not in modes:
        raise ValueError(
            f"interpolation={interpolation!r} is not one of {', '.join(map(repr, modes))}, which warps know here"
        )


def _sampled(image: Any, positions: Callable[[Any], tuple[Any, Any]], interpolation: str, fill: Fill) -> Any:
    _check_mode(interpolation, ARRAY_MODES)
    return warp.sample(image, positions(warp.position_dtype(image.dtype)), interpolation, fill)


def _pil_transform(image: PIL.Image.Image, kind: Any, numbers: Any, interpolation: str, fill: Fill) -> PIL.Image.Image:
    _check_mode(interpolation, PIL_MODES)
    return image.transform(image.size, kind, numbers, PIL_MODES[interpolation], fillcolor=_pil_fill(fill, image))


def _pil_fill(fill: Fill, image: PIL.Image.Image) -> Any:
    """The fill as Pillow takes it: a number, or one for each band."""
    bands = len(image.getbands())
    values = tuple(fill) if isinstance(fill, Sequence) else (0 if fill is None else fill,)
    if len(values) not in (1, bands):
        raise ValueError(f"fill={fill!r} has {len(values)} values for an image of {bands} channels")
    values = tuple(value if image.mode == "F" else int(value) for value in values * (bands // len(values)))
    return values if bands > 1 else values[0]
