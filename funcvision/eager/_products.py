"""Products of vectors, matrices and tensors, with torch's rules for shapes and dtypes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._elementwise import together
from ._lift import lift
from ._limits import fitting
from ._named import named
from ._norms import vector_norm

__all__ = ["ProductMethods", "cdist", "chain_matmul", "cross", "einsum", "multi_dot", "tensordot", "vecdot"]


def require(function: str, *arrays: jax.Array, ndim: int | None = None) -> None:
    """Checks that arrays have one dtype and, if given, this number of axes.

    Raises:
        RuntimeError: they have not.
    """
    if ndim is not None and any(array.ndim != ndim for array in arrays):
        raise RuntimeError(f"{function} takes arrays with {ndim} axes; got shapes {[a.shape for a in arrays]}")
    if len({array.dtype for array in arrays}) > 1:
        raise RuntimeError(
            f"{function} takes arrays of one dtype; got {[str(array.dtype) for array in arrays]}: convert by .to(dtype)"
        )


def matmul(x: jax.Array, y: jax.Array) -> jax.Array:
    """The matrix product.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    inner = y.shape[-2] if y.ndim > 1 else y.shape[-1]
    if x.shape[-1] != inner:
        raise RuntimeError(f"shapes {x.shape} and {y.shape} cannot be multiplied: {x.shape[-1]} is not {inner}")
    return jnp.matmul(x, y)


# Two arrays


def dot(input: jax.Array, tensor: jax.Array) -> jax.Array:
    """The sum of the products of two vectors of one length."""
    require("dot", input, tensor, ndim=1)
    return matmul(input, tensor)


def vdot(input: jax.Array, other: jax.Array) -> jax.Array:
    """`dot` with the first vector conjugated."""
    require("vdot", input, other, ndim=1)
    return matmul(jnp.conj(input), other)


def inner(input: jax.Array, other: jax.Array) -> jax.Array:
    """The products of all vectors in the last axis of both arrays. A number multiplies."""
    require("inner", input, other)
    if not input.ndim or not other.ndim:
        return jnp.multiply(*together(input, other))
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner takes arrays with last axes of one size; got shapes {input.shape} and {other.shape}")
    return jnp.inner(input, other)


def outer(input: jax.Array, vec2: jax.Array) -> jax.Array:
    """The matrix of all products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer takes two vectors; got shapes {input.shape} and {vec2.shape}")
    return jnp.multiply(*together(input[:, None], vec2[None]))


def mv(input: jax.Array, vec: jax.Array) -> jax.Array:
    """The product of a matrix and a vector."""
    require("mv", input, vec)
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"mv takes a matrix and a vector; got shapes {input.shape} and {vec.shape}")
    return matmul(input, vec)


def mm(input: jax.Array, mat2: jax.Array) -> jax.Array:
    """The product of two matrices."""
    require("mm", input, mat2, ndim=2)
    return matmul(input, mat2)


def bmm(input: jax.Array, mat2: jax.Array) -> jax.Array:
    """The products of two batches of matrices."""
    require("bmm", input, mat2, ndim=3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm takes batches of one size; got shapes {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def kron(input: jax.Array, other: jax.Array) -> jax.Array:
    """The Kronecker product."""
    is_bool = input.dtype == other.dtype == jnp.bool_
    x, y = (array.astype(jnp.uint8) if is_bool else array for array in (input, other))
    with jax.numpy_dtype_promotion("standard"):
        result = jnp.kron(x, y)
    return result.astype(jnp.bool_) if is_bool else result


def _tensordot(a: jax.Array, b: jax.Array, dims: Any = 2) -> jax.Array:
    """The sum of products over the last `dims` axes of `a` and the first of `b`, or over given axes of both."""
    require("tensordot", a, b)
    return jnp.tensordot(a, b, dims if isinstance(dims, int) else tuple(map(_as_tuple, dims)))


def _as_tuple(axes: Any) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(axes)


def _cross(input: jax.Array, other: jax.Array, *, dim: int = -1) -> jax.Array:
    """The cross product of vectors in an axis of size 3."""
    require("cross", input, other)
    x, y = together(input, other)
    if x.shape[dim] != 3 or input.ndim != other.ndim:
        raise RuntimeError(f"cross takes vectors of 3 elements in axis {dim}; got {input.shape} and {other.shape}")
    return jnp.cross(x, y, axis=dim)


def _cross_in_any_axis(input: jax.Array, other: jax.Array, dim: int | None = None) -> jax.Array:
    """The cross product of vectors in an axis of size 3, by default the first such axis."""
    axes = [axis for axis, size in enumerate(jnp.broadcast_shapes(input.shape, other.shape)) if size == 3]
    if dim is None and not axes:
        raise RuntimeError(f"cross takes vectors of 3 elements; got shapes {input.shape} and {other.shape}")
    return _cross(input, other, dim=axes[0] - max(input.ndim, other.ndim) if dim is None else dim)


def _vecdot(x: jax.Array, y: jax.Array, *, dim: int = -1) -> jax.Array:
    """The sums of the products of vectors in an axis, those of the first array conjugated."""
    require("vecdot", x, y)
    x, y = together(x, y)
    return jnp.sum(jnp.conj(x) * y, dim, dtype=x.dtype)


def _cdist(
    x1: jax.Array, x2: jax.Array, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> jax.Array:
    """The p-norms of the differences of each vector of `x1` and each of `x2`.

    Args:
        x1: [..., n, features].
        x2: [..., m, features].
        p: 0 or more.
        compute_mode: is accepted. Differences are computed in any case.

    Returns:
        [..., n, m].
    """
    require("cdist", x1, x2)
    if not jnp.issubdtype(x1.dtype, jnp.floating):
        raise RuntimeError(f"cdist takes floating-point numbers; got {x1.dtype}: call .float() first")
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1] or p < 0:
        raise RuntimeError(f"cdist takes matrices of vectors of one length and p >= 0; got {x1.shape}, {x2.shape}, {p}")
    x, y = together(x1[..., :, None, :], x2[..., None, :, :])
    return vector_norm(x - y, float(p), -1, False) if x.shape[-1] else jnp.zeros(x.shape[:-1], x.dtype)


# Sums of a product and another array


def _plus(function: str, input: jax.Array, product: jax.Array, beta: Any, alpha: Any) -> jax.Array:
    """`beta * input + alpha * product`. With beta=0 the input does not count, even if it is NaN."""
    if input.dtype != product.dtype:
        raise RuntimeError(f"{function} takes arrays of one dtype; got {input.dtype} and {product.dtype}")
    whole = not jnp.issubdtype(product.dtype, jnp.inexact)
    if whole and (isinstance(beta, float) or isinstance(alpha, float)):
        raise RuntimeError(f"{function} of integers takes integers as beta and alpha; got {beta} and {alpha}")
    if len(input.shape) > len(product.shape):
        raise RuntimeError(f"{function}: shape {input.shape} is not broadcast to {product.shape}")
    scaled = product if alpha == 1 else product * jnp.asarray(alpha, product.dtype)
    if beta == 0:
        return scaled
    return jnp.broadcast_to(input, product.shape) * jnp.asarray(beta, product.dtype) + scaled


def addmm(input: jax.Array, mat1: jax.Array, mat2: jax.Array, *, beta: Any = 1, alpha: Any = 1) -> jax.Array:
    """`beta * input + alpha * mat1 @ mat2` of matrices."""
    return _plus("addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: jax.Array, mat: jax.Array, vec: jax.Array, *, beta: Any = 1, alpha: Any = 1) -> jax.Array:
    """`beta * input + alpha * mat @ vec` of a matrix and a vector."""
    return _plus("addmv", input, mv(mat, vec), beta, alpha)


def addr(input: jax.Array, vec1: jax.Array, vec2: jax.Array, *, beta: Any = 1, alpha: Any = 1) -> jax.Array:
    """`beta * input + alpha * outer(vec1, vec2)` of two vectors."""
    return _plus("addr", input, outer(vec1, vec2), beta, alpha)


def addbmm(input: jax.Array, batch1: jax.Array, batch2: jax.Array, *, beta: Any = 1, alpha: Any = 1) -> jax.Array:
    """`beta * input + alpha * (batch1 @ batch2)`, the products summed over the batch."""
    product = jnp.sum(bmm(batch1, batch2), 0, dtype=batch1.dtype)
    return _plus("addbmm", input, product, beta, alpha)


def baddbmm(input: jax.Array, batch1: jax.Array, batch2: jax.Array, *, beta: Any = 1, alpha: Any = 1) -> jax.Array:
    """`beta * input + alpha * batch1 @ batch2` of batches of matrices."""
    return _plus("baddbmm", input, bmm(batch1, batch2), beta, alpha)


# Several arrays


def _einsum(*args: Any) -> jax.Array:
    """A sum of products in Einstein's notation: `einsum("ij,jk->ik", x, y)`, or `einsum(x, [0, 1], y, [1, 2], [0, 2])`.

    Raises:
        RuntimeError: the arrays have several dtypes, or the equation does not fit them.
    """
    if not isinstance(args[0], str):
        return _einsum_of_lists(*args)
    equation, operands = args[0].replace(" ", ""), args[1:]
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    require("einsum", *operands)
    try:
        return jnp.einsum(equation, *operands)
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"einsum {equation!r} of shapes {[x.shape for x in operands]}: {error}") from None


def _einsum_of_lists(*args: Any) -> jax.Array:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def term(axes: Sequence[Any]) -> str:
        return "".join("..." if axis is Ellipsis else letters[axis] for axis in axes)

    operands, terms = args[0 : len(args) // 2 * 2 : 2], args[1::2]
    result = "->" + term(args[-1]) if len(args) % 2 else ""
    return _einsum(",".join(map(term, terms)) + result, *operands)


def _multi_dot(tensors: Sequence[jax.Array]) -> jax.Array:
    """The product of matrices, in the order with the fewest multiplications. The first and last may be vectors."""
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot takes two arrays or more; got {len(tensors)}")
    require("multi_dot", *tensors)
    return jnp.linalg.multi_dot(list(tensors))


def _chain_matmul(*matrices: jax.Array) -> jax.Array:
    """The product of matrices, in the order with the fewest multiplications."""
    require("chain_matmul", *matrices, ndim=2)
    return matrices[0] if len(matrices) == 1 else _multi_dot(matrices)



einsum, cdist = named(_einsum, "einsum"), named(_cdist, "cdist")
tensordot = fitting(named(_tensordot, "tensordot"), np.tensordot)
multi_dot, chain_matmul = named(_multi_dot, "multi_dot"), named(_chain_matmul, "chain_matmul")
cross, vecdot = named(_cross, "cross"), named(_vecdot, "vecdot")


class ProductMethods(TensorBase):
    """Products as methods."""

    __slots__ = ()

    dot, vdot, mv, mm, bmm = (fitting(lift(function), np.matmul) for function in (dot, vdot, mv, mm, bmm))
    inner, outer, kron = fitting(lift(inner), np.inner), fitting(lift(outer), np.outer), fitting(lift(kron), np.kron)
    ger = outer
    addmm, addmv, addr, addbmm, baddbmm = map(lift, (addmm, addmv, addr, addbmm, baddbmm))
    cross = named(_cross_in_any_axis, "cross")
