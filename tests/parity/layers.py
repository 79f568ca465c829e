"""Compares a layer or model with torch's: with the same arrays, outputs, gradients and new state must agree."""

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from funcvision import nn
from tests.parity.reference import assert_close, nchw, nhwc, random, same

QUICKLY = {"xla_backend_optimization_level": 0}
"""For programs that run once: XLA's passes are the same, but LLVM takes half as long."""


def randomise(theirs: torch.nn.Module, seed: int = 0) -> None:
    """Gives every array of a torch module a value that no initialiser gives, so that ignoring an array is noticed.

    Weights keep the variance of the signal. Weights of norms and running variances are in [0.5, 1.5), other arrays in
    [-0.5, 0.5). Counts of batches are 3. Tables of indices are not changed: if all indices were equal, the tests would
    not notice a wrong order.
    """
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, tensor in (*theirs.named_parameters(), *theirs.named_buffers()):
            if not tensor.is_floating_point():
                values = np.full((), 3) if tensor.ndim == 0 else tensor.numpy()
            elif isinstance(tensor, torch.nn.Parameter) and tensor.ndim >= 2:
                values = rng.standard_normal(tensor.shape) / np.sqrt(tensor[0].numel())
            else:
                positive = name.rpartition(".")[2] in ("weight", "running_var")
                values = rng.uniform(-0.5, 0.5, tensor.shape) + positive
            tensor.copy_(torch.from_numpy(np.asarray(values)))


def arrays_of(ours: nn.Module, theirs: torch.nn.Module) -> tuple[nn.Arrays, nn.Arrays]:
    """(params, state) of a description with the values of a torch module. Both must declare the same names."""
    tensors = _tensors(theirs)
    declared = ours.declarations()
    assert declared.keys() == tensors.keys(), f"names on one side only: {sorted(declared.keys() ^ tensors.keys())}"
    params, state = {}, {}
    for name, declaration in declared.items():
        assert declaration.shape == tuple(tensors[name].shape), name
        array = jnp.array(stored(tensors[name], declaration))  # a copy: torch changes its buffers in place
        (params if isinstance(declaration, nn.Param) else state)[name] = array
    return params, state


def assert_layer_equal(
    ours: nn.Module, theirs: torch.nn.Module, inputs: Sequence[Any], *, dtype: str = "float32", train: bool = False,
    channels_last: bool = False, key: jax.Array | None = None, rtol: float | None = None, keep_values: bool = False,
    gradients: bool = True, **options: Any,
) -> None:
    """Compares a layer or model with torch's, with the same arrays in both.

    It compares all outputs, the gradients with respect to all floating-point inputs and parameters for random
    cotangents, and in training the new state. The description runs jitted.

    Args:
        ours: a description.
        theirs: a torch module with the same names and shapes. Its values, dtype and mode are changed.
        inputs: the positional arguments: arrays in funcvision's layout, or trees of arrays such as an LSTM's (h, c).
        dtype: the dtype of both sides, to which floating-point arrays are cast. Deep models need "float64" to compare
            gradients.
        train: the mode of both. Random layers need p = 0, because both sides draw different numbers.
        channels_last: inputs and outputs with at least three axes are [batch, ..., channels] in funcvision and
            channels-first in torch.
        key: the random key, for layers that need one.
        rtol: a tolerance that replaces that of the dtype.
        keep_values: compare with the values in `theirs`, not with random ones.
        gradients: whether to compare gradients, too.
        options: keyword arguments of both calls. Arrays among them (masks) are converted and not differentiated.
    """
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        theirs.to(getattr(torch, dtype)).train(train)
        if not keep_values:
            randomise(theirs)
        params, state = arrays_of(ours, theirs)
        static = {name: v for name, v in options.items() if not isinstance(v, np.ndarray)}
        masks = {name: v for name, v in options.items() if name not in static}
        inputs, masks = jax.tree.map(lambda x: x.astype(dtype) if x.dtype.kind == "f" else x, (tuple(inputs), masks))

        tensors = jax.tree.map(lambda x: _to_torch(x, channels_last), inputs)
        for tensor in jax.tree.leaves(tensors):
            tensor.requires_grad_(gradients and tensor.is_floating_point())
        results = jax.tree.leaves(theirs(*tensors, **{name: same(v) for name, v in masks.items()}, **static))
        expected = [_from_torch(result, channels_last) for result in results]
        cotangents = [
            random(90 + i, *array.shape, dtype=dtype) if gradients and results[i].requires_grad else None
            for i, array in enumerate(expected)
        ]

        # Copies, because torch's recomputation changes its buffers.
        statistics = {name: tensor.clone() for name, tensor in theirs.named_buffers()}
        pulled = {f"input {i}": t for i, t in enumerate(jax.tree.leaves(tensors)) if t.requires_grad}
        pulled |= {name: p for name, p in theirs.named_parameters() if gradients and p.requires_grad}
        declared = ours.declarations()
        reference = {
            name: stored(gradient, declared[name]) if name in declared else _from_torch(gradient, channels_last)
            for name, gradient in _torch_gradients(results, cotangents, pulled, channels_last).items()
        }
        del results, pulled  # frees what torch stored for its gradients, which can be large

        def forward(params: Any, inputs: Any) -> Any:
            arrays = {name: jnp.asarray(v) for name, v in masks.items()}
            output, new_state = ours.apply(params, state, *inputs, train=train, key=key, **arrays, **static)
            leaves = jax.tree.leaves(output)
            shapes = [leaf.shape for leaf in leaves], [array.shape for array in expected]
            assert shapes[0] == shapes[1], f"outputs of shapes {shapes[0]}, torch's are {shapes[1]}"
            return _where_given(leaves, cotangents), (leaves, new_state)

        @functools.partial(jax.jit, compiler_options=QUICKLY, donate_argnums=0)
        def run(params: Any, inputs: Any, cotangents: Any) -> Any:
            _, pullback, (leaves, new_state) = jax.vjp(forward, params, inputs, has_aux=True)
            return leaves, new_state, pullback(cotangents)

        outputs, new_state, (by_params, by_inputs) = run(params, inputs, _where_given(cotangents, cotangents))

        for i, (output, array) in enumerate(zip(outputs, expected, strict=True)):
            assert_close(output, array, rtol=rtol, what=f"output {i}")
        if train:
            _assert_same_state(ours, statistics, new_state, rtol)
        found = {f"input {i}": gradient for i, gradient in enumerate(jax.tree.leaves(by_inputs))} | by_params
        _assert_same_gradients(found, reference, rtol)


def _torch_gradients(
    results: list[torch.Tensor], cotangents: list[Any], tensors: dict[str, torch.Tensor], channels_last: bool
) -> dict[str, torch.Tensor]:
    if not tensors:
        return {}
    gradients = torch.autograd.grad(
        _where_given(results, cotangents), list(tensors.values()),
        [_to_torch(cotangent, channels_last) for cotangent in cotangents if cotangent is not None],
        allow_unused=True, materialize_grads=True,
    )
    return dict(zip(tensors, gradients, strict=True))


def _where_given(values: list[Any], cotangents: list[Any]) -> list[Any]:
    return [value for value, cotangent in zip(values, cotangents, strict=True) if cotangent is not None]


def _tensors(theirs: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of the state dict of a module, with each shared tensor once."""
    saved = theirs.state_dict()
    return {n: t.detach() for n, t in (*theirs.named_parameters(), *theirs.named_buffers()) if n in saved}


def stored(tensor: torch.Tensor, declaration: Any) -> np.ndarray:
    return tensor.detach().numpy().transpose(declaration.axes)


def _to_torch(x: Any, channels_last: bool) -> torch.Tensor:
    return nchw(x) if channels_last and np.ndim(x) >= 3 else same(x)


def _from_torch(x: torch.Tensor, channels_last: bool) -> np.ndarray:
    return nhwc(x) if channels_last and x.ndim >= 3 else x.detach().numpy()


def _assert_same_state(
    ours: nn.Module, tensors: dict[str, torch.Tensor], new_state: nn.Arrays, rtol: float | None
) -> None:
    declared = ours.declarations()
    for name, array in new_state.items():
        reference = stored(tensors[name], declared[name])
        if reference.dtype.kind == "i":  # torch counts in int64
            reference = reference.astype(array.dtype)
        assert_close(array, reference, rtol=rtol, what=name)


def _assert_same_gradients(found: dict[str, Any], reference: dict[str, np.ndarray], rtol: float | None) -> None:
    """If torch's gradient is only rounding error (a bias before a batch norm), the other gradient must be so, too."""
    largest = max((np.abs(array).max(initial=0.0) for array in reference.values()), default=0.0)
    for name, array in reference.items():
        tiny = 100 * np.finfo(array.dtype).eps * largest
        what = f"gradient of {name}"
        if np.abs(array).max(initial=0.0) > tiny:
            assert_close(found[name], array, rtol=rtol, what=what)
        else:
            assert found[name].shape == array.shape, what
            assert np.abs(found[name]).max(initial=0.0) <= tiny, f"{what} is zero in torch and not in funcvision"
