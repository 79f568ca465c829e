"""Parametrisations: weight and spectral normalisation, and orthogonal matrices."""

from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp

from ..._graph import no_grad
from ..._lift import lift
from ...random import next_key
from ...tensor import Tensor
from ..module import Module
from ._norms import largest_singular_value, norm_except_dim, normalized, power_iteration
from ._norms import weight_norm as computed
from .parametrize import register_parametrization
from .spectral_norm import random_vectors, rows_axis

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)
Map = Literal["matrix_exp", "cayley", "householder"]
_FIRST_ITERATIONS = 15  # power iterations when a spectral normalisation is registered


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Parametrises a weight by its norm and its direction (Salimans and Kingma 2016, https://arxiv.org/abs/1602.07868).

    Args:
        module: the module, which changes.
        name: the name of the weight.
        dim: the axis whose slices have norms of their own; None for one norm of all.
    """
    return register_parametrization(module, name, _WeightNorm(-1 if dim is None else dim), unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Any:
        return computed(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divides a weight by its largest singular value (Miyato et al. 2018, https://arxiv.org/abs/1802.05957).

    Args:
        module: the module, which changes.
        name: the name of the weight.
        n_power_iterations: the number of power iterations at each reading in training.
        eps: the least length that a vector is divided by.
        dim: the axis of the rows of the weight as a matrix; by default the axis of the outputs.

    Raises:
        ValueError: there is no such weight, or `n_power_iterations` is not positive.
        IndexError: the weight has no such axis.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = rows_axis(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(f"Dimension out of range: the weight has {weight.ndim} axes, but got dim={dim}")
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got {n_power_iterations=}")
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            u, v = random_vectors(weight.detach(), self.dim, eps)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._iterate(weight, _FIRST_ITERATIONS)

    def _iterate(self, weight: Tensor, iterations: int) -> None:
        with no_grad():
            u, v = power_iteration(weight.detach(), self._u, self._v, self.dim, iterations, self.eps, False)
            self._u.array, self._v.array = u.array, v.array

    def forward(self, weight: Tensor) -> Any:
        if weight.ndim == 1:
            return normalized(weight, self.eps)
        if self.training:
            self._iterate(weight, self.n_power_iterations)
        # Copies, because a second call changes the buffers before the backward pass through this one.
        return weight / largest_singular_value(weight, self._u.clone(), self._v.clone(), self.dim)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: Map | None = None, *, use_trivialization: bool = True
) -> M:
    """Parametrises a weight so that its rows, or its columns if there are fewer, are orthonormal.

    Args:
        module: the module, which changes.
        name: the name of the weight, a matrix or a batch of matrices.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first one for square matrices and the
            last one for others.
        use_trivialization: multiply by a fixed orthogonal matrix, so that the weight keeps its value if it is
            orthogonal. "householder" can do without it; the others then start at the identity.

    Raises:
        ValueError: there is no such weight, it has less than two axes, or `orthogonal_map` is unknown.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(tuple(weight.shape), orthogonal_map, use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)


class _Orthogonal(Module):
    def __init__(self, shape: tuple[int, ...], orthogonal_map: Map, use_trivialization: bool):
        super().__init__()
        self.shape, self.orthogonal_map, self.use_trivialization = shape, orthogonal_map, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Any:
        return _orthogonal(x, self.base if self.use_trivialization else None, self.orthogonal_map)

    def right_inverse(self, value: Tensor) -> Tensor:
        if tuple(value.shape) != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}; got {tuple(value.shape)}")
        if self.use_trivialization:
            self.base = Tensor.of(_completed(value.array, next_key()))
            rows, columns = value.shape[-2:]  # minus the identity, which the Householder map takes to the identity
            identity = -jnp.eye(rows, columns, dtype=value.array.dtype)
            return Tensor.of(jnp.broadcast_to(identity, value.array.shape))
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        return Tensor.of(_reflectors(value.array))


@lift
def _orthogonal(x: Any, base: Any, orthogonal_map: str) -> Any:
    """The orthogonal matrix of a parameter, which has at least as many rows as columns or is transposed."""
    is_wide = x.shape[-2] < x.shape[-1]
    x = x.mT if is_wide else x
    rows, columns = x.shape[-2:]
    if orthogonal_map == "householder":
        signs = jax.lax.stop_gradient(jnp.trunc(jnp.diagonal(x, axis1=-2, axis2=-1)))
        q = _product_of_reflections(jnp.tril(x, -1)) * signs[..., None, :]
    else:
        lower = jnp.pad(jnp.tril(x), [(0, 0)] * (x.ndim - 1) + [(0, rows - columns)])
        skew = lower - lower.mT.conj()
        if orthogonal_map == "matrix_exp":
            q = jax.scipy.linalg.expm(skew)
        else:
            identity = jnp.broadcast_to(jnp.eye(rows, dtype=x.dtype), skew.shape)
            q = jnp.linalg.solve(identity - skew / 2, identity + skew / 2)
        q = q[..., :columns]
    q = q if base is None else base @ q
    return q.mT if is_wide else q


def _product_of_reflections(below: jax.Array) -> jax.Array:
    """The product of the reflections along the columns, whose diagonal is 1. That of LAPACK has no gradient in jax."""
    identity = jnp.broadcast_to(jnp.eye(*below.shape[-2:], dtype=below.dtype), below.shape)
    vectors = jnp.moveaxis(below + identity, -1, 0)

    def reflected(q: jax.Array, v: jax.Array) -> tuple[jax.Array, None]:
        scale = 2 / jnp.sum(v * v, axis=-1)
        return q - (scale[..., None] * v)[..., :, None] * (v[..., None, :] @ q), None

    return jax.lax.scan(reflected, identity, vectors, reverse=True)[0]


def _completed(q: jax.Array, key: jax.Array) -> jax.Array:
    """A square orthogonal matrix whose first columns are `q`, or the nearest thing if `q` is not orthogonal."""
    q = q.mT if q.shape[-2] < q.shape[-1] else q
    rows, columns = q.shape[-2:]
    if rows == columns:
        error = jnp.max(jnp.abs(q.mT @ q - jnp.eye(rows, dtype=q.dtype)), initial=0)
        if float(error) < 10 * rows * float(jnp.finfo(q.dtype).eps):
            return q
    others = jax.random.normal(key, (*q.shape[:-1], rows - columns), q.dtype)
    made, r = jnp.linalg.qr(jnp.concatenate([q, others], -1))
    return made * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[..., None, :]


def _reflectors(q: jax.Array) -> jax.Array:
    """The parameter of the Householder map for an orthogonal matrix: reflectors below the diagonal, signs on it."""
    is_wide = q.shape[-2] < q.shape[-1]
    transposed, scales = jnp.linalg.qr(q.mT if is_wide else q, mode="raw")
    reflectors = transposed.mT
    axes = jnp.arange(min(reflectors.shape[-2:]))
    signs = jnp.sign(reflectors[..., axes, axes]) * jnp.where(scales == 0, -1, 1).astype(q.dtype)
    reflectors = reflectors.at[..., axes, axes].set(signs)
    return reflectors.mT if is_wide else reflectors
