"""Resampling of one axis of a numpy array by products with small dense matrices.

The outputs are cut into blocks. A block's taps lie in a short range of the input, so it is the product of that range
with a matrix [range, block], which BLAS computes. The cost grows with outputs times taps, as the range of a block is
little more than the block times the elements from one output to the next. The work goes by tiles that fit in a
core's cache, so that the float copy of a uint8 image never exists as a whole.

A product costs a little for the zeros of its matrix, and they make a NaN or an infinity spread over the outputs of its
block (and over the channels of its pixel). In the rest of the image the result is unaffected.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

__all__ = ["exact_dtype", "resample_numpy"]

# OpenBLAS runs a product of fewer multiplications in the thread that asks for it. Its own threads would wait for each
# other, because only one product at a time can have them.
PRODUCT = 2**18
# Elements of a tile: a float32 copy of it and of its result fit in the second-level cache.
TILE = 2**17
# An array of more elements than this is worth threads: starting them takes some 0.2 ms.
THREADED = 2**21
# Up to so many elements behind the axis (the channels of an image) a matrix treats them all; see `_short`.
CHANNELS = 8


def resample_numpy(x: np.ndarray, axis: int, index: np.ndarray, weight: np.ndarray, bits: Any = 0) -> np.ndarray:
    """The sums of `weight` [out, taps] times the elements of `axis` at `index` [out, taps], in the dtype of `x`.

    Args:
        x: float32, float64 or uint8.
        axis: which axis, counted from the front.
        index: [out, taps].
        weight: [out, taps]; for uint8 whole numbers.
        bits: of uint8 the sums are divided by 2**bits and rounded.
    """
    x3 = x.reshape(int(np.prod(x.shape[:axis])), x.shape[axis], int(np.prod(x.shape[axis + 1 :])))
    y3 = np.empty((x3.shape[0], len(index), x3.shape[2]), x.dtype)
    if y3.size:
        whole = x.dtype == np.uint8
        precision = exact_dtype(weight, bits) if whole else x.dtype
        scaled = weight * 2.0 ** -float(bits) if whole else weight
        apply = _short if x3.shape[2] <= CHANNELS else _long
        _run(apply(x3, y3, index, scaled, precision), threads=max(x3.size, y3.size) > THREADED)
    return y3.reshape(*x.shape[:axis], len(index), *x.shape[axis + 1 :])


def _run(tasks: Iterable[Callable[[], None]], *, threads: bool) -> None:
    """Calls every task. Threads live for one call only: a pool that lasted would hang in a forked process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not threads or cores == 1:
        for task in tasks:
            task()
        return
    with ThreadPoolExecutor(cores) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()


def exact_dtype(weight: np.ndarray, bits: Any) -> Any:
    """The fastest dtype in which sums of bytes times these whole weights are exact, one half added for rounding."""
    largest = 255 * int(np.abs(weight).sum(1, dtype=np.int64).max()) + (1 << int(bits)) // 2
    return np.dtype(np.float32 if largest < 2**24 else np.float64)


def _short(
    x: np.ndarray, y: np.ndarray, index: np.ndarray, weight: np.ndarray, precision: Any
) -> Iterable[Callable[[], None]]:
    """The columns of an image: [lead, size * channels] times matrices [range * channels, block * channels].

    A matrix has the weights once a channel, with zeros between. That costs less than to part the channels of the image
    and put them together again.
    """
    lead, size, channels = x.shape
    out, step = y.shape[1], size / y.shape[1]
    # About the fastest width of a product: wider when the range is short, narrower when it is long.
    width = 48 if step < 2 else 24 if step < 4 else 12
    starts, blocks = _blocks(index, weight, size, max(int(max(width, 12 / step) / channels), 1), precision)
    count, block, reach = blocks.shape
    matrices = np.zeros((count, reach, channels, block, channels), precision)
    for c in range(channels):
        matrices[:, :, c, :, c] = blocks.transpose(0, 2, 1)
    matrices = matrices.reshape(count, reach * channels, block * channels)
    flat, result = x.reshape(lead, size * channels), y.reshape(lead, out * channels)
    span = block * channels

    def strip(top: int, bottom: int) -> None:
        source, target = _converted(flat[top:bottom], precision), result[top:bottom]
        sums = target if target.dtype == precision else np.empty(target.shape, precision)
        for i, start in enumerate(starts):
            part = sums[:, i * span : (i + 1) * span]
            np.matmul(
                source[:, start * channels : (start + reach) * channels], matrices[i, :, : part.shape[1]], out=part
            )
        _store(sums, target)

    rows = max(min(PRODUCT // (reach * channels * span), 8 * TILE // (size * channels)), 8)
    return [lambda top=top: strip(top, top + rows) for top in range(0, lead, rows)]


def _long(
    x: np.ndarray, y: np.ndarray, index: np.ndarray, weight: np.ndarray, precision: Any
) -> Iterable[Callable[[], None]]:
    """The rows of an image: matrices [block, range] times [lead, range, rest]."""
    lead, size, rest = x.shape
    starts, blocks = _blocks(index, weight, size, 16 if size < 4 * y.shape[1] else 8, precision)
    _, block, reach = blocks.shape
    chunk = min(max(TILE // reach, 256), rest)
    images = max(TILE // (reach * chunk), 1)
    columns = max(PRODUCT // (block * reach) // 16 * 16, 64)

    def tile(i: int, image: int, left: int) -> None:
        here = slice(image, image + images), slice(left, left + chunk)
        target = y[here[0], i * block : (i + 1) * block, here[1]]
        source = _converted(x[here[0], starts[i] : starts[i] + reach, here[1]], precision)
        sums = target if target.dtype == precision else np.empty(target.shape, precision)
        matrix = blocks[i, : target.shape[1]]
        for c in range(0, source.shape[2], columns):
            np.matmul(matrix, source[:, :, c : c + columns], out=sums[:, :, c : c + columns])
        _store(sums, target)

    return [
        lambda i=i, image=image, left=left: tile(i, image, left)
        for image in range(0, lead, images) for i in range(len(starts)) for left in range(0, rest, chunk)
    ]


def _blocks(
    index: np.ndarray, weight: np.ndarray, size: int, block: int, precision: Any
) -> tuple[list[int], np.ndarray]:
    """Where the range of each block begins, and the dense weights [blocks, block, range]; the last has zeros."""
    out, taps = index.shape
    block = min(block, out)
    count = -(-out // block)
    spare = count * block - out
    index = np.concatenate([index, np.repeat(index[-1:], spare, 0)]).reshape(count, block, taps)
    weight = np.concatenate([weight, np.zeros((spare, taps))]).astype(precision).reshape(count, block, taps)
    starts = index.min((1, 2))
    reach = int((index.max((1, 2)) - starts).max()) + 1
    starts = np.minimum(starts, size - reach)
    dense = np.zeros(count * block * reach, precision)
    place = np.arange(count * block).reshape(count, block) * reach - starts[:, None]
    for tap in range(taps):  # within one tap no place occurs twice
        dense[place + index[:, :, tap]] += weight[:, :, tap]
    return starts.tolist(), dense.reshape(count, block, reach)


def _converted(x: np.ndarray, precision: Any) -> np.ndarray:
    return x if x.dtype == precision else x.astype(precision)


def _store(sums: np.ndarray, target: np.ndarray) -> None:
    """Rounds to uint8, halves upwards, where the sums are not in their place already."""
    if sums is target:
        return
    sums += sums.dtype.type(0.5)
    np.clip(sums, 0, 255, out=sums)
    np.copyto(target, sums, casting="unsafe")  # cuts off the fraction
