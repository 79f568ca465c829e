"""How funcvision is compared with torch: layouts, random inputs, and the one place for tolerances."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

RTOL = {"float32": 1e-5, "float64": 1e-10, "bfloat16": 1e-2, "float16": 2e-3}
"""Largest error allowed, relative to the largest value of the reference array."""


def random(seed: int, *shape: int, dtype: str = "float32", low: float | None = None, high: float = 1.0) -> np.ndarray:
    """Standard normal numbers, or uniform ones in [low, high) where low is given."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape) if low is None else rng.uniform(low, high, shape)
    return values.astype(dtype)


def nchw(x: Any) -> torch.Tensor:
    """A channels-last array as the channels-first tensor that torch takes (any number of spatial axes)."""
    return torch.from_numpy(np.moveaxis(np.asarray(x), -1, 1).copy())


def nhwc(x: torch.Tensor) -> np.ndarray:
    """A channels-first tensor as the channels-last array that funcvision takes."""
    return np.moveaxis(x.detach().numpy(), 1, -1)


def oihw(w: Any) -> torch.Tensor:
    """A kernel [..., in, out] as torch's [out, in, ...]."""
    w = np.asarray(w)
    return torch.from_numpy(np.transpose(w, (w.ndim - 1, w.ndim - 2, *range(w.ndim - 2))).copy())


def hwio(w: torch.Tensor) -> np.ndarray:
    """A torch kernel [out, in, ...] as funcvision's [..., in, out]."""
    return np.transpose(w.detach().numpy(), (*range(2, w.ndim), 1, 0))


def assert_close(ours: Any, theirs: Any, *, rtol: float | None = None, what: str = "") -> None:
    """Same shape, same dtype, and no element further off than rtol times the largest reference value."""
    theirs = theirs.detach() if isinstance(theirs, torch.Tensor) else theirs
    if isinstance(theirs, torch.Tensor) and theirs.dtype == torch.bfloat16:
        theirs = np.asarray(jnp.asarray(theirs.float().numpy(), jnp.bfloat16))
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, torch has {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtype {ours.dtype}, torch has {theirs.dtype}"
    if not np.issubdtype(theirs.dtype, np.inexact) and theirs.dtype.name != "bfloat16":
        np.testing.assert_array_equal(ours, theirs, err_msg=what)
        return
    rtol = RTOL[theirs.dtype.name] if rtol is None else rtol
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite], err_msg=what)
    scale = np.abs(theirs[finite]).max(initial=1e-12)
    worst = np.abs(ours[finite] - theirs[finite]).max(initial=0.0) / scale
    assert worst <= rtol, f"{what}: largest error is {worst:.2e} of the largest value, {rtol:.0e} is allowed"


def assert_same_with_gradients(
    ours: Callable[..., jax.Array], theirs: Callable[..., torch.Tensor], arrays: Sequence[Any],
    *, to_torch: Sequence[Callable[[Any], torch.Tensor]], from_torch: Sequence[Callable[[torch.Tensor], np.ndarray]],
    out: Callable[[torch.Tensor], np.ndarray] = nhwc, rtol: float | None = None,
) -> None:
    """Compares value and the gradient of every argument, for a random cotangent, with `jax.vjp` jitted.

    `to_torch[i]` turns our i-th array into torch's layout, `from_torch[i]` turns its gradient back.
    """
    arrays = [np.asarray(a) for a in arrays]
    tensors = [convert(a).requires_grad_(a.dtype.kind == "f") for convert, a in zip(to_torch, arrays, strict=True)]
    expected = theirs(*tensors)
    result, pullback = jax.vjp(jax.jit(ours), *map(jnp.asarray, arrays))
    assert_close(result, out(expected), rtol=rtol, what="value")
    cotangent = random(99, *result.shape, dtype=result.dtype.name)
    gradients = pullback(jnp.asarray(cotangent))
    axes_back = nchw(cotangent) if out is nhwc else torch.from_numpy(cotangent.copy()).reshape(expected.shape)
    wanted = [t for t in tensors if t.requires_grad]
    reference = dict(zip(map(id, wanted), torch.autograd.grad(expected, wanted, axes_back), strict=True))
    for i, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=True)):
        if tensor.requires_grad:
            assert_close(gradient, from_torch[i](reference[id(tensor)]), rtol=rtol, what=f"gradient of argument {i}")


def same(x: Any) -> torch.Tensor:
    """An array whose axes mean the same in both libraries."""
    return torch.from_numpy(np.asarray(x).copy())


def back(x: torch.Tensor) -> np.ndarray:
    """A tensor whose axes mean the same in both libraries."""
    return x.detach().numpy()
