"""Functions of matrices by torch's older names, as methods of `Tensor`: `x.cholesky()`, `x.svd()`, `x.logdet()`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from . import _decompositions as decompositions
from ._base import TensorBase
from ._decompositions import Factors, Packed, adjoint, triangular
from ._lift import lift
from ._named import named
from .linalg import checked, det, inv, matrix_exp, matrix_power, slogdet

__all__ = ["MatrixMethods", "lu_unpack"]


class Decomposition(NamedTuple):
    """The factors of a singular value decomposition, with V not transposed."""

    U: Any
    S: Any
    V: Any


class Reflectors(NamedTuple):
    """R above the diagonal and the vectors of Householder reflectors below it, and the factors of these."""

    a: Any
    tau: Any


class Solution(NamedTuple):
    """The solution and a copy of the matrices."""

    solution: Any
    cloned_coefficient: Any


class Unpacked(NamedTuple):
    """The factors of an LU decomposition."""

    P: Any
    L: Any
    U: Any


def cholesky(input: jax.Array, upper: bool = False) -> jax.Array:
    """The lower Cholesky factor of Hermitian positive matrices, or the upper one."""
    return decompositions.cholesky(input, upper)


def cholesky_solve(input: jax.Array, L: jax.Array, upper: bool = False) -> jax.Array:
    """The solution `x` of `a @ x = input`, from the Cholesky factor of `a`."""
    first, second = ("H", "") if upper else ("", "H")
    halfway = triangular(L, input, upper=upper, turned=first)
    return triangular(L, halfway, upper=upper, turned=second)


def cholesky_inverse(input: jax.Array, upper: bool = False) -> jax.Array:
    """The inverse of Hermitian positive matrices, from their Cholesky factor."""
    return cholesky_solve(decompositions.identity(input, *input.shape[-2:]), input, upper)


def logdet(input: jax.Array) -> jax.Array:
    """The logarithm of the determinant of square matrices, which is NaN if that is negative."""
    return decompositions.logdet(input)


def qr(input: jax.Array, some: bool = True) -> Factors:
    """Q and R, the reduced ones or the complete ones."""
    return decompositions.qr(input, "reduced" if some else "complete")


def svd(input: jax.Array, some: bool = True, compute_uv: bool = True) -> Decomposition:
    """U, S and V, the reduced ones or the complete ones. Without `compute_uv` U and V are zeros."""
    if not compute_uv:
        *batch, rows, columns = input.shape
        zeros = (jnp.zeros((*batch, size, size), input.dtype) for size in (rows, columns))
        values = jnp.linalg.svd(input, compute_uv=False)
        return Decomposition(next(zeros), values, next(zeros))
    u, s, vh = decompositions.svd(input, not some)
    return Decomposition(u, s, adjoint(vh))


def pinverse(input: jax.Array, rcond: float = 1e-15) -> jax.Array:
    """The pseudo-inverse. Singular values up to `rcond` times the largest count as 0."""
    decompositions.require_floats("pinverse", input)
    return decompositions.pinv(input, 0.0, rcond)


def geqrf(input: jax.Array) -> Reflectors:
    """The QR decomposition in its compact form."""
    decompositions.require_floats("geqrf", input)
    reflectors, tau = jnp.linalg.qr(input, "raw")
    return Reflectors(jnp.swapaxes(reflectors, -1, -2), tau)


def orgqr(input: jax.Array, input2: jax.Array) -> jax.Array:
    """The matrix Q out of the compact form of a QR decomposition."""
    return decompositions.apply_reflectors(input, input2, input.shape[-1])


def ormqr(
    input: jax.Array, input2: jax.Array, input3: jax.Array, left: bool = True, transpose: bool = False
) -> jax.Array:
    """The product of Q, out of the compact form of a QR decomposition, and another matrix `input3`."""
    q = decompositions.apply_reflectors(input, input2, input.shape[-2])
    q = adjoint(q) if transpose else q
    return q @ input3 if left else input3 @ q


def triangular_solve(
    input: jax.Array, A: jax.Array, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Solution:
    """The solution `x` of `A @ x = input` with triangular matrices, and a copy of these."""
    turned = "T" if transpose else ""
    return Solution(triangular(A, input, upper=upper, unitriangular=unitriangular, turned=turned), A)


def lu(input: jax.Array, pivot: bool = True, get_infos: bool = False) -> Any:
    """The LU decomposition in one matrix, the swapped rows and, if asked for, zeros for success."""
    if not pivot:
        raise RuntimeError("lu pivots on every device; pivot=False is not supported")
    packed = decompositions.factor(input)
    return (*packed, jnp.zeros(input.shape[:-2], jnp.int32)) if get_infos else Packed(*packed)


def lu_solve(input: jax.Array, LU_data: jax.Array, LU_pivots: jax.Array) -> jax.Array:
    """The solution `x` of `a @ x = input`, from the LU decomposition of `a`."""
    order = decompositions.permutation(LU_pivots, LU_data.shape[-1])
    b = jnp.broadcast_to(input, (*jnp.broadcast_shapes(input.shape[:-2], LU_data.shape[:-2]), *input.shape[-2:]))
    rows = jnp.take_along_axis(b, jnp.broadcast_to(order[..., None], b.shape), -2)
    halfway = triangular(LU_data, rows, upper=False, unitriangular=True)
    return triangular(LU_data, halfway, upper=True)


def unpacked(
    LU_data: jax.Array, LU_pivots: jax.Array, unpack_data: bool = True, unpack_pivots: bool = True
) -> Unpacked:
    """The permutation and the two triangular factors, out of an LU decomposition in one matrix."""
    rows, columns = LU_data.shape[-2:]
    count, empty = min(rows, columns), jnp.zeros(0, LU_data.dtype)
    lower = upper = order = empty
    if unpack_data:
        lower = jnp.tril(LU_data[..., :, :count], -1) + decompositions.identity(LU_data, rows, count)
        upper = jnp.triu(LU_data[..., :count, :])
    if unpack_pivots:
        places = decompositions.permutation(LU_pivots, rows)
        order = jnp.swapaxes(jax.nn.one_hot(places, rows, dtype=LU_data.dtype), -1, -2)
    return Unpacked(order, lower, upper)



lu_unpack = named(unpacked, "lu_unpack")


class MatrixMethods(TensorBase):
    """Functions of matrices as methods."""

    __slots__ = ()

    cholesky = checked(lift(cholesky), "cholesky: a matrix is not positive definite")
    cholesky_solve, cholesky_inverse, logdet, qr, svd = map(lift, (cholesky_solve, cholesky_inverse, logdet, qr, svd))
    pinverse, geqrf, orgqr, ormqr = map(lift, (pinverse, geqrf, orgqr, ormqr))
    triangular_solve, lu, lu_solve = map(lift, (triangular_solve, lu, lu_solve))
    det, slogdet, inverse, matrix_exp, matrix_power = det, slogdet, inv, matrix_exp, matrix_power
