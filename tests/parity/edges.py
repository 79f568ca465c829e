"""Points at the edges of functions' domains, and the comparison with torch there: value and gradient of every element.

A test lists what it calls and where. `assert_same_at_edges` runs both libraries, ours also under `jit` and `vmap`.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

TOLERANCE = {"float32": (2e-5, 1e-5), "float64": (1e-10, 1e-13)}
"""The relative and the absolute error that is allowed at each element. NaN and infinities must be equal."""

CALLS = {
    "plain": lambda f: f,
    "jit": jax.jit,
    "vmap": lambda f: lambda *xs: jax.tree.map(lambda y: y[0], jax.jit(jax.vmap(f))(*(x[None] for x in xs))),
}
"""The ways in which a function is called."""
WAYS = [("float32", "plain"), ("float32", "jit"), ("float64", "vmap")]
"""The dtypes and the calls that are compared."""


def points(dtype: str = "float32", *more: float) -> np.ndarray:
    """Zero, ordinary numbers, infinities, NaN, the smallest numbers of a dtype, and `more`.

    The smallest are normal numbers. XLA's CPU code replaces denormal numbers by 0, see `denormals`.
    """
    info = np.finfo(dtype)
    signed = [0.25, 1.0, 2.5, 40.0, 1e10, 1e-10, float(info.tiny) * 4, float(info.eps), np.inf]
    return np.array([0.0, -0.0, *signed, *(-x for x in signed), np.nan, *more], dtype)


def largest(dtype: str = "float32") -> np.ndarray:
    """The largest finite numbers of a dtype, for functions that add and multiply nothing else to them."""
    return np.array([np.finfo(dtype).max, -np.finfo(dtype).max], dtype)


def denormals(dtype: str = "float32") -> np.ndarray:
    """Numbers below the smallest normal one, which XLA's CPU code reads and writes as 0."""
    smallest = np.finfo(dtype).smallest_subnormal
    return np.array([smallest, -smallest, 1000 * smallest, np.finfo(dtype).tiny / 2], dtype)


def few_points(dtype: str = "float32") -> np.ndarray:
    """Points for functions of vectors: squares and sums do not overflow, and normalising equal powers of 2 is exact."""
    return np.array([0.0, -0.0, 0.25, -2.0, 1e-5, 4096.0, np.inf, -np.inf, np.nan], dtype)


def pairs(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """All pairs of an element of each, as two arrays."""
    return [x.ravel() for x in np.meshgrid(first, second, indexing="ij")]


def vectors(*columns: np.ndarray) -> np.ndarray:
    """All vectors with one element of each column, [n, columns]."""
    return np.stack([x.ravel() for x in np.meshgrid(*columns, indexing="ij")], -1)


def differences(
    ours: Callable[..., jax.Array], theirs: Callable[..., torch.Tensor], arrays: Sequence[np.ndarray], *,
    call: str = "plain", argnums: Sequence[int] | None = None,
) -> list[str]:
    """Where value or gradient differ from torch's, one line for each element. The cotangent is 1 everywhere.

    Args:
        ours: a function of arrays.
        theirs: the same function of tensors of the same shapes; conversions of layout are a part of it.
        arrays: floating-point arrays are differentiated.
        call: one of `CALLS`.
        argnums: the arguments with respect to which to differentiate; all floating-point ones by default.
    """
    dtype = next(a.dtype.name for a in arrays if a.dtype.kind == "f")
    if argnums is None:
        argnums = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    tensors = [torch.from_numpy(a.copy()) for a in arrays]
    for i in argnums:
        tensors[i].requires_grad_()
    expected = theirs(*tensors)
    wanted = torch.autograd.grad(
        expected, [tensors[i] for i in argnums], torch.ones_like(expected), allow_unused=True, materialize_grads=True
    )

    def run(*xs: jax.Array) -> Any:
        def of_floats(*floats: jax.Array) -> jax.Array:
            given = dict(zip(argnums, floats, strict=True))
            return ours(*(given.get(i, x) for i, x in enumerate(xs)))

        value, pullback = jax.vjp(of_floats, *(xs[i] for i in argnums))
        return value, pullback(jnp.ones_like(value))

    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        value, gradients = CALLS[call](run)(*map(jnp.asarray, arrays))
        found = [_unequal("value", value, expected.detach().numpy(), arrays, dtype)]
        for i, ours_i, theirs_i in zip(argnums, gradients, wanted, strict=True):
            found.append(_unequal(f"gradient {i}", ours_i, theirs_i.numpy(), arrays, dtype))
    return [line for lines in found for line in lines]


def assert_same_at_edges(
    ours: Callable[..., jax.Array], theirs: Callable[..., torch.Tensor],
    arrays: Callable[[str], Sequence[np.ndarray]], *, argnums: Sequence[int] | None = None,
    ways: Sequence[tuple[str, str]] = tuple(WAYS),
) -> None:
    """Raises AssertionError with all `differences`.

    Args:
        ours: as in `differences`.
        theirs: as in `differences`.
        arrays: gives the arguments in a dtype.
        argnums: as in `differences`.
        ways: pairs of a dtype and one of `CALLS`.
    """
    found = [
        f"{dtype}, {call}: {line}" for dtype, call in ways
        for line in differences(ours, theirs, arrays(dtype), call=call, argnums=argnums)[:30]
    ]
    assert not found, "\n".join(found)


def _unequal(what: str, ours: Any, theirs: np.ndarray, arrays: Sequence[np.ndarray], dtype: str) -> list[str]:
    ours = np.asarray(ours)
    if ours.shape != theirs.shape:
        return [f"{what}: shape {ours.shape}, torch has {theirs.shape}"]
    rtol, atol = TOLERANCE[dtype]
    with np.errstate(over="ignore", invalid="ignore"):
        same = np.isclose(ours, theirs, rtol, atol, equal_nan=True)
    lines = []
    for index in np.argwhere(~same):
        where = ", ".join(_at(a, tuple(index)) for a in arrays)
        lines.append(f"{what} at {where}: {ours[tuple(index)]!s}, torch has {theirs[tuple(index)]!s}")
    return lines


def _at(array: np.ndarray, index: tuple[int, ...]) -> str:
    """The element at an index, or the row if the array has more axes, as far as the index fits the array."""
    fits = len(index) <= array.ndim and all(i < n for i, n in zip(index, array.shape, strict=False))
    if array.ndim == 2 and fits and array.shape[-1] <= 6:
        return f"{array[index[0]].tolist()} {list(index)}"
    return str(array[index]) if fits and len(index) == array.ndim else f"{list(index)}"
