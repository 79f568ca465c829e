"""Functions that draw random numbers. They take a `key` or a `generator`; else they use the default generator."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import as_array
from ._draws import DrawingMethods, within_bounds
from ._lift import lift
from ._limits import fitted
from ._shapes import as_shape
from .creation import creates, made
from .dtypes import canonical, default_dtype
from .random import Generator, key_for
from .tensor import Tensor

__all__ = [
    "bernoulli", "binomial", "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm",
]  # fmt: skip

Size = int | Sequence[int]
Key = jax.Array | None


def _uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jax.random.uniform(key, shape, dtype)


def _normals(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jax.random.normal(key, shape, dtype)


# A lifted function of small shapes compiles nothing in its first calls.
_lifted_uniform, _lifted_normals = lift(_uniform), lift(_normals)


def _drawn(
    draw: Callable[..., Tensor], size: tuple[Size, ...], dtype: Any, key: jax.Array, device: Any, requires_grad: bool
) -> Tensor:
    return made(draw(key, as_shape(size), canonical(dtype or default_dtype())).array, device, requires_grad)


@creates
def rand(
    *size: Size, dtype: Any = None, device: Any = None, key: Key = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _drawn(_lifted_uniform, size, dtype, key_for(key, generator), device, requires_grad)


@creates
def randn(
    *size: Size, dtype: Any = None, device: Any = None, key: Key = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal random numbers."""
    return _drawn(_lifted_normals, size, dtype, key_for(key, generator), device, requires_grad)


@creates
def rand_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, key: Key = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`rand` with the shape and by default the dtype and device of `input`."""
    place = input.device if device is None else device
    return rand(
        input.shape, dtype=dtype or input.dtype, device=place, key=key, generator=generator, requires_grad=requires_grad
    )


@creates
def randn_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, key: Key = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`randn` with the shape and by default the dtype and device of `input`."""
    place = input.device if device is None else device
    return randn(
        input.shape, dtype=dtype or input.dtype, device=place, key=key, generator=generator, requires_grad=requires_grad
    )


@creates
def randint(
    low: int = 0, high: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None, key: Key = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:
    """Random integers from `low` to `high`, which is not included. `randint(high, size)` starts at 0.

    Raises:
        RuntimeError: there is no integer in this range.
    """
    if size is None:  # randint(high, size)
        low, high, size = (0, low, high) if high is not None else (0, low, ())
    if high is None:
        low, high = 0, low
    if low >= high:
        raise RuntimeError(f"randint draws from low to high - 1; got low={low} and high={high}")
    wanted = canonical(dtype or int)
    drawn_as = wanted if wanted.kind in "iu" else canonical(int)
    numbers = jax.random.randint(key_for(key, generator), as_shape((size,)), low, high, drawn_as)
    return made(numbers.astype(wanted), device, requires_grad)


@creates
def randint_like(
    input: Tensor, low: int = 0, high: int | None = None, *, dtype: Any = None, device: Any = None, key: Key = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:
    """`randint` with the shape and by default the dtype and device of `input`. `randint_like(x, high)` starts at 0."""
    low, high = (0, low) if high is None else (low, high)
    return randint(
        low, high, input.shape, dtype=dtype or input.dtype, device=input.device if device is None else device, key=key,
        generator=generator, requires_grad=requires_grad,
    )  # fmt: skip


@creates
def randperm(
    n: int, *, dtype: Any = None, device: Any = None, key: Key = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers from 0 to `n - 1` in random order."""
    bits = np.asarray(jax.random.key_data(key_for(key, generator)))  # numpy shuffles: no length has to be compiled
    order = np.random.default_rng(bits.tolist()).permutation(n)
    return made(fitted(order.astype(canonical(dtype or int))), device, requires_grad)


def _normal(key: jax.Array, mean: Any, std: Any) -> jax.Array:
    mean, std = jnp.asarray(mean), jnp.asarray(std)
    dtype = mean.dtype if not jax.typeof(mean).weak_type else std.dtype
    shape: Any = jnp.broadcast_shapes(mean.shape, std.shape)
    mean, std = (jnp.broadcast_to(x.astype(dtype), shape) for x in (mean, std))
    return mean + std * jax.random.normal(key, shape, dtype)


_lifted_normal = lift(_normal, numbers=True)


@creates
def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, dtype: Any = None, device: Any = None, key: Key = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers. Means and standard deviations are Tensors, or numbers together with `size`."""
    if (std < 0) if isinstance(std, float | int) else bool((as_array(std) < 0).any()):
        raise RuntimeError(f"normal takes standard deviations of at least 0; got {std}")
    drawn = key_for(key, generator)
    if size is None:
        return _lifted_normal(drawn, mean, std).detach()
    wanted = canonical(dtype or default_dtype())
    return made(mean + std * jax.random.normal(drawn, as_shape((size,)), wanted), device, requires_grad)


bernoulli, multinomial = creates(DrawingMethods.bernoulli), creates(DrawingMethods.multinomial)


@creates
def poisson(input: Tensor, *, key: Key = None, generator: Generator | None = None) -> Tensor:
    """Random counts of Poisson distributions with the rates in `input`."""
    rates = as_array(input)
    return made(jax.random.poisson(key_for(key, generator), rates).astype(rates.dtype))


@creates
def binomial(count: Tensor, prob: Tensor, *, key: Key = None, generator: Generator | None = None) -> Tensor:
    """Random counts of successes in `count` trials with probability `prob`."""
    trials, chance = as_array(count), as_array(prob)
    within_bounds("binomial", chance)
    shape = jnp.broadcast_shapes(trials.shape, chance.shape)
    trials, chance = jnp.broadcast_to(trials, shape), jnp.broadcast_to(chance, shape)
    return made(jax.random.binomial(key_for(key, generator), trials, chance).astype(trials.dtype))
