"""Fits the costs in `funcvision/functional/_conv/cpu/cost_model.py` to measured times of 3x3 convolutions.

    python -m benchmarks conv_cost

Measures Winograd's method on a grid of shapes, and the method that is used otherwise: XLA's convolution for the value,
and one matrix product for each row of the kernel for the gradient with respect to the weight. Prints the costs that fit
best and are to replace those in the file. Also prints how much slower a choice by these costs is than always choosing
the faster method.

Everything runs in one process, because XLA compiles both methods. Each program has two convolutions, so that neither
method alone pays for memory that a model would have allocated anyway. It takes about six minutes.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from funcvision.functional._conv import xla
from funcvision.functional._conv.cpu import kernel_rows, winograd
from funcvision.functional._conv.cpu.cost_model import Costs, terms
from funcvision.functional._conv.geometry import Geometry

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
        features = np.array([[_features(*shape, tiles) for shape in GRID] for tiles in (False, True)])
        costs = Costs(*(_fitted(features[i], times[:, i]) for i in range(2)))
        print(f"\n{title}")
        for method, fitted in zip(("direct", "winograd"), costs, strict=False):
            print(f"  {method:10} {', '.join(f'{1e6 * cost:.3g}' for cost in fitted)}")
        choices = [costs.prefer_winograd(n, c, o, _geometry(size)) for n, size, c, o in GRID]
        chosen = np.take_along_axis(times, np.array(choices, int)[:, None], axis=1)[:, 0]
        for what, ratio in (("direct", chosen / times[:, 0]), ("the faster one", chosen / times.min(1))):
            print(f"  chosen / {what:14} geometric mean {np.exp(np.log(ratio).mean()):.3f}, at most {ratio.max():.2f}")


def _features(n: int, size: int, channels: int, out: int, tiles: bool) -> np.ndarray:
    """The cost terms of a program: of one convolution from `channels` to `out`, and of one back to `channels`."""
    pixels = n * (-(-size // 2)) ** 2 if tiles else n * size**2
    return np.add(terms(pixels, channels, out), terms(pixels, out, channels))


def _values(n: int, size: int, channels: int, out: int) -> tuple[list[Callable[..., Any]], tuple[Any, ...]]:
    geometry, a, b, x = _operands(n, size, channels, out)

    def program(method: Callable[..., jax.Array]) -> Callable[..., Any]:
        return jax.jit(lambda x, a, b: method(method(x, a, geometry=geometry), b, geometry=geometry))

    return [program(xla.value), program(winograd.value)], (x, a, b)


def _weight_gradients(n: int, size: int, channels: int, out: int) -> tuple[list[Callable[..., Any]], tuple[Any, ...]]:
    geometry, a, _, x = _operands(n, size, channels, out)

    def program(method: Callable[..., jax.Array]) -> Callable[..., Any]:
        def both(x: jax.Array, y: jax.Array) -> Any:
            first = method(x, y, geometry=geometry)
            return first, method(y, x + first[0, 0, 0, 0], geometry=geometry)  # waits for the first

        return jax.jit(both)

    y = xla.value(x, a, geometry=geometry)
    return [program(kernel_rows.weight_gradient), program(winograd.weight_gradient)], (x, y)


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
            start = time.perf_counter()
            jax.block_until_ready(programs[i](*operands))
            times[turn, i] = 1000 * (time.perf_counter() - start)
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
