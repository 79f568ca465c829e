"""Transformer layers, encoder, decoder and the whole against torch, with gradients in float64 where there is a ReLU."""

import jax
import numpy as np
import pytest
import torch

from funcvision import functional as F
from funcvision import nn
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import assert_close, random

KPM = np.array([[0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], bool)
CAUSAL = ~np.tri(5, dtype=bool)
BATCH_FIRST = {"batch_first": True, "dropout": 0.0}
SOURCE, TARGET = random(0, 3, 5, 8), random(1, 3, 4, 8)


def both(name, *args, **options):
    return getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)


@pytest.mark.parametrize(("options", "masks"), [
    ({}, {}),
    ({"norm_first": True}, {"src_mask": CAUSAL, "is_causal": True}),
    ({"activation": "gelu", "bias": False}, {"src_key_padding_mask": KPM}),
    ({"layer_norm_eps": 0.1}, {"src_mask": random(3, 6, 5, 5), "src_key_padding_mask": random(4, 3, 5)}),
])
@pytest.mark.parametrize("train", [False, True])
def test_encoder_layer(options, masks, train):
    ours, theirs = both("TransformerEncoderLayer", 8, 2, 16, **BATCH_FIRST, **options)
    assert_layer_equal(ours, theirs, [SOURCE], train=train, dtype="float64", **masks)


def test_encoder_layer_with_a_function_and_no_batch():
    ours = nn.TransformerEncoderLayer(8, 2, 16, activation=F.silu)
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, activation=torch.nn.functional.silu)
    assert_layer_equal(ours, theirs, [SOURCE[0]])
    assert_layer_equal(ours, theirs, [SOURCE[:1].swapaxes(0, 1).copy()])


@pytest.mark.parametrize(("options", "masks"), [
    ({}, {"tgt_mask": CAUSAL[:4, :4], "tgt_is_causal": True, "memory_key_padding_mask": KPM}),
    ({"norm_first": True}, {"tgt_key_padding_mask": KPM[:, :4], "memory_mask": CAUSAL[:4]}),
])
def test_decoder_layer(options, masks):
    ours, theirs = both("TransformerDecoderLayer", 8, 2, 16, **BATCH_FIRST, **options)
    assert_layer_equal(ours, theirs, [TARGET, SOURCE], train=True, dtype="float64", **masks)


def test_encoder():
    """In evaluation torch has a fast path, which writes zeros at padded keys. Autograd turns it off."""
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, nn.LayerNorm(8))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16)
    theirs = torch.nn.TransformerEncoder(layer, 3, torch.nn.LayerNorm(8), enable_nested_tensor=False)
    inputs = [SOURCE.swapaxes(0, 1).copy()]
    assert_layer_equal(ours, theirs, inputs, dtype="float64", mask=CAUSAL, src_key_padding_mask=KPM, is_causal=True)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("train", [False, True])
def test_transformer(train):
    ours, theirs = both("Transformer", 8, 2, 2, 1, 16, 0.0, "gelu", norm_first=True)
    inputs = [x.swapaxes(0, 1).copy() for x in (SOURCE, TARGET)]
    assert_layer_equal(
        ours, theirs, inputs, train=train, dtype="float64", src_mask=CAUSAL, tgt_mask=CAUSAL[:4, :4],
        memory_mask=CAUSAL[:4], src_key_padding_mask=KPM, tgt_key_padding_mask=KPM[:, :4], memory_key_padding_mask=KPM,
        tgt_is_causal=True,
    )


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_names_have_the_order_of_the_state_dict(options):
    ours, theirs = both("Transformer", 8, 2, 2, 2, 16, **options)
    assert list(ours.declarations()) == list(theirs.state_dict())


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_transformer_starts_from_glorot_uniform_weights():
    ours, theirs = both("Transformer", 60, 2, 1, 1, 70)
    params, _ = ours.init(jax.random.key(0))
    for name, tensor in theirs.state_dict().items():
        bound = float(tensor.abs().max())
        largest = np.abs(params[name]).max()
        assert largest == pytest.approx(bound, rel=0.01 if tensor.ndim > 1 else 0.2, abs=1e-6), name


def test_causal_mask():
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(5)
    assert_close(nn.Transformer.generate_square_subsequent_mask(5), theirs)
