"""Decompositions of matrices and solvers, with torch's results, signs and derivatives. All take leading batch axes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ._elementwise import canonical, kind

__all__ = [
    "EigenPairs", "Factors", "LogDeterminant", "Packed", "Singular", "adjoint", "apply_reflectors", "cholesky", "eig",
    "eigh", "factor", "identity", "inverse", "is_vectors", "logdet", "permutation", "pinv", "qr", "rank",
    "require_floats", "require_square", "slogdet", "solve", "svd", "triangular",
]  # fmt: skip


class Factors(NamedTuple):
    """The factors of a QR decomposition."""

    Q: Any
    R: Any


class Singular(NamedTuple):
    """The factors of a singular value decomposition."""

    U: Any
    S: Any
    Vh: Any


class EigenPairs(NamedTuple):
    """Eigenvalues, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class LogDeterminant(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


class Packed(NamedTuple):
    """The factors of an LU decomposition in one matrix, and the rows that were swapped, counted from 1."""

    LU: Any
    pivots: Any


def require_floats(function: str, x: jax.Array) -> None:
    """Checks that an array has matrices of floating-point or complex numbers.

    Raises:
        RuntimeError: it has not.
    """
    if x.ndim < 2:
        raise RuntimeError(f"{function} takes matrices, with two axes or more; got shape {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(f"{function} takes floating-point or complex numbers; got {x.dtype}")


def require_square(function: str, x: jax.Array) -> None:
    """Checks that an array has square matrices.

    Raises:
        RuntimeError: it has not.
    """
    require_floats(function, x)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{function} takes square matrices; got shape {x.shape}")


def identity(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """Identity matrices with the batch axes and the dtype of `x`."""
    return jnp.broadcast_to(jnp.eye(rows, columns, dtype=x.dtype), (*x.shape[:-2], rows, columns))


def adjoint(x: jax.Array) -> jax.Array:
    """Matrices transposed and conjugated."""
    return jnp.conj(jnp.swapaxes(x, -1, -2))


# Decompositions


def qr(x: jax.Array, mode: str) -> Factors:
    """Q and R. With mode "r" only R is computed, and Q is empty."""
    require_floats("qr", x)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f'qr has the modes "reduced", "complete" and "r"; got {mode!r}')
    if mode == "r":
        return Factors(jnp.zeros(0, x.dtype), jnp.linalg.qr(x, "r"))
    return Factors(*jnp.linalg.qr(x, mode))


def svd(x: jax.Array, full_matrices: bool) -> Singular:
    """U, S and Vh. Gradients flow through the columns of U and the rows of Vh that belong to singular values."""
    require_floats("svd", x)
    thin = Singular(*jnp.linalg.svd(x, full_matrices=False))
    if not full_matrices or x.shape[-1] == x.shape[-2]:
        return thin
    whole = Singular(*jnp.linalg.svd(lax.stop_gradient(x), full_matrices=True))
    count = thin.S.shape[-1]
    left, right = whole.U[..., count:], whole.Vh[..., count:, :]
    return Singular(
        jnp.concatenate([thin.U, left], -1), thin.S, jnp.concatenate([thin.Vh, right], -2)
    )


def eigh(x: jax.Array, lower: bool) -> EigenPairs:
    """Eigenvalues in ascending order and eigenvectors of Hermitian matrices, of which one half is read."""
    require_square("eigh", x)
    vectors, values = lax.linalg.eigh(_mirrored(x, lower), symmetrize_input=False)
    return EigenPairs(values, vectors)


def _mirrored(x: jax.Array, lower: bool) -> jax.Array:
    """Hermitian matrices of which one half is given. Their gradient is not that of one half, but of the whole."""
    half, rest = (jnp.tril(x), jnp.tril(x, -1)) if lower else (jnp.triu(x), jnp.triu(x, 1))
    return x + lax.stop_gradient(half + adjoint(rest) - x)


@jax.custom_jvp
def eig(x: jax.Array) -> EigenPairs:
    """Eigenvalues and eigenvectors of length 1 of square matrices. They are complex."""
    return EigenPairs(*jnp.linalg.eig(x))


@eig.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[EigenPairs, EigenPairs]:
    (x,), (dx,) = primals, tangents
    values, vectors = eig(x)
    change = jnp.linalg.solve(vectors, dx.astype(vectors.dtype) @ vectors)
    gaps = values[..., None, :] - values[..., :, None]
    same = jnp.eye(x.shape[-1], dtype=bool)
    turned = vectors @ jnp.where(same, 0, change / jnp.where(same, 1, gaps))
    along = jnp.real(jnp.sum(jnp.conj(vectors) * turned, -2, keepdims=True)).astype(vectors.dtype)
    return EigenPairs(values, vectors), EigenPairs(
        jnp.diagonal(change, axis1=-2, axis2=-1), turned - vectors * along
    )


def cholesky(x: jax.Array, upper: bool) -> jax.Array:
    """The Cholesky factor of Hermitian matrices, of which one half is read; NaN where they are not positive."""
    require_square("cholesky", x)
    lower = lax.linalg.cholesky(_mirrored(x, not upper), symmetrize_input=True)
    return adjoint(lower) if upper else lower


def factor(x: jax.Array) -> Packed:
    """The LU decomposition with partial pivoting."""
    require_floats("lu_factor", x)
    packed, pivots, _ = lax.linalg.lu(x)
    return Packed(packed, pivots.astype(jnp.int32) + 1)


def permutation(pivots: jax.Array, size: int) -> jax.Array:
    """The order of the rows after the swaps, which are counted from 1."""
    return lax.linalg.lu_pivots_to_permutation(pivots.astype(jnp.int32) - 1, size)


# Solvers


def triangular(
    a: jax.Array, b: jax.Array, *, upper: bool, left: bool = True, unitriangular: bool = False, turned: str = ""
) -> jax.Array:
    """The solution of `a @ x = b`, or of `x @ a = b` unless `left`, with triangular matrices.

    Args:
        a: [..., n, n].
        b: [..., n, k], or [..., k, n] unless `left`.
        upper: whether the matrices are upper triangular. The other half is not read.
        left: on which side they are.
        unitriangular: whether their diagonals count as 1.
        turned: "T" to transpose the matrices, "H" to conjugate them, too.
    """
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = jnp.broadcast_to(a, batch + a.shape[-2:]), jnp.broadcast_to(b, batch + b.shape[-2:])
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=not upper, unit_diagonal=unitriangular, transpose_a=bool(turned),
        conjugate_a=turned == "H",
    )


def is_vectors(a: jax.Array, b: jax.Array) -> bool:
    """Whether the right-hand sides are vectors, one for each matrix, and not matrices."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def solve(a: jax.Array, b: jax.Array, left: bool) -> jax.Array:
    """The solution of `a @ x = b`, or of `x @ a = b` unless `left`."""
    require_square("solve", a)
    if a.dtype != b.dtype:
        raise RuntimeError(f"solve takes arrays of one dtype; got {a.dtype} and {b.dtype}")
    vectors = is_vectors(a, b)
    if vectors:
        b = b[..., None]
        left = True
    if not left:
        return jnp.swapaxes(solve(jnp.swapaxes(a, -1, -2), jnp.swapaxes(b, -1, -2), True), -1, -2)
    if b.shape[-2] != a.shape[-1]:
        raise RuntimeError(f"the matrices of shape {a.shape} do not fit right-hand sides of shape {b.shape}")
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = jnp.linalg.solve(jnp.broadcast_to(a, batch + a.shape[-2:]), jnp.broadcast_to(b, batch + b.shape[-2:]))
    return x[..., 0] if vectors else x


def inverse(x: jax.Array) -> jax.Array:
    """The inverse of square matrices; not finite where there is none."""
    require_square("inv", x)
    return jnp.linalg.inv(x)


def slogdet(x: jax.Array) -> LogDeterminant:
    """The sign of the determinant and the logarithm of its absolute value."""
    require_square("slogdet", x)
    return LogDeterminant(*jnp.linalg.slogdet(x))


def logdet(x: jax.Array) -> jax.Array:
    """The logarithm of the determinant, which is NaN if that is negative."""
    require_square("logdet", x)
    sign, size = jnp.linalg.slogdet(x)
    if kind(x.dtype) == 3:
        return size + jnp.log(sign)
    return jnp.where(sign < 0, jnp.nan, size)


def cutoff(values: jax.Array, shape: tuple[int, ...], atol: Any, rtol: Any) -> jax.Array:
    """The size below which singular values count as 0: `max(atol, rtol * largest)`, in a last axis of size 1."""
    eps = jnp.finfo(values.dtype).eps
    if rtol is None:
        none = 0.0 if atol is None else jnp.where(jnp.asarray(atol) > 0, 0.0, max(shape[-2:]) * eps)
        rtol = max(shape[-2:]) * eps if atol is None else none
    atol, rtol = (jnp.asarray(0.0 if tol is None else tol, values.dtype)[..., None] for tol in (atol, rtol))
    largest = jnp.max(jnp.abs(values), -1, keepdims=True, initial=0)
    return jnp.maximum(jnp.broadcast_to(atol, largest.shape), jnp.broadcast_to(rtol, largest.shape) * largest)


@jax.custom_jvp
def pinv(x: jax.Array, atol: Any, rtol: Any) -> jax.Array:
    """The pseudo-inverse. Singular values up to `max(atol, rtol * largest)` count as 0."""
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    limit = cutoff(s, x.shape, atol, rtol)
    kept = s > jnp.broadcast_to(limit, s.shape)
    inverses = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(x.dtype)
    return adjoint(vh) @ (inverses[..., None] * adjoint(u))


@pinv.defjvp
def _(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x, atol, rtol), (dx, _, _) = primals, tangents
    p = pinv(x, atol, rtol)
    ph, dh = adjoint(p), adjoint(dx)
    size, length = x.shape[-2:]
    first = p @ ph @ dh @ (identity(x, size, size) - x @ p)
    second = (identity(x, length, length) - p @ x) @ dh @ ph @ p
    return p, first + second - p @ dx @ p


def apply_reflectors(x: jax.Array, tau: jax.Array, columns: int) -> jax.Array:
    """The first columns of the product of Householder reflectors, whose vectors are below the diagonal of `x`."""
    size, count = x.shape[-2], tau.shape[-1]
    result = identity(x, size, columns)
    for i in reversed(range(count)):
        below = x[..., i + 1 :, i]
        one = jnp.ones((*x.shape[:-2], 1), x.dtype)
        vector = jnp.concatenate([jnp.zeros((*x.shape[:-2], i), x.dtype), one, below], -1)[..., None]
        result = result - tau[..., i, None, None] * (vector @ (adjoint(vector) @ result))
    return result


def rank(x: jax.Array, atol: Any, rtol: Any, hermitian: bool) -> jax.Array:
    """The number of singular values above `max(atol, rtol * largest)`."""
    require_floats("matrix_rank", x)
    values = jnp.abs(jnp.linalg.eigvalsh(x)) if hermitian else jnp.linalg.svd(x, compute_uv=False)
    limit = jnp.broadcast_to(cutoff(values, x.shape, atol, rtol), values.shape)
    return jnp.sum(values > limit, -1, dtype=canonical(int))
