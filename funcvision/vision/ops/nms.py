"""Non-maximum suppression: keeps the boxes of highest scores that do not overlap too much with a better one."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from ._greedy import suppress
from ._rotated import rectangles, rotated_iou
from .boxes import UPRIGHT, BoxFormat, box_convert, checked, floating, wide

__all__ = ["batched_nms", "nms"]

TILE, BLOCK = 128, 512  # boxes; measured on a CPU with 1000 to 100 000 boxes
ROTATED_TILE = 64  # an overlap of rotated boxes takes some 150 operations


def nms(
    boxes: jax.Array, scores: jax.Array, iou_threshold: float | jax.Array, max_output: int | None = None,
    valid: jax.Array | None = None, *, fmt: BoxFormat = "xyxy",
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """The boxes that no better kept box overlaps with an IoU greater than the threshold.

    Boxes are taken by falling score, equal scores by index and NaN first, as in torchvision. The IoU is computed in
    float32, or in float64 for float64 boxes. A box with NaN or without area neither suppresses nor is suppressed.

    Args:
        boxes: [n, coordinates].
        scores: [n], floating-point.
        iou_threshold: an IoU that equals it does not suppress. As in torchvision a Python number keeps its double
            precision in the comparison.
        max_output: the length of the result, n by default within `jit`. Suppression ends when as many are kept.
        valid: bool [n]; other boxes are left out.
        fmt: the format of the boxes; those of the rotated formats are compared by the IoU of rotated rectangles.

    Returns:
        Outside `jit` without `max_output`: the indices of kept boxes by falling score, as torchvision does. Otherwise
        (indices, valid), both [max_output]: where `valid` is False the index is 0. `jax.vmap` takes one image after
        another.

    Raises:
        ValueError: shapes that do not fit.

    >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [9.0, 9.0, 12.0, 12.0]])
    >>> nms(boxes, jnp.array([0.5, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    >>> indices, valid = jax.jit(nms)(boxes, jnp.array([0.5, 0.9, 0.7]), 0.5)
    >>> indices.tolist(), valid.tolist()
    ([1, 2, 0], [True, True, False])
    """
    return _nms("nms", boxes, scores, None, iou_threshold, max_output, valid, fmt)


def batched_nms(
    boxes: jax.Array, scores: jax.Array, idxs: jax.Array, iou_threshold: float | jax.Array,
    max_output: int | None = None, valid: jax.Array | None = None, *, fmt: BoxFormat = "xyxy",
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """`nms` in which boxes of different classes do not suppress each other.

    Classes are compared as integers. torchvision moves up to 1000 boxes apart by their class instead, which rounds
    coordinates and mixes classes where all coordinates are negative.

    Args:
        boxes: [n, coordinates].
        scores: [n], floating-point.
        idxs: integers [n], the class of each box.
        iou_threshold: see `nms`.
        max_output: see `nms`; of all classes together.
        valid: bool [n]; other boxes are left out.
        fmt: the format of the boxes.

    Returns:
        As `nms`, by falling score over all classes.
    """
    return _nms("batched_nms", boxes, scores, jnp.asarray(idxs), iou_threshold, max_output, valid, fmt)


def _nms(
    function: str, boxes: jax.Array, scores: jax.Array, classes: jax.Array | None, threshold: float | jax.Array,
    max_output: int | None, valid: jax.Array | None, fmt: BoxFormat,
) -> jax.Array | tuple[jax.Array, jax.Array]:
    boxes, scores = checked(function, boxes, fmt), jnp.asarray(scores)
    boxes, scores = wide(floating(boxes)), wide(floating(scores))
    n = _number_of_boxes(function, boxes, scores, classes, valid)
    static = max_output is not None or any(isinstance(x, Tracer) for x in (boxes, scores, classes, threshold, valid))
    length = n if max_output is None else max_output
    if n == 0 or length == 0:
        nothing = jnp.zeros(length, jnp.int32)
        return (nothing, nothing.astype(bool)) if static else nothing
    rotated = fmt not in UPRIGHT
    boxes = box_convert(boxes, fmt, "cxcywhr" if rotated else "xyxy")
    compared = _compared(threshold, boxes.dtype)
    if not static:
        return _all_kept(boxes, scores, classes, compared, valid, rotated)
    valid = jnp.ones(n, bool) if valid is None else jnp.asarray(valid)
    boxes, scores = lax.stop_gradient((boxes, scores))
    return _one_image(boxes, scores, classes, compared, valid, length, rotated)


def _number_of_boxes(
    function: str, boxes: jax.Array, scores: jax.Array, classes: jax.Array | None, valid: jax.Array | None
) -> int:
    if boxes.ndim != 2:
        raise ValueError(f"{function} takes the boxes of one image, [n, coordinates], and got {boxes.shape}: use "
                         "jax.vmap for a batch")
    for name, array in (("scores", scores), ("idxs", classes), ("valid", valid)):
        if array is not None and array.shape != boxes.shape[:1]:
            raise ValueError(f"{function}: {name} must have one number a box, {boxes.shape[:1]}, not {array.shape}")
    if classes is not None and not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(f"{function}: idxs are integers, one a box; these are {classes.dtype}")
    return boxes.shape[0]


def _compared(threshold: float | jax.Array, dtype: np.dtype) -> jax.Array | np.ndarray:
    """The threshold in the dtype of the IoU; a number is rounded down, so that "IoU > number" means the same."""
    if isinstance(threshold, jax.Array):
        return threshold.astype(dtype)
    rounded = np.asarray(threshold, dtype)
    if float(rounded) > float(threshold):
        rounded = np.nextafter(rounded, dtype.type(-np.inf))
    return rounded  # numpy's: outside `jit` it goes straight to the compiled program


def _all_kept(
    boxes: jax.Array, scores: jax.Array, classes: jax.Array | None, threshold: jax.Array | np.ndarray,
    valid: jax.Array | None, rotated: bool,
) -> jax.Array:
    """The indices of all kept boxes. Arrays are padded to a power of two, so that few programs are compiled."""
    n = boxes.shape[0]
    length = max(TILE, 1 << (n - 1).bit_length())

    def padded(x: jax.Array | np.ndarray) -> np.ndarray:
        filled = np.zeros((length, *x.shape[1:]), x.dtype)
        filled[:n] = x
        return filled

    usable = padded(np.ones(n, bool) if valid is None else valid)
    numbers = None if classes is None else padded(classes)
    indices, kept = _compiled(padded(boxes), padded(scores), numbers, threshold, usable, length, rotated)
    return jnp.asarray(np.asarray(indices)[np.asarray(kept)])


def _one_image(
    boxes: jax.Array, scores: jax.Array, classes: jax.Array | None, threshold: jax.Array | np.ndarray,
    valid: jax.Array, length: int, rotated: bool,
) -> tuple[jax.Array, jax.Array]:
    """`_choose`; under `vmap` one image after another, as each takes a number of steps of its own."""

    @jax.custom_batching.sequential_vmap
    def choose(*arrays: jax.Array) -> tuple[jax.Array, jax.Array]:
        boxes, scores, threshold, valid, *classes = arrays
        return _choose(boxes, scores, classes[0] if classes else None, threshold, valid, length, rotated)

    return choose(boxes, scores, jnp.asarray(threshold), valid, *([] if classes is None else [classes]))


def _choose(
    boxes: jax.Array, scores: jax.Array, classes: jax.Array | None, threshold: jax.Array, valid: jax.Array,
    length: int, rotated: bool,
) -> tuple[jax.Array, jax.Array]:
    """(indices, valid) of kept boxes, by falling score, both [length]."""
    n = boxes.shape[0]
    keys = _falling(scores, valid)
    number = jnp.arange(n, dtype=jnp.int32)
    if classes is None:
        _, order = lax.sort((keys, number), num_keys=1)
        sorted_classes = jnp.zeros(n, jnp.int32)
    else:
        last = jnp.iinfo(classes.dtype).max
        sorted_classes, _, order = lax.sort((jnp.where(valid, classes, last), keys, number), num_keys=2)
    count = jnp.sum(valid, dtype=jnp.int32)
    if rotated:
        rows, overlap = jnp.stack(rectangles(boxes)), lambda a, b: rotated_iou(tuple(a), tuple(b))
    else:
        rows, overlap = _corners_and_area(boxes), _upright_iou
    tile, block = (ROTATED_TILE, ROTATED_TILE) if rotated else (TILE, BLOCK)
    most = length if classes is None else n
    places, kept = suppress(rows[:, order], sorted_classes, count, threshold, most, overlap, tile, block)
    indices = order[jnp.minimum(places[:n], n - 1)]
    if classes is not None:
        of_kept = jnp.where(number < kept, keys[indices], jnp.iinfo(keys.dtype).max)
        _, indices = lax.sort((of_kept, indices), num_keys=2)
    indices = jnp.pad(indices, (0, max(length - n, 0)))[:length]
    chosen = jnp.arange(length, dtype=jnp.int32) < kept
    return jnp.where(chosen, indices, 0), chosen


_compiled = jax.jit(_choose, static_argnums=(5, 6))


def _falling(scores: jax.Array, valid: jax.Array) -> jax.Array:
    """Integers that rise as scores fall: NaN first, equal scores (0 and -0 too) equal, invalid boxes last."""
    integer = jnp.int64 if scores.dtype == jnp.float64 else jnp.int32
    largest = jnp.iinfo(integer).max
    bits = lax.bitcast_convert_type(jnp.where(scores == 0, 0, scores), integer)
    rising = jnp.where(bits < 0, bits ^ largest, bits)  # negative floats: the larger the bits, the smaller the number
    return jnp.where(valid, ~jnp.where(jnp.isnan(scores), largest, rising), largest)


def _corners_and_area(boxes: jax.Array) -> jax.Array:
    """[5, n]: the corners, and the area, which is added in other programs: no compiler can fuse product and sum."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return jnp.concatenate([boxes.T, area[None]])


def _upright_iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """IoU of boxes given as corners and area, rounded as torchvision rounds it."""
    width = jnp.minimum(a[2], b[2]) - jnp.maximum(a[0], b[0])
    height = jnp.minimum(a[3], b[3]) - jnp.maximum(a[1], b[1])
    # `where` rather than clamped factors: between the product and the difference it keeps both roundings
    intersection = jnp.where((width > 0) & (height > 0), width * height, 0)
    return intersection / (a[4] + b[4] - intersection)
