"""The sampling engine of the warps: where an output pixel comes from, and the value of the image there.

A position is that of a pixel's centre, counted from the centre of the first pixel, so (0, 0) is the first pixel itself.
Positions outside the image give zero, as torch's `grid_sample` does with `align_corners=False`. The arithmetic follows
torchvision's step by step, because rounding decides which pixel a position halfway between two belongs to. Everything
is written once for numpy and jax arrays.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._kernel import array_namespace

__all__ = [
    "affine_positions", "expanded_size", "grid_positions", "grid_positions_at", "homography", "identity_grid",
    "inverse_affine", "inverse_coefficients", "perspective_positions", "position_dtype", "sample", "traced",
]

Fill = float | Sequence[float] | None


def traced(*values: Any) -> bool:
    """Whether any of the numbers, or of the numbers in a sequence, is a jax array."""
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values))


def position_dtype(dtype: Any) -> Any:
    """The dtype of positions: float64 for float64 images, otherwise float32."""
    return np.float64 if dtype == np.float64 else np.float32


def inverse_affine(
    center: Sequence[Any], angle: Any, translate: Sequence[Any], scale: Any, shear: Sequence[Any], *,
    inverted: bool = True,
) -> list[Any]:
    """The 2 x 3 matrix, by rows, from output positions to input positions; or, not inverted, the other way.

    A point is sheared, scaled and turned around the centre, and then translated.

    Args:
        center: (x, y) of the fixed point.
        angle: degrees, clockwise, since y points down.
        translate: (x, y) in pixels.
        scale: factor of both axes.
        shear: degrees along x and along y.
        inverted: whether the matrix goes from the output to the input.
    """
    xp: Any = jnp if traced(center, angle, translate, scale, shear) else math
    turn, along_x, along_y = (value * (math.pi / 180) for value in (angle, *shear))
    (cx, cy), (tx, ty) = center, translate
    a = xp.cos(turn - along_y) / xp.cos(along_y)
    b = -(a * xp.tan(along_x) + xp.sin(turn))
    c = xp.sin(turn - along_y) / xp.cos(along_y)
    d = xp.cos(turn) - c * xp.tan(along_x)
    if inverted:  # the determinant of turn and shears is 1
        a, b, c, d = d / scale, -b / scale, -c / scale, a / scale
        return [a, b, cx - a * (cx + tx) - b * (cy + ty), c, d, cy - c * (cx + tx) - d * (cy + ty)]
    a, b, c, d = a * scale, b * scale, c * scale, d * scale
    return [a, b, cx + tx - a * cx - b * cy, c, d, cy + ty - c * cx - d * cy]


def expanded_size(matrix: Sequence[float], height: int, width: int) -> tuple[int, int]:
    """Height and width of the smallest canvas that holds the whole image after a turn, as torchvision rounds it."""
    corners = np.array([[-width, -height], [-width, height], [width, height], [width, -height]], np.float32) / 2
    theta = np.asarray(matrix, np.float32).reshape(2, 3)
    moved = corners @ theta[:, :2].T + theta[:, 2]
    half = np.array([width, height], np.float32) / 2
    low, high = (np.trunc((edge + half) * np.float32(1e4)) * np.float32(1e-4) for edge in (moved.min(0), moved.max(0)))
    new_width, new_height = (np.ceil(high) - np.floor(low)).astype(int).tolist()
    return new_height, new_width


def affine_positions(
    xp: Any, matrix: Sequence[Any], size: tuple[int, int], new_size: tuple[int, int], dtype: Any
) -> tuple[Any, Any]:
    """Input positions (x, y), each `[new height, new width]`, of a matrix relative to the centre of the image."""
    (height, width), (new_height, new_width) = size, new_size
    x = xp.asarray(np.arange(new_width) - (new_width - 1) / 2, dtype)[None, :]
    y = xp.asarray(np.arange(new_height) - (new_height - 1) / 2, dtype)[:, None]
    a, b, c, d, e, f = (xp.asarray(value).astype(dtype) for value in matrix)
    along = a / dtype(0.5 * width), b / dtype(0.5 * width), c / dtype(0.5 * width)
    down = d / dtype(0.5 * height), e / dtype(0.5 * height), f / dtype(0.5 * height)
    u, v = ((p * x + q * y) + r for p, q, r in (along, down))
    return _pixels(u, width), _pixels(v, height)


def perspective_positions(xp: Any, coefficients: Sequence[Any], size: tuple[int, int], dtype: Any) -> tuple[Any, Any]:
    """Input positions (x, y), each `[height, width]`, of the eight coefficients of a perspective transform."""
    height, width = size
    x = xp.asarray(np.arange(width) + 0.5, dtype)[None, :]
    y = xp.asarray(np.arange(height) + 0.5, dtype)[:, None]
    a, b, c, d, e, f, g, h = (xp.asarray(coefficients[i]).astype(dtype) for i in range(8))
    depth = g * x + h * y + dtype(1)
    half_width, half_height = dtype(0.5 * width), dtype(0.5 * height)
    u = (a / half_width * x + b / half_width * y + c / half_width) / depth - dtype(1)
    v = (d / half_height * x + e / half_height * y + f / half_height) / depth - dtype(1)
    return _pixels(u, width), _pixels(v, height)


def identity_grid(xp: Any, size: tuple[int, int], dtype: Any) -> Any:
    """The positions of all pixels where the image reaches from -1 to 1, `[height, width, 2]`, x first."""
    x, y = (np.linspace((1 - n) / n, (n - 1) / n, n).astype(dtype) for n in size[::-1])
    return xp.asarray(np.stack(np.meshgrid(x, y), -1))


def grid_positions(grid: Any) -> tuple[Any, Any]:
    """Positions in pixels of a grid `[height, width, 2]` in which the image reaches from -1 to 1."""
    height, width = grid.shape[-3:-1]
    return _pixels(grid[..., 0], width), _pixels(grid[..., 1], height)


def grid_positions_at(grid: Any, line: Any, column: Any) -> tuple[Any, Any]:
    """The positions in pixels of such a grid at some of its lines and columns."""
    height, width = grid.shape[-3:-1]
    place = grid[line, column]
    return _pixels(place[..., 0], width), _pixels(place[..., 1], height)


def homography(start: Any, end: Any) -> Any:
    """The eight coefficients `[8]` of the perspective transform that takes the four points `end` to `start`.

    Each quadrilateral is the image of the unit square under a closed form (Heckbert 1989, section 2.2.3), so no linear
    system is solved, which would lose most digits in float32.

    Args:
        start: `[4, 2]`, the corners of the input in order around it.
        end: `[4, 2]`, the same corners in the output.
    """
    xp = array_namespace(end)
    rows = _rows_of_quadrilateral(xp, end)
    (a, b, c), (d, e, f), (g, h, i) = rows
    adjugate = xp.stack([
        xp.stack([e * i - f * h, c * h - b * i, b * f - c * e]),
        xp.stack([f * g - d * i, a * i - c * g, c * d - a * f]),
        xp.stack([d * h - e * g, b * g - a * h, a * e - b * d]),
    ])
    matrix = xp.stack([xp.stack(row) for row in _rows_of_quadrilateral(xp, start)])
    # `sum` in place of a matrix product, whose precision on an accelerator is lower
    product = (matrix[:, :, None] * adjugate[None]).sum(1).reshape(9)
    return product[:8] / product[8]


def inverse_coefficients(coefficients: Any) -> list[Any]:
    """The eight coefficients of the perspective transform that undoes another one."""
    a, b, c, d, e, f, g, h = (coefficients[i] for i in range(8))
    area = a * e - b * d
    inverse = [e - f * h, c * h - b, b * f - c * e, f * g - d, a - c * g, c * d - a * f, d * h - e * g, b * g - a * h]
    return [value / area for value in inverse]


def _rows_of_quadrilateral(xp: Any, points: Any) -> list[list[Any]]:
    """The matrix that takes the unit square (0, 0), (1, 0), (1, 1), (0, 1) to four points, by rows."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ((points[k, 0], points[k, 1]) for k in range(4))
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    safe = xp.where(area == 0, xp.ones_like(area), area)  # a flat quadrilateral has no third row
    g, h = (sx * dy2 - dx2 * sy) / safe, (dx1 * sy - sx * dy1) / safe
    return [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            [g, h, xp.ones_like(g)]]


def sample(image: Any, positions: tuple[Any, Any], mode: str, fill: Fill) -> Any:
    """The values of an image at positions, in the dtype of the image.

    Args:
        image: `[..., height, width, channels]`.
        positions: x and y, each `[new height, new width]`, in pixels.
        mode: "nearest" or "bilinear".
        fill: value outside the image, or one value for each channel. None means zero. In "bilinear" a given fill is
            blended a second time with the pixels at the border, as in torchvision, so that None and 0 differ there.

    Returns:
        `[..., new height, new width, channels]`.
    """
    xp, (x, y) = array_namespace(image), positions
    height, width, channels = image.shape[-3:]
    flat = image.reshape(*image.shape[:-3], height * width, channels)
    floating = jnp.issubdtype(image.dtype, jnp.floating)
    work = x.dtype

    def pixel(column: Any, line: Any) -> tuple[Any, Any]:
        """Values, in the dtype of the image, and whether the position is inside."""
        inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
        index = xp.clip(line, 0, height - 1).astype(np.int32) * width + xp.clip(column, 0, width - 1).astype(np.int32)
        values = xp.take(flat, index.reshape(-1), axis=-2) if xp is np else jnp.take(flat, index, axis=-2, mode="clip")
        return values.reshape(*image.shape[:-3], *index.shape, channels), inside[..., None]

    if mode == "nearest":
        values, inside = pixel(xp.round(x), xp.round(y))
        outside = xp.zeros((), image.dtype) if fill is None else _fill_values(xp, fill, channels, work, image.dtype)
        inside = inside.reshape((1,) * (values.ndim - inside.ndim) + inside.shape)
        return xp.where(inside, values, xp.broadcast_to(outside, values.shape))

    left, top = xp.floor(x), xp.floor(y)
    right_share, bottom_share = x - left, y - top
    one = work.type(1)
    total: Any = 0
    covered: Any = 0
    for step_y, share_y in ((0, one - bottom_share), (1, bottom_share)):
        for step_x, share_x in ((0, one - right_share), (1, right_share)):
            values, inside = pixel(left + work.type(step_x), top + work.type(step_y))
            weight = xp.where(inside, (share_x * share_y)[..., None], work.type(0))
            covered = covered + weight
            weight = weight.reshape((1,) * (values.ndim - weight.ndim) + weight.shape)
            total = total + values.astype(work) * weight
    if fill is not None:
        covered = covered.reshape((1,) * (total.ndim - covered.ndim) + covered.shape)
        outside = _fill_values(xp, fill, channels, work, work).reshape((1,) * (total.ndim - 1) + (channels,))
        total = (total - outside) * covered + outside
    if floating:
        return total.astype(image.dtype)
    limits = jnp.iinfo(image.dtype) if image.dtype != bool else None
    total = xp.round(total)
    return (total if limits is None else xp.clip(total, limits.min, limits.max)).astype(image.dtype)


def _fill_values(xp: Any, fill: Any, channels: int, work: Any, dtype: Any) -> Any:
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(values) not in (1, channels):
        raise ValueError(f"fill={fill!r} has {len(values)} values for an image of {channels} channels")
    row = np.broadcast_to(np.asarray(values, work), (channels,))
    return xp.asarray(row if jnp.issubdtype(dtype, jnp.floating) else np.round(row)).astype(dtype)


def _pixels(coordinate: Any, length: int) -> Any:
    """From [-1, 1] to pixels."""
    one = coordinate.dtype.type(1)
    return ((coordinate + one) * coordinate.dtype.type(length) - one) / coordinate.dtype.type(2)
