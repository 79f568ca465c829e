"""Comparison of models with torchvision's."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torchvision
from torchvision.models import regnet
from torchvision.models.feature_extraction import create_feature_extractor

from funcvision import nn
from funcvision.vision import models
from tests.parity.layers import QUICKLY, arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, nchw, random

FIGURES = ("stride", "padding", "dilation", "groups", "eps", "momentum", "p", "dropout", "num_heads")
"""Attributes of layers that names and shapes of arrays do not show."""


def theirs(name: str, **options: Any) -> torch.nn.Module:
    """torchvision's model of this name with random weights; GoogLeNet and Inception v3 use torch's defaults."""
    if name in ("googlenet", "inception_v3"):  # otherwise torchvision warns, and initialises for minutes
        options.setdefault("init_weights", False)
    return getattr(torchvision.models, name)(weights=None, **options)


def theirs_without_arrays(name: str, **options: Any) -> torch.nn.Module:
    """The same model on the meta device, without memory for arrays."""
    original = regnet.BlockParams.from_init_params.__func__  # it reads values of tensors

    def on_cpu(cls: Any, *args: Any, **kwargs: Any) -> Any:
        with torch.device("cpu"):
            return original(cls, *args, **kwargs)

    with mock.patch.object(regnet.BlockParams, "from_init_params", classmethod(on_cpu)), torch.device("meta"):
        return theirs(name, **options)


def assert_settings_equal(ours: nn.Module, reference: torch.nn.Module) -> None:
    """Asserts that strides, epsilons, probabilities and the like are equal at every path of torchvision's model.

    Modules with children are skipped: they only pass the values on.
    """
    own, compared = dict(ours.named_modules()), 0
    for path, module in reference.named_modules():
        leaf = not any(module.children()) or isinstance(module, torch.nn.MultiheadAttention)
        for figure in FIGURES if leaf else ():
            value = getattr(module, figure, None)
            if value is not None and not isinstance(value, torch.nn.Module):
                assert np.allclose(getattr(own[path], figure), value, rtol=1e-12), (path, figure)
                compared += 1
    assert compared > 20


def assert_model_equal(
    name: str, size: tuple[int, int, int], *, train: bool, rtol: float = 1e-8, num_classes: int = 9, **options: Any
) -> None:
    """Asserts that logits, gradients and new running statistics are equal in float64.

    In float32, rounding can change the sign of a ReLU's input. `size` is (batch, height, width). Deep networks amplify
    rounding errors; 1e-8 of the largest value is far less than any mistake would cause.
    """
    ours = models.get_model(name, num_classes=num_classes, **options)
    reference = theirs(name, num_classes=num_classes, **options)
    assert_models_equal(ours, reference, size, train=train, rtol=rtol)


def assert_models_equal(
    ours: nn.Module, reference: torch.nn.Module, size: tuple[int, int, int], *, train: bool, rtol: float = 1e-8,
    channels_last: bool = True,
) -> None:
    """`assert_model_equal` for two models that are already built."""
    x = random(0, *size, 3)
    key = jax.random.key(0)  # needed by models that mix blocks with p > 0 and p = 0
    assert_layer_equal(
        ours, reference, [x], dtype="float64", train=train, channels_last=channels_last, rtol=rtol, key=key
    )


def drop_probs(model: Any) -> dict[str, float]:
    """The probability of every `StochasticDepth` with p > 0, by path, in a model of funcvision or of torchvision."""
    named = {path: module for path, module in model.named_modules() if type(module).__name__ == "StochasticDepth"}
    return {path: module.p for path, module in named.items() if module.p}


def assert_initial_distributions_equal(ours: nn.Module, build: Any) -> None:
    """Compares initial values: mean, deviation and extremes of large random arrays; buffers and constants exactly.

    `build()` returns torchvision's model.
    """
    torch.manual_seed(0)
    model = build()
    reference, buffers = model.state_dict(), dict(model.named_buffers())
    params, state = ours.init(jax.random.key(0))
    arrays = {**params, **state}
    for name, tensor in reference.items():
        a, b = (np.asarray(v).ravel()[:1_000_000].astype(np.float64) for v in (arrays[name], tensor))
        if b.std() == 0 or name in buffers:
            np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)
            continue
        if a.size < 300:
            continue
        assert abs(a.std() / b.std() - 1) < 6 / np.sqrt(a.size) + 1e-3, name
        assert abs(a.mean() - b.mean()) < 9 * b.std() / np.sqrt(a.size), name
        if np.abs(b).max() < 2 * b.std():  # a uniform distribution: compare its bound
            assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.05, name


def assert_captures_equal(
    ours: nn.Module, reference: torch.nn.Module, size: tuple[int, int, int], names: Sequence[str], *,
    rtol: float = 5e-5,
) -> None:
    """Compares feature maps by torchvision's node names, in evaluation and float32.

    Maps of four axes are transposed to channels last, unless torchvision's are so already. torchvision has no nodes
    inside the blocks of its `ops`.
    """
    reference.eval()
    randomise(reference)
    params, state = arrays_of(ours, reference)
    x = random(0, *size, 3)
    with torch.no_grad():
        expected = create_feature_extractor(reference, list(names))(nchw(x))
    run = jax.jit(lambda p, s, x: ours.apply(p, s, x, capture=tuple(names)), compiler_options=QUICKLY)
    _, _, seen = run(params, state, jnp.asarray(x))
    for name in names:
        value = expected[name]
        if value.ndim == 4 and value.shape != seen[name].shape:
            value = value.permute(0, 2, 3, 1)
        assert_close(seen[name], value, rtol=rtol, what=name)
