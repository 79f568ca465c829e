"""Resampling of one axis of a jax array: gathers of one tap of all outputs at a time, added up.

XLA fuses a gather, the product and the sum. The result costs outputs times taps, needs no memory besides, and on a CPU
takes a tenth of the time of a product with a matrix. A NaN stays in the windows that it lies in.

Autodiff would make the gradient a scatter, which takes some fifty times as long on a CPU. But the transpose of taps is
taps again: for each input, the outputs that it is a tap of. To say so takes a primitive, because forward mode, reverse
mode and `vmap` shall all work.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["gathered", "resample_static"]


def gathered(x: jax.Array, index: Any, weight: Any, *, axis: int) -> jax.Array:
    """The sums along `axis` of `weight` [out, taps] times the elements at `index` [out, taps], in weight's dtype."""
    shape = tuple(len(index) if a == axis else 1 for a in range(x.ndim))
    index, weight = jnp.asarray(index).T, jnp.asarray(weight).T

    def weighted(index: Any, weight: Any) -> jax.Array:
        element = jnp.take(x, index, axis, mode="clip", indices_are_sorted=True)
        return element.astype(weight.dtype) * weight.reshape(shape)

    # A loop over blocks of eight taps. The hundreds of taps of a strong reduction, written out, compile for a minute.
    first = weighted(index[0], weight[0])
    return lax.scan(lambda y, tap: (y + weighted(*tap), None), first, (index[1:], weight[1:]), unroll=8)[0]


def resample_static(x: jax.Array, axis: int, index: np.ndarray, weight: np.ndarray) -> jax.Array:
    """As `gathered`, differentiable with respect to `x` without a scatter; the taps are known while tracing."""
    weight = weight.astype(x.dtype)
    return _resample.bind(x, index, weight, *_transposed(index, weight, x.shape[axis]), axis=axis)


def _transposed(index: np.ndarray, weight: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Index and weight, [size, outputs per input]: for each input, the outputs that it is a tap of.

    Inputs with fewer outputs than others repeat their last one, with weight 0.
    """
    taps = index.shape[1]
    used = np.flatnonzero(weight)
    used = used[np.argsort(index.reshape(-1)[used], kind="stable")]
    ends = np.searchsorted(index.reshape(-1)[used], np.arange(size + 1))
    counts = np.diff(ends)
    column = np.arange(max(counts.max(), 1))
    entry = used[np.minimum(ends[:-1, None] + np.minimum(column, np.maximum(counts - 1, 0)[:, None]), len(used) - 1)]
    values = np.where(column < counts[:, None], weight.reshape(-1)[entry], 0).astype(weight.dtype)
    return (entry // taps).astype(index.dtype), values


_resample = Primitive("resample")
"""Operands: the image, index and weight of the taps, index and weight of the transposed taps. It is linear in the
first; the others have no gradient."""


def _forward(x: Any, index: Any, weight: Any, back_index: Any, back_weight: Any, *, axis: int) -> jax.Array:
    return gathered(x, index, weight, axis=axis)


def _shape(x: Any, index: Any, weight: Any, back_index: Any, back_weight: Any, *, axis: int) -> Any:
    return x.update(shape=(*x.shape[:axis], index.shape[0], *x.shape[axis + 1 :]), weak_type=False)


def _batched(operands: Any, axes: Any, *, axis: int) -> Any:
    if any(batched is not None for batched in axes[1:]):
        raise NotImplementedError("resampling does not vectorise over static taps")
    return _resample.bind(jnp.moveaxis(operands[0], axes[0], 0), *operands[1:], axis=axis + 1), 0


def _jvp(primals: Any, tangents: Any, *, axis: int) -> Any:
    tangent = ad.instantiate_zeros(tangents[0])
    return _resample.bind(*primals, axis=axis), _resample.bind(tangent, *primals[1:], axis=axis)


def _transpose(cotangent: Any, x: Any, index: Any, weight: Any, back_index: Any, back_weight: Any, *, axis: int) -> Any:
    cotangent = ad.instantiate_zeros(cotangent)
    return _resample.bind(cotangent, back_index, back_weight, index, weight, axis=axis), None, None, None, None


@functools.lru_cache(64)
def _compiled(axis: int) -> Any:
    return jax.jit(functools.partial(_forward, axis=axis))


_resample.def_abstract_eval(_shape)
_resample.def_impl(lambda *operands, axis: _compiled(axis)(*operands))
mlir.register_lowering(_resample, mlir.lower_fun(_forward, multiple_results=False))
batching.primitive_batchers[_resample] = _batched
ad.primitive_jvps[_resample] = _jvp
ad.primitive_transposes[_resample] = _transpose
