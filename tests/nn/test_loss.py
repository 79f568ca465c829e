import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcvision.functional as F
from funcvision import nn

LOGITS, LABELS = jax.random.normal(jax.random.key(0), (6, 3)), jnp.array([0, 1, 2, 0, 1, 2])


def test_weights_are_numbers_and_no_arrays():
    loss = nn.CrossEntropyLoss(jnp.array([1.0, 2.0, 4.0]), label_smoothing=0.1)
    assert loss.weight == (1.0, 2.0, 4.0)
    assert loss.init(jax.random.key(0)) == ({}, {})
    expected = F.cross_entropy(LOGITS, LABELS, (1.0, 2.0, 4.0), label_smoothing=0.1)
    for same in (loss, jax.jit(loss), pickle.loads(pickle.dumps(loss)), lambda *a: loss.apply({}, {}, *a)[0]):
        np.testing.assert_allclose(same(LOGITS, LABELS), expected, rtol=1e-6)


def test_options_are_shown_and_arguments_may_be_named():
    assert repr(nn.HuberLoss(delta=0.5)) == "HuberLoss(reduction='mean', delta=0.5)"
    np.testing.assert_allclose(nn.MSELoss()(input=LOGITS, target=LOGITS + 1), 1, rtol=1e-6)


def test_errors_name_the_layer_in_a_model():
    with pytest.raises(ValueError, match="one shape") as caught:
        nn.ModuleDict({"loss": nn.MSELoss()})["loss"].apply({}, {}, LOGITS, LABELS)
    assert any("MSELoss" in note for note in caught.value.__notes__)
