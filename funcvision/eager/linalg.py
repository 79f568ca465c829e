"""`torch.linalg`: linear algebra, over `jax.numpy.linalg` and `jax.scipy.linalg`. All functions take batches."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from . import _decompositions as decompositions
from ._base import as_array
from ._decompositions import (
    EigenPairs,
    Factors,
    LogDeterminant,
    Packed,
    Singular,
    adjoint,
    identity,
    require_floats,
    require_square,
    triangular,
)
from ._elementwise import canonical, kind
from ._named import named
from ._norms import vector_norm as norm_of_vectors
from ._products import cross, multi_dot, vecdot
from ._products import matmul as product
from ._shapes import axis_of

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


class LinAlgError(RuntimeError):
    """A matrix has not the property that a function needs: it is singular, or not positive definite."""


class WithInfo(NamedTuple):
    """A result, and for each matrix 0 for success."""

    result: Any
    info: Any


class LeastSquares(NamedTuple):
    """The solution of a least squares problem and what is known about it."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


class PLU(NamedTuple):
    """The factors of an LU decomposition."""

    P: Any
    L: Any
    U: Any


def checked(function: Callable[..., Any], message: str) -> Callable[..., Any]:
    """A function of Tensors that raises LinAlgError if its result is not finite though its first argument is."""

    @functools.wraps(function)
    def called(A: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(A, *args, **kwargs)
        given, found = as_array(A), as_array(jax.tree.leaves(result)[0])
        if not isinstance(found, Tracer) and not _finite(found) and _finite(given):
            raise LinAlgError(message)
        return result

    return called


def _finite(x: jax.Array) -> bool:
    return bool(np.isfinite(np.asarray(x).astype(np.complex128 if kind(x.dtype) == 3 else np.float64)).all())


def _lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    return named(function, function.__name__.lstrip("_"))


# Norms


def _vector_norm(
    x: jax.Array, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> jax.Array:
    """The norm of vectors over one, several or all axes, for any number `ord`."""
    x = _norm_operand("vector_norm", x, dtype)
    return norm_of_vectors(x, float(ord), dim, keepdim)


def _norm_operand(function: str, x: jax.Array, dtype: Any) -> jax.Array:
    if dtype is not None:
        x = x.astype(canonical(dtype))
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(f"{function} takes floating-point or complex numbers; got {x.dtype}")
    return jnp.abs(x) if kind(x.dtype) == 3 else x


def _matrix_norm(
    A: jax.Array, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> jax.Array:
    """The norm of matrices in two axes: "fro", "nuc", 1, -1, 2, -2, infinity or -infinity."""
    A = A if dtype is None else A.astype(canonical(dtype))
    require_floats("matrix_norm", A)
    first, second = (axis % A.ndim for axis in dim)
    x = jnp.moveaxis(A, (first, second), (-2, -1))
    if ord == "fro":
        result = norm_of_vectors(_norm_operand("matrix_norm", x, None), 2.0, (-2, -1), False)
    elif ord == "nuc" or ord in (2, -2):
        values = jnp.linalg.svd(x, compute_uv=False)
        result = jnp.sum(values, -1) if ord == "nuc" else jnp.max(values, -1) if ord == 2 else jnp.min(values, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = norm_of_vectors(_norm_operand("matrix_norm", x, None), 1.0, -2 if abs(ord) == 1 else -1, False)
        result = jnp.max(sums, -1) if ord > 0 else jnp.min(sums, -1)
    else:
        raise RuntimeError(f'matrix_norm has the orders "fro", "nuc", 1, -1, 2, -2, inf and -inf; got {ord!r}')
    return jnp.expand_dims(result, tuple(sorted((first, second)))) if keepdim else result


def _norm(
    A: jax.Array, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> jax.Array:
    """The norm of vectors or, with two axes, of matrices. Without `ord` it is the 2-norm of all elements."""
    axes = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if ord is None:
        return _vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if axes is None and A.ndim not in (1, 2):
        raise RuntimeError(f"norm with an order takes a vector or a matrix, or axes; got shape {A.shape}")
    if len(axes or A.shape) == 1:
        return _vector_norm(A, ord, axes, keepdim, dtype=dtype)
    return _matrix_norm(A, ord, axes or (-2, -1), keepdim, dtype=dtype)


def _cond(A: jax.Array, p: Any = None) -> jax.Array:
    """The condition number of matrices: the norm times that of the inverse; by default of the 2-norm."""
    require_floats("cond", A)
    if p in (None, 2, -2):
        values = jnp.linalg.svd(A, compute_uv=False)
        if not values.size:
            return jnp.zeros(A.shape[:-2], values.dtype)
        high, low = values[..., 0], values[..., -1]
        return low / high if p == -2 else high / low
    return _matrix_norm(A, p) * _matrix_norm(decompositions.inverse(A), p)


# Determinants, inverses and powers


def _det(A: jax.Array) -> jax.Array:
    """The determinant of square matrices."""
    require_square("det", A)
    return jnp.linalg.det(A)


def _slogdet(A: jax.Array) -> LogDeterminant:
    """The sign of the determinant and the logarithm of its absolute value."""
    return decompositions.slogdet(A)


def _inv(A: jax.Array) -> jax.Array:
    """The inverse of square matrices."""
    return decompositions.inverse(A)


def _inv_ex(A: jax.Array, *, check_errors: bool = False) -> WithInfo:
    """The inverse of square matrices, and for each 0, or 1 if there is none."""
    inverse = decompositions.inverse(A)
    return WithInfo(inverse, (~jnp.isfinite(inverse).all((-2, -1))).astype(jnp.int32))


def _pinv(A: jax.Array, rcond: Any = None, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> jax.Array:
    """The pseudo-inverse. Singular values up to `max(atol, rtol * largest)` count as 0."""
    require_floats("pinv", A)
    rtol = rcond if rtol is None else rtol
    x = A
    if hermitian:
        x = (A + adjoint(A)) / 2
    if atol is None and rtol is None:
        rtol = max(A.shape[-2:]) * float(jnp.finfo(A.dtype).eps)
    return decompositions.pinv(x, 0.0 if atol is None else atol, 0.0 if rtol is None else rtol)


def _matrix_power(A: jax.Array, n: int) -> jax.Array:
    """Square matrices to an integer power; a negative one is that of the inverse."""
    require_square("matrix_power", A)
    return jnp.linalg.matrix_power(A, n)


def _matrix_exp(A: jax.Array) -> jax.Array:
    """The exponential of square matrices."""
    require_square("matrix_exp", A)
    if not A.size:
        return A
    return jax.scipy.linalg.expm(A, max_squarings=48)


def _matrix_rank(A: jax.Array, tol: Any = None, *, atol: Any = None, rtol: Any = None, hermitian: bool = False):
    """The number of singular values above `max(atol, rtol * largest)`."""
    if tol is not None:
        atol, rtol = tol, 0.0
    return decompositions.rank(A, atol, rtol, hermitian)


# Decompositions


def _qr(A: jax.Array, mode: str = "reduced") -> Factors:
    """Q and R: "reduced", "complete", or with an empty Q "r"."""
    return decompositions.qr(A, mode)


def _svd(A: jax.Array, full_matrices: bool = True, *, driver: str | None = None) -> Singular:
    """U, S and Vh."""
    return decompositions.svd(A, full_matrices)


def _svdvals(A: jax.Array, *, driver: str | None = None) -> jax.Array:
    """The singular values in descending order."""
    require_floats("svdvals", A)
    return jnp.linalg.svd(A, compute_uv=False)


def _eigh(A: jax.Array, UPLO: str = "L") -> EigenPairs:
    """Eigenvalues in ascending order and eigenvectors of Hermitian matrices, of which the half `UPLO` is read."""
    return decompositions.eigh(A, UPLO.upper() == "L")


def _eigvalsh(A: jax.Array, UPLO: str = "L") -> jax.Array:
    """The eigenvalues of Hermitian matrices in ascending order."""
    return decompositions.eigh(A, UPLO.upper() == "L").eigenvalues


def _eig(A: jax.Array) -> EigenPairs:
    """The complex eigenvalues and eigenvectors of square matrices."""
    require_square("eig", A)
    return decompositions.eig(A)


def _eigvals(A: jax.Array) -> jax.Array:
    """The complex eigenvalues of square matrices."""
    return _eig(A).eigenvalues


def _cholesky(A: jax.Array, *, upper: bool = False) -> jax.Array:
    """The lower Cholesky factor of Hermitian positive matrices, or the upper one."""
    return decompositions.cholesky(A, upper)


def _cholesky_ex(A: jax.Array, *, upper: bool = False, check_errors: bool = False) -> WithInfo:
    """The Cholesky factor, and for each matrix 0, or 1 if it is not positive definite."""
    factor = decompositions.cholesky(A, upper)
    return WithInfo(factor, (~jnp.isfinite(factor).all((-2, -1))).astype(jnp.int32))


def _householder_product(A: jax.Array, tau: jax.Array) -> jax.Array:
    """The first columns of the product of Householder reflectors, whose vectors are below the diagonal of `A`."""
    require_floats("householder_product", A)
    return decompositions.apply_reflectors(A, tau, A.shape[-1])


def _lu_factor(A: jax.Array, *, pivot: bool = True) -> Packed:
    """The LU decomposition in one matrix, and the swapped rows."""
    _require_pivot(pivot)
    return decompositions.factor(A)


def _require_pivot(pivot: bool) -> None:
    if not pivot:
        raise RuntimeError("the LU decomposition pivots on every device; pivot=False is not supported")


def _lu_factor_ex(A: jax.Array, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """`lu_factor`, and for each matrix 0 or, if it is singular, the number of the first diagonal element that is 0."""
    packed = _lu_factor(A, pivot=pivot)
    zero = jnp.diagonal(packed.LU, axis1=-2, axis2=-1) == 0
    return (*packed, jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(jnp.int32))


def _lu(A: jax.Array, *, pivot: bool = True) -> PLU:
    """The permutation and the two triangular factors."""
    _require_pivot(pivot)
    packed, pivots = decompositions.factor(A)
    rows, columns = A.shape[-2:]
    count = min(rows, columns)
    lower = jnp.tril(packed[..., :count], -1) + identity(A, rows, count)
    order = jax.nn.one_hot(decompositions.permutation(pivots, rows), rows, dtype=A.dtype)
    return PLU(jnp.swapaxes(order, -1, -2), lower, jnp.triu(packed[..., :count, :]))


# Solvers


def _solve(A: jax.Array, B: jax.Array, *, left: bool = True) -> jax.Array:
    """The solution `x` of `A @ x = B`, or of `x @ A = B` unless `left`."""
    return decompositions.solve(A, B, left)


def _solve_ex(A: jax.Array, B: jax.Array, *, left: bool = True, check_errors: bool = False) -> WithInfo:
    """The solution, and for each matrix 0, or 1 if it is singular."""
    x = decompositions.solve(A, B, left)
    _, pivots = decompositions.factor(A)
    zero = jnp.diagonal(decompositions.factor(A).LU, axis1=-2, axis2=-1) == 0
    return WithInfo(x, jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(pivots.dtype))


def _solve_triangular(
    A: jax.Array, B: jax.Array, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> jax.Array:
    """The solution `x` of `A @ x = B`, or of `x @ A = B` unless `left`, with triangular matrices."""
    require_square("solve_triangular", A)
    return triangular(A, B, upper=upper, left=left, unitriangular=unitriangular)


def _lu_solve(
    LU: jax.Array, pivots: jax.Array, B: jax.Array, *, left: bool = True, adjoint: bool = False
) -> jax.Array:
    """The solution `x` of `A @ x = B`, or of `x @ A = B` unless `left`, from the LU decomposition of `A`."""
    order = decompositions.permutation(pivots, LU.shape[-1])
    lower = jnp.tril(LU, -1) + identity(LU, LU.shape[-1], LU.shape[-1])
    back = jnp.argsort(order, -1)
    a = jnp.take_along_axis(lower @ jnp.triu(LU), jnp.broadcast_to(back[..., None], LU.shape), -2)
    if adjoint:
        a = jnp.conj(jnp.swapaxes(a, -1, -2))
    return decompositions.solve(a, B, left)


def _lstsq(A: jax.Array, B: jax.Array, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """The solution `x` with the smallest `norm(A @ x - B)`, and of several the one with the smallest norm."""
    require_floats("lstsq", A)
    vectors = decompositions.is_vectors(A, B)
    b = B[..., None] if vectors else B
    rtol = max(A.shape[-2:]) * float(jnp.finfo(A.dtype).eps) if rcond is None else rcond
    x = decompositions.pinv(A, 0.0, rtol) @ b
    empty, rows, columns = jnp.zeros(0, jnp.finfo(A.dtype).dtype), *A.shape[-2:]
    has_residuals = rows > columns and driver in ("gels", "gelsd", "gelss")  # the default is "gelsy"
    residuals = jnp.sum(jnp.abs(A @ x - b) ** 2, -2) if has_residuals else empty
    rank = decompositions.rank(jax.lax.stop_gradient(A), None, rtol, False)
    values = jnp.linalg.svd(A, compute_uv=False) if driver in ("gelsd", "gelss") else empty
    if driver == "gels":
        rank = jnp.zeros(0, canonical(int))
    return LeastSquares(x[..., 0] if vectors else x, residuals, rank, values)


def _tensorinv(A: jax.Array, ind: int = 2) -> jax.Array:
    """The inverse of an array as a matrix, whose rows are its first `ind` axes."""
    rows = math.prod(A.shape[:ind])
    if ind <= 0 or rows * rows != A.size:
        raise RuntimeError(f"tensorinv takes an array that is square as a matrix; got shape {A.shape} and ind={ind}")
    return decompositions.inverse(A.reshape(rows, rows)).reshape(A.shape[ind:] + A.shape[:ind])


def _tensorsolve(A: jax.Array, B: jax.Array, dims: Sequence[int] | None = None) -> jax.Array:
    """The solution `x` of `tensordot(A, x, x.ndim) = B`, the axes `dims` of `A` moved to its end first."""
    if dims is not None:
        A = jnp.moveaxis(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim :]
    if math.prod(shape) != B.size:
        raise RuntimeError(f"tensorsolve takes an array that is square as a matrix; got {A.shape} and {B.shape}")
    return decompositions.solve(A.reshape(B.size, -1), B.reshape(-1), True).reshape(shape)


# Others


def _vander(x: jax.Array, *, N: int | None = None) -> jax.Array:
    """The powers of the elements of vectors, from 0 to `N - 1`."""
    count = N if N is not None else x.shape[-1] if x.ndim else 1
    if count <= 1 or not x.ndim:
        raise RuntimeError(f"vander takes vectors and N of 2 or more; got shape {x.shape} and N={count}")
    if jnp.issubdtype(x.dtype, jnp.integer):
        x = x.astype(canonical(int))
    ones = jnp.ones((*x.shape, 1), x.dtype)
    rest = jnp.broadcast_to(x[..., None], (*x.shape, count - 1))
    return jnp.concatenate([ones, jnp.cumprod(rest, -1)], -1)


def _diagonal(A: jax.Array, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> jax.Array:
    """The diagonals of matrices in two axes."""
    first, second = axis_of(A, dim1), axis_of(A, dim2)
    if A.ndim < 2 or first == second:
        raise IndexError(f"diagonal takes two different axes; got {dim1} and {dim2} of shape {A.shape}")
    return jnp.diagonal(A, offset, first, second)


def _matmul(input: jax.Array, other: jax.Array) -> jax.Array:
    """The matrix product."""
    return product(input, other)


_SINGULAR = "a matrix is singular and has no inverse"

vector_norm, matrix_norm, norm, cond = map(_lifted, (_vector_norm, _matrix_norm, _norm, _cond))
det, slogdet, pinv, matrix_exp, matrix_rank = map(_lifted, (_det, _slogdet, _pinv, _matrix_exp, _matrix_rank))
inv, matrix_power = checked(_lifted(_inv), _SINGULAR), checked(_lifted(_matrix_power), _SINGULAR)
inv_ex, qr, svd, svdvals, eigh, eigvalsh = map(_lifted, (_inv_ex, _qr, _svd, _svdvals, _eigh, _eigvalsh))
eig, eigvals, householder_product, cholesky_ex = map(_lifted, (_eig, _eigvals, _householder_product, _cholesky_ex))
cholesky = checked(_lifted(_cholesky), "a matrix is not positive definite")
lu_factor, lu_factor_ex, lu, lu_solve = map(_lifted, (_lu_factor, _lu_factor_ex, _lu, _lu_solve))
solve = checked(_lifted(_solve), "a matrix is singular, and the equation has no unique solution")
solve_ex, solve_triangular, lstsq = map(_lifted, (_solve_ex, _solve_triangular, _lstsq))
tensorinv, tensorsolve, vander = map(_lifted, (_tensorinv, _tensorsolve, _vander))
diagonal, matmul = map(_lifted, (_diagonal, _matmul))
