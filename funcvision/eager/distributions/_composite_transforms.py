"""Transforms that are made from other transforms."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .._arithmetic import add
from . import constraints
from ._lifted import either
from ._transform import Transform
from .distribution import sum_rightmost

__all__ = ["CatTransform", "ComposeTransform", "IndependentTransform", "StackTransform", "identity_transform"]

_add = either(add)
_zeros_like = either(jnp.zeros_like)


def _with_cache(parts: Sequence[Transform], cache_size: int) -> list[Any]:
    if not all(isinstance(part, Transform) for part in parts):
        raise ValueError(f"a list of Transforms is expected; got {parts!r}")
    return [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)


class ComposeTransform(Transform):
    """Transforms in a chain, the first one first.

    Args:
        parts: the transforms.
        cache_size: 0 or 1; see `Transform`. It is given to the parts.
    """

    leaves = ("parts",)

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = _with_cache(parts, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = Transform.__hash__

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        if not self.parts:
            return constraints.real
        event_dim = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            event_dim = max(event_dim + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return _with_event_dim(self.parts[0].domain, event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        if not self.parts:
            return constraints.real
        event_dim = self.parts[0].domain.event_dim
        for part in self.parts:
            event_dim = max(event_dim + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return _with_event_dim(self.parts[-1].codomain, event_dim)

    @property
    def bijective(self) -> bool:
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:
        return functools.reduce(lambda sign, part: sign * part.sign, self.parts, 1)

    @property
    def inv(self) -> Any:
        if self._inv is None:
            self._inv = ComposeTransform([part.inv for part in reversed(self.parts)])
            self._inv._inv, self._inv.is_pure = self, self.is_pure
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else ComposeTransform(self.parts, cache_size)

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if not self.parts:
            return _zeros_like(x)
        xs = [x]
        for part in self.parts[:-1]:
            xs.append(part(xs[-1]))
        terms, event_dim = [], self.domain.event_dim
        for part, start, end in zip(self.parts, xs, [*xs[1:], y], strict=True):
            terms.append(sum_rightmost(part.log_abs_det_jacobian(start, end), event_dim - part.domain.event_dim))
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return functools.reduce(_add, terms)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(map(repr, self.parts)) + "\n)"


def _with_event_dim(constraint: Any, event_dim: int) -> Any:
    extra = event_dim - constraint.event_dim
    return constraints.independent(constraint, extra) if extra > 0 else constraint


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform with more axes in an event. The logarithm of the determinant is summed over them.

    Args:
        base_transform: the transform.
        reinterpreted_batch_ndims: the number of rightmost axes of the batch that become axes of the event.
        cache_size: 0 or 1; see `Transform`. It is given to `base_transform`.
    """

    leaves = ("base_transform",)
    options = ("reinterpreted_batch_ndims",)

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform: Any = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return IndependentTransform(self.base_transform, self.reinterpreted_batch_ndims, cache_size)

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Any) -> Any:
        self._check(x, self.domain)
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        self._check(y, self.codomain)
        return self.base_transform.inv(y)

    def _check(self, x: Any, constraint: Any) -> None:
        if x.ndim < constraint.event_dim:
            raise ValueError("Too few dimensions on input")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


def _narrow(x: jax.Array, dim: int, start: int, length: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + length, axis=dim)


def _joined(dim: int, *parts: jax.Array) -> jax.Array:
    return jnp.concatenate(parts, dim)


def _stacked(dim: int, *parts: jax.Array) -> jax.Array:
    return jnp.stack(parts, dim)


def _entry(x: jax.Array, dim: int, index: int) -> jax.Array:
    return lax.index_in_dim(x, index, dim, keepdims=False)


_narrow, _joined, _stacked, _entry = either(_narrow), either(_joined), either(_stacked), either(_entry)


class CatTransform(Transform):
    """Transforms of consecutive parts along an axis.

    Args:
        tseq: the transforms.
        dim: the axis.
        lengths: the sizes of the parts along the axis; 1 by default.
        cache_size: 0 or 1; see `Transform`. It is given to the transforms.
    """

    leaves = ("transforms",)
    options = ("dim", "lengths")

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0
    ):
        super().__init__(cache_size)
        self.transforms, self.dim = _with_cache(tseq, cache_size), dim
        self.lengths = (1,) * len(self.transforms) if lengths is None else tuple(lengths)
        if len(self.lengths) != len(self.transforms):
            raise ValueError(f"each of {len(self.transforms)} transforms needs one length; got {self.lengths}")

    @property
    def event_dim(self) -> int:
        return max(transform.event_dim for transform in self.transforms)

    @property
    def length(self) -> int:
        """The size of the whole axis."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _split(self, x: Any) -> list[Any]:
        if not -x.ndim <= self.dim < x.ndim or x.shape[self.dim] != self.length:
            raise ValueError(f"axis {self.dim} of shape {tuple(x.shape)} is not the {self.length} entries of the parts")
        starts = np.cumsum((0, *self.lengths[:-1])).tolist()
        return [_narrow(x, self.dim, start, length) for start, length in zip(starts, self.lengths, strict=True)]

    def _call(self, x: Any) -> Any:
        pairs = zip(self.transforms, self._split(x), strict=True)
        return _joined(self.dim, *(transform(part) for transform, part in pairs))

    def _inverse(self, y: Any) -> Any:
        pairs = zip(self.transforms, self._split(y), strict=True)
        return _joined(self.dim, *(transform.inv(part) for transform, part in pairs))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        terms = []
        for transform, start, end in zip(self.transforms, self._split(x), self._split(y), strict=True):
            term = transform.log_abs_det_jacobian(start, end)
            terms.append(sum_rightmost(term, self.event_dim - transform.event_dim))
        dim = (self.dim if self.dim < 0 else self.dim - x.ndim) + self.event_dim
        return _joined(dim, *terms) if dim < 0 else functools.reduce(_add, terms)

    @property
    def bijective(self) -> bool:
        return all(transform.bijective for transform in self.transforms)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.cat([transform.domain for transform in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.cat([transform.codomain for transform in self.transforms], self.dim, self.lengths)


class StackTransform(Transform):
    """Transforms of the entries along an axis.

    Args:
        tseq: the transforms, one for each entry.
        dim: the axis.
        cache_size: 0 or 1; see `Transform`. It is given to the transforms.
    """

    leaves = ("transforms",)
    options = ("dim",)

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.transforms, self.dim = _with_cache(tseq, cache_size), dim

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _split(self, x: Any) -> list[Any]:
        if not -x.ndim <= self.dim < x.ndim or x.shape[self.dim] != len(self.transforms):
            raise ValueError(f"axis {self.dim} of shape {tuple(x.shape)} needs {len(self.transforms)} entries")
        return [_entry(x, self.dim, index) for index in range(len(self.transforms))]

    def _call(self, x: Any) -> Any:
        pairs = zip(self.transforms, self._split(x), strict=True)
        return _stacked(self.dim, *(transform(part) for transform, part in pairs))

    def _inverse(self, y: Any) -> Any:
        pairs = zip(self.transforms, self._split(y), strict=True)
        return _stacked(self.dim, *(transform.inv(part) for transform, part in pairs))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        parts = zip(self.transforms, self._split(x), self._split(y), strict=True)
        return _stacked(self.dim, *(transform.log_abs_det_jacobian(start, end) for transform, start, end in parts))

    @property
    def bijective(self) -> bool:
        return all(transform.bijective for transform in self.transforms)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.stack([transform.domain for transform in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.stack([transform.codomain for transform in self.transforms], self.dim)
