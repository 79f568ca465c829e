"""How a model of the zoo is compared with torchvision's."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torchvision
from torchvision.models.feature_extraction import create_feature_extractor

from funcvision import nn
from funcvision.vision import models
from tests.parity.layers import arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, nchw, random


def theirs(name: str, **options: Any) -> torch.nn.Module:
    """torchvision's model of this name, without weights."""
    return getattr(torchvision.models, name)(weights=None, **options)


def assert_model_equal(
    name: str, size: tuple[int, int, int], *, train: bool, rtol: float = 1e-8, num_classes: int = 9, **options: Any
) -> None:
    """Logits, every gradient and every new statistic, in float64: there no ReLU falls on the other side of its kink.

    `size` is (batch, height, width). Deep nets multiply float64's rounding: 1e-8 of the largest value is still far
    from any mistake.
    """
    ours = models.get_model(name, num_classes, **options)
    reference = theirs(name, num_classes=num_classes, **options)
    assert_models_equal(ours, reference, size, train=train, rtol=rtol)


def assert_models_equal(
    ours: nn.Module, reference: torch.nn.Module, size: tuple[int, int, int], *, train: bool, rtol: float = 1e-8
) -> None:
    """`assert_model_equal` for two models that are already built."""
    x = random(0, *size, 3)
    key = jax.random.key(0)  # layers that drop nothing ask for none, but blocks with p > 0 and p = 0 are mixed
    assert_layer_equal(ours, reference, [x], dtype="float64", train=train, channels_last=True, rtol=rtol, key=key)


def assert_initial_distributions_equal(ours: nn.Module, build: Any) -> None:
    """First values of ours against torchvision's: moments and extremes of every large array, constants exactly.

    `build()` makes torchvision's model.
    """
    torch.manual_seed(0)
    reference = build().state_dict()
    params, state = ours.init(jax.random.key(0))
    arrays = {**params, **state}
    for name, tensor in reference.items():
        a, b = (np.asarray(v, np.float64).ravel()[:1_000_000] for v in (arrays[name], tensor))
        if b.std() == 0 or not tensor.is_floating_point():  # constants, tables of indices
            np.testing.assert_array_equal(np.sort(a), np.sort(b), err_msg=name)
            continue
        if a.size < 300:
            continue
        assert abs(a.std() / b.std() - 1) < 6 / np.sqrt(a.size) + 1e-3, name
        assert abs(a.mean() - b.mean()) < 9 * b.std() / np.sqrt(a.size), name
        if np.abs(b).max() < 2 * b.std():  # uniform: has an edge
            assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.05, name


def assert_captures_equal(
    ours: nn.Module, reference: torch.nn.Module, size: tuple[int, int, int], names: Sequence[str], *,
    rtol: float = 5e-5,
) -> None:
    """Feature maps by torchvision's node names, in evaluation and float32; maps of four axes are channels-last here.

    Nodes that are channels-last in torchvision too compare as they are. It has no nodes within blocks of its `ops`.
    """
    reference.eval()
    randomise(reference)
    params, state = arrays_of(ours, reference)
    x = random(0, *size, 3)
    with torch.no_grad():
        expected = create_feature_extractor(reference, list(names))(nchw(x))
    _, _, seen = jax.jit(lambda x: ours.apply(params, state, x, capture=tuple(names)))(jnp.asarray(x))
    for name in names:
        value = expected[name]
        if value.ndim == 4 and value.shape != seen[name].shape:
            value = value.permute(0, 2, 3, 1)
        assert_close(seen[name], value, rtol=rtol, what=name)
