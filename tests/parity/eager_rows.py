"""Rows of tables: one function of torch and of the eager face, run on the same arrays and compared.

A row of a table is `(function, *arrays)`; `function(t, *tensors)` gets the module, torch or the eager face, as `t`.
"""

import contextlib
import functools
import warnings

import jax
import numpy as np
import torch

from funcvision import eager

__all__ = ["assert_row", "floats", "integers", "positive", "units"]


@functools.cache
def _generator(seed):
    return np.random.default_rng(seed)


def floats(*shape, dtype="float32", seed=0):
    """Normal numbers; complex ones for a complex dtype."""
    random = np.random.default_rng((seed, len(shape), *shape))
    x = random.normal(size=shape)
    return np.asarray(x + 1j * random.normal(size=shape) if dtype.startswith("complex") else x, dtype)


def positive(*shape, dtype="float32", seed=0):
    """Numbers from 0.2 on."""
    return np.abs(floats(*shape, dtype=dtype, seed=seed)) + np.asarray(0.2, dtype)


def units(*shape, dtype="float32", seed=0):
    """Numbers between -0.9 and 0.9."""
    return np.asarray(0.9 * np.tanh(floats(*shape, dtype=dtype, seed=seed)), dtype)


def integers(low, high, *shape, dtype="int64", seed=0):
    """Integers from `low` up to `high`, which is excluded."""
    return np.random.default_rng((seed, len(shape), *shape)).integers(low, high, shape).astype(dtype)


def assert_row(function, *arrays, rtol=2e-5, atol=2e-6, x64=False, gradients=True):
    """Runs the function on both sides and compares. Where torch's result requires a gradient, ours must."""
    arrays = [_wider(array) if x64 else array for array in arrays]
    if x64:
        rtol, atol = min(rtol, 1e-8), min(atol, 1e-9)
    with jax.enable_x64(True) if x64 else contextlib.nullcontext(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's notices about deprecated functions
        ours = [eager.tensor(array, requires_grad=_floating(array) and gradients) for array in arrays]
        theirs = [torch.tensor(array, requires_grad=_floating(array) and gradients) for array in arrays]
        results, wanted = _leaves(function(eager, *ours)), _leaves(function(torch, *theirs))
        assert len(results) == len(wanted)
        for result, expected in zip(results, wanted, strict=True):
            _assert_equal("value", result, expected, rtol, atol)
        if not gradients:
            return
        for place, (result, expected) in enumerate(zip(results, wanted, strict=True)):
            if getattr(expected, "requires_grad", False):
                assert result.requires_grad
                weights = floats(*expected.shape, dtype=str(expected.dtype).removeprefix("torch."), seed=7 + place)
                expected.backward(torch.tensor(weights), retain_graph=True)
                result.backward(eager.tensor(weights), retain_graph=True)
        for place, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            if their.grad is not None and (our.grad is not None or their.grad.abs().sum() > 0):
                assert our.grad is not None, f"argument {place} has no gradient"
                _assert_equal(f"gradient {place}", our.grad, their.grad, rtol, atol)


def _wider(array):
    return array.astype({"float32": "float64", "complex64": "complex128"}.get(array.dtype.name, array.dtype))


def _floating(array):
    return array.dtype.kind in "fc"


def _leaves(result):
    return [leaf for part in result for leaf in _leaves(part)] if isinstance(result, tuple | list) else [result]


def _assert_equal(what, ours, theirs, rtol, atol):
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs, what
        return
    ours, theirs = np.asarray(ours.detach()), theirs.numpy(force=True)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, torch has {theirs.shape}"
    assert ours.dtype == jax.dtypes.canonicalize_dtype(theirs.dtype), f"{what}: {ours.dtype}, torch has {theirs.dtype}"
    scale = np.max(np.abs(theirs[np.isfinite(theirs)]), initial=1.0) if theirs.dtype.kind in "fc" else 1
    np.testing.assert_allclose(ours, theirs, rtol if theirs.dtype.kind in "fc" else 0, atol * scale, err_msg=what)
