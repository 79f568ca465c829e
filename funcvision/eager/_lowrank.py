"""Decompositions of matrices of low rank, by random projections (Halko et al. 2011, https://arxiv.org/abs/0909.4061)."""

from typing import Any

import jax
import jax.numpy as jnp

from ._decompositions import adjoint
from ._lift import lift
from ._matrices import Decomposition
from .random import next_key

__all__ = ["pca_lowrank", "svd_lowrank"]


def _svd_lowrank(a: jax.Array, key: jax.Array, mean: jax.Array | None, *, q: int, niter: int) -> Decomposition:
    """The first `q` singular values of matrices, and their vectors as columns."""
    a = a if mean is None else a - mean
    start = jax.random.normal(key, (*a.shape[:-2], a.shape[-1], q), a.dtype)
    basis = jnp.linalg.qr(a @ start)[0]
    for _ in range(niter):
        basis = jnp.linalg.qr(a @ jnp.linalg.qr(adjoint(a) @ basis)[0])[0]
    u, s, vh = jnp.linalg.svd(adjoint(basis) @ a, full_matrices=False)
    return Decomposition(basis @ u, s, adjoint(vh))


_lifted = lift(_svd_lowrank)


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Any:
    """The first singular values of matrices, and their vectors as columns, up to a small error.

    Args:
        A: [..., rows, columns].
        q: how many; somewhat more than the rank.
        niter: the number of iterations, which make the result more exact.
        M: is subtracted from `A`.

    Returns:
        U, S and V.
    """
    q = min(6, *A.shape[-2:]) if q is None else q
    return _lifted(A, next_key(), M, q=q, niter=2 if niter is None else niter)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """The principal components of the rows of matrices, up to a small error, as `svd_lowrank` gives them.

    Args:
        A: [..., rows, columns].
        q: how many; by default 6, or fewer if the matrix is smaller.
        center: whether to subtract the mean of each column first.
        niter: the number of iterations.
    """
    q = min(6, *A.shape[-2:]) if q is None else q
    if not 0 <= q <= min(A.shape[-2:]):
        raise ValueError(f"pca_lowrank takes q from 0 to {min(A.shape[-2:])} for shape {tuple(A.shape)}; got {q}")
    return svd_lowrank(A, q, niter, A.mean(-2, True) if center else None)

