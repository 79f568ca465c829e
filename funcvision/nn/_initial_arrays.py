"""The initial arrays of a model.

Most of the cost is compilation, above all of random generators. So one generator makes the standard draws (uniform or
normal, without scale) of all parameters, and a second program slices and scales them. As one program, XLA would fuse
the generator into every slice and compute it again there.

How the keys are derived: `fold_in(key, 0)` and `fold_in(key, 1)` serve the first group of arrays, and
`fold_in(key, n)`, n > 1, is the key of a further group, which is split in the same way. No two uses share a key.
`jax.random.split(key)` returns the same two keys as `fold_in` with 0 and 1.
"""

import functools
import math
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from ..functional._precision import accumulation_dtype
from . import init as initializers
from ._declarations import Declaration

__all__ = ["initial_arrays"]

Wanted = tuple[tuple[Declaration, np.dtype], ...]
"""The arrays to make, each with its dtype."""
Shares = tuple[tuple[tuple[initializers.Noise, np.dtype], int], ...]
"""How many draws are needed of each kind of noise in each dtype."""
Pools = dict[tuple[str, str], jax.Array]
"""Standard draws of each kind of noise in each dtype, by their names."""

_MAX_NUMBERS_PER_GROUP = 1 << 27
"""Bounds the memory of a group: making draws takes several times the memory of the result."""


def initial_arrays(key: jax.Array, wanted: Wanted) -> list[jax.Array]:
    """Initial values in the stored axis order, made group by group."""
    arrays = []
    for number, group in enumerate(_groups(wanted)):
        group_key = jax.random.fold_in(key, number + 1) if number else key
        draws_key, own_key = jax.random.split(group_key)
        arrays += _scaled_slices(_standard_draws(draws_key, _shares(group)), own_key, group)
    return arrays


def _groups(wanted: Wanted) -> Iterator[Wanted]:
    """Consecutive arrays of at most `_MAX_NUMBERS_PER_GROUP` numbers together; a larger array is a group of its own."""
    group, size = [], 0
    for one in wanted:
        count = math.prod(one[0].shape)
        if group and size + count > _MAX_NUMBERS_PER_GROUP:
            yield tuple(group)
            group, size = [], 0
        group.append(one)
        size += count
    yield tuple(group)


def _shares(wanted: Iterable[tuple[Declaration, np.dtype]]) -> Shares:
    """How many standard draws the elementwise initialisers need."""
    shares: dict[tuple[initializers.Noise, np.dtype], int] = {}
    for declaration, dtype in wanted:
        if isinstance(declaration.init, initializers.Elementwise):
            share = declaration.init.noise, accumulation_dtype(dtype)
            shares[share] = shares.get(share, 0) + math.prod(declaration.shape)
    return tuple(shares.items())


@functools.partial(jax.jit, static_argnums=1)
def _standard_draws(key: jax.Array, shares: Shares) -> Pools:
    """The draws of all shares. One generator for each dtype: normal draws are computed from uniform ones."""
    pools = {}
    for number, dtype in enumerate(dict.fromkeys(dtype for (_, dtype), _ in shares)):
        sizes: dict[initializers.Noise, int] = {noise: size for (noise, of), size in shares if of == dtype}
        drawn = initializers.draw(jax.random.fold_in(key, number), (sum(sizes.values()),), dtype)
        for noise, part in zip(sizes, jax.lax.split(drawn, list(sizes.values())), strict=True):
            pools[noise, dtype.name] = initializers.standard(noise, part)
    return pools


@functools.partial(jax.jit, static_argnums=2)
def _scaled_slices(pools: Pools, key: jax.Array, wanted: Wanted) -> list[jax.Array]:
    """The arrays: slices of the draws, scaled; initialisers that are not elementwise draw from keys of their own."""
    used = dict.fromkeys(pools, 0)
    arrays = []
    for number, (declaration, dtype) in enumerate(wanted):
        init, shape = declaration.init, declaration.shape
        if isinstance(init, initializers.Elementwise):
            pool = init.noise, accumulation_dtype(dtype).name
            start, used[pool] = used[pool], used[pool] + math.prod(shape)
            noise = jax.lax.slice(pools[pool], (start,), (used[pool],)).reshape(declaration.stored_shape)
            arrays.append(init.scale(noise, shape).astype(dtype))
        else:
            value = init(jax.random.fold_in(key, number), shape, dtype)
            arrays.append(value.transpose(declaration.axes))
    return arrays
