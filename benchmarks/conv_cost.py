"""Fits the costs in `funcvision/functional/_conv/cpu/cost_model.py` to measured times of 3x3 convolutions.

    python -m benchmarks conv_cost

Measures Winograd's method with each size of tiles on a grid of shapes, and the method that is used otherwise: XLA's
convolution for the value, and one matrix product for each row of the kernel for the gradient with respect to the
weight. Prints the costs that fit best and are to replace those in the file. Also prints how much slower a choice by
these costs is than always choosing the fastest method.

Everything runs in one process, because XLA compiles all methods. Each program has two convolutions, so that neither
method alone pays for memory that a model would have allocated anyway. With glibc, set MALLOC_MMAP_MAX_=0 and
MALLOC_TRIM_THRESHOLD_=8000000000 for the same reason. It takes about ten minutes.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from funcvision.functional._conv import xla
from funcvision.functional._conv.cpu import kernel_rows, winograd
from funcvision.functional._conv.cpu.cost_model import SIZES, Costs, terms
from funcvision.functional._conv.geometry import Geometry

from .harness import CLOCK

CHANNELS = 32, 64, 128, 256, 512
GRID = [
    (n, size, channels, out)
    for n, size, channels, out in itertools.product((1, 8, 64), (4, 7, 14, 28, 56, 112), CHANNELS, CHANNELS)
    if 1e8 <= 18 * n * size**2 * channels * out <= 4e9 and channels <= out
]


def main(rounds: int = 7) -> None:
    """Measures, fits and prints, for the value and for the gradient with respect to the weight."""
    for title, programs in (("value", _values), ("weight_gradient", _weight_gradients)):
        times = np.array([_measured(programs(*shape), rounds) for shape in tqdm(GRID, desc=title)])
        features = np.array([[_features(*shape, size) for shape in GRID] for size in SIZES])
        costs = Costs(*(tuple(_fitted(features[i], times[:, i])) for i in range(len(SIZES))))
        print(f"\n{title}")
        for method, fitted in costs._asdict().items():
            print(f"  {method:10} {', '.join(f'{1e6 * cost:.3g}' for cost in fitted)}")
        choices = [SIZES.index(costs.tile_size(n, c, o, _geometry(size))) for n, size, c, o in GRID]
        chosen = np.take_along_axis(times, np.array(choices)[:, None], axis=1)[:, 0]
        for what, ratio in (("direct", chosen / times[:, 0]), ("the fastest", chosen / times.min(1))):
            print(f"  chosen / {what:14} geometric mean {np.exp(np.log(ratio).mean()):.3f}, at most {ratio.max():.2f}")


def _features(n: int, size: int, channels: int, out: int, tile: int) -> np.ndarray:
    """The cost terms of a program: of one convolution from `channels` to `out`, and of one back to `channels`."""
    pixels = n * (-(-size // tile)) ** 2
    return np.add(terms(pixels, channels, out), terms(pixels, out, channels))


def _values(n: int, size: int, channels: int, out: int) -> tuple[list[Callable[..., Any]], tuple[Any, ...]]:
    geometry, a, b, x = _operands(n, size, channels, out)

    def program(method: Callable[..., jax.Array]) -> Callable[..., Any]:
        return jax.jit(lambda x, a, b: method(method(x, a, geometry=geometry), b, geometry=geometry))

    tiled = [functools.partial(winograd.value, size=size) for size in SIZES[1:]]
    return list(map(program, (xla.value, *tiled))), (x, a, b)


def _weight_gradients(n: int, size: int, channels: int, out: int) -> tuple[list[Callable[..., Any]], tuple[Any, ...]]:
    geometry, a, _, x = _operands(n, size, channels, out)

    def program(method: Callable[..., jax.Array]) -> Callable[..., Any]:
        def both(x: jax.Array, y: jax.Array) -> Any:
            first = method(x, y, geometry=geometry)
            return first, method(y, x + first[0, 0, 0, 0], geometry=geometry)  # waits for the first

        return jax.jit(both)

    y = xla.value(x, a, geometry=geometry)
    tiled = [functools.partial(winograd.weight_gradient, size=size) for size in SIZES[1:]]
    return list(map(program, (kernel_rows.weight_gradient, *tiled))), (x, y)


def _operands(n: int, size: int, channels: int, out: int) -> tuple[Geometry, jax.Array, jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    shapes = (3, 3, channels, out), (3, 3, out, channels), (n, size, size, channels)
    a, b, x = (jnp.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes)
    return _geometry(size), a, b, x


def _geometry(size: int) -> Geometry:
    return Geometry((size, size), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)


def _measured(work: tuple[list[Callable[..., Any]], tuple[Any, ...]], rounds: int) -> list[float]:
    """Median milliseconds of each program. The programs run in turn, in random order."""
    programs, operands = work
    times = np.empty((rounds + 1, len(programs)))
    for turn in range(rounds + 1):
        for i in np.random.default_rng(turn).permutation(len(programs)):
            start = CLOCK()
            jax.block_until_ready(programs[i](*operands))
            times[turn, i] = 1000 * (CLOCK() - start)
    return list(np.median(times[1:], axis=0))  # the first round compiles, so it is left out


def _fitted(features: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The non-negative costs with the least squares of relative errors."""
    kept = np.ones(features.shape[1], bool)
    while True:
        costs = np.zeros(len(kept))
        costs[kept] = np.linalg.lstsq(features[:, kept] / times[:, None], np.ones(len(times)))[0]
        if (costs >= 0).all():
            return costs
        kept[costs.argmin()] = False
