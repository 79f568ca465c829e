"""The initial values of a layer, drawn on the host.

`funcvision.nn` draws the values of a whole model in one compiled program. A layer of the eager face is made alone, and
nearly every layer has shapes of its own. So numpy draws its values, because nothing has to be compiled for that.
"""

import functools
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ... import nn as pure
from ...functional._precision import accumulation_dtype
from .._tiered import on_device

__all__ = ["initial_value", "initial_values"]


def initial_values(layer: pure.Module, key: jax.Array, dtype: Any) -> dict[str, jax.Array]:
    """The initial parameters and buffers of a layer, by name, in torch's axis order.

    Args:
        layer: the description.
        key: the random key. Equal keys give equal values.
        dtype: the dtype of the parameters.
    """
    declared = layer.declarations()
    if isinstance(key, Tracer):
        params, state = layer.init(key, dtype=dtype)
        arrays = {**params, **state}
        return {name: array.transpose(np.argsort(declared[name].axes)) for name, array in arrays.items()}
    generator = _generator(key)
    arrays = {}
    for number, (name, declaration) in enumerate(declared.items()):
        wanted = declaration.shape, declaration.dtype_for(dtype)
        value = _on_host(declaration.init, generator, *wanted)
        arrays[name] = declaration.init(jax.random.fold_in(key, number), *wanted) if value is None else value
    return arrays


def initial_value(init: pure.init.Initializer, key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """The value that an initialiser gives an array of torch's axis order. Equal keys give equal values."""
    value = None if isinstance(key, Tracer) else _on_host(init, _generator(key), shape, np.dtype(dtype))
    return _compiled(init, key, shape, dtype) if value is None else value


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def _compiled(init: pure.init.Initializer, key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return init(key, shape, dtype)


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.asarray(jax.random.key_data(key)).tolist()))


def _on_host(
    init: pure.init.Initializer, generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype
) -> jax.Array | None:
    """The value if it is constant, or maps standard draws element by element; else None."""
    if isinstance(init, pure.init.constant):
        return on_device(np.full(shape, init.value, dtype))
    if isinstance(init, pure.init.Elementwise):
        noise: Any = _noise(init.noise, generator, shape, accumulation_dtype(dtype))
        return on_device(np.asarray(init.scale(noise, shape)).astype(dtype, copy=False))
    return None


def _noise(
    noise: pure.init.Noise, generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """Standard draws: normal ones, or uniform ones between -1 and 1, both not included."""
    kind, spacing = (np.float64, 2.0**-53) if dtype == np.float64 else (np.float32, 2.0**-24)
    if noise == "normal":
        return generator.standard_normal(shape, kind)
    uniform = generator.random(shape, kind)  # multiples of `spacing`, 0 included and 1 not
    uniform *= 2
    uniform -= 1
    uniform += kind(spacing)
    return uniform
