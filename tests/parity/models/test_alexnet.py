"""AlexNet against torchvision's."""

import jax
import jax.numpy as jnp
import pytest
import torch

from funcvision import nn
from funcvision.vision import models
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)


def small_pair(**options) -> tuple[nn.Module, torch.nn.Module]:
    """Both networks with hidden layers of 12 and 10 features, in place of 4096 with 54 million weights."""
    ours = models.alexnet(9, **options)
    with torch.device("meta"):
        reference = theirs("alexnet", num_classes=9, **options)
    for index, sizes in (("1", (9216, 12)), ("4", (12, 10)), ("6", (10, 9))):
        ours = ours.replace(f"classifier.{index}", nn.Linear(*sizes))
        reference.classifier[int(index)] = torch.nn.Linear(*sizes, device="meta")
    return ours, reference.to_empty(device="cpu")


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(*small_pair(dropout=0.0), (2, 71, 64), train=train)


def test_initial_distributions():
    ours, reference = small_pair()
    for layer in reference.modules():  # torchvision's AlexNet keeps the default initial values of its layers
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    assert_initial_distributions_equal(ours, lambda: reference)


def test_captures():
    names = ["features.2", "features.9", "features", "avgpool", "flatten", "classifier.2", "classifier.6"]
    assert_captures_equal(*small_pair(), (1, 63, 80), names)


def test_both_hidden_layers_drop_out():
    ours, _ = small_pair(dropout=0.9)
    params, state = ours.init(jax.random.key(0))
    names = ("flatten", "classifier.0", "classifier.2", "classifier.3")
    x = jnp.ones((2, 63, 63, 3))
    _, _, seen = ours.apply(params, state, x, train=True, key=jax.random.key(1), capture=names)
    for before, after in (names[:2], names[2:]):
        assert (seen[after] == 0).sum() > (seen[before] == 0).sum()
    with pytest.raises(ValueError, match=r"classifier.0.*got no key"):
        ours.apply(params, state, x, train=True)
