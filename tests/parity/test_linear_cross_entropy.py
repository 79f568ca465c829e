"""Cross-entropy of a linear map against torch: value and gradients, every option, in one piece and in parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn

from .layers import assert_layer_equal
from .reference import assert_same_with_gradients, back, random, same

INDICES = np.array([0, 4, 2, 1, 3, 2, 2])
WEIGHT = random(7, 5, low=0.1, high=2.0)
PARTS = nn.LinearCrossEntropyOptions(batch_chunk_size=3)  # 7 rows: the last part is padded


def classes_second(x):
    """[..., *sizes, classes] as torch's [batch, classes, *sizes]."""
    return same(np.moveaxis(x, -1, 1) if x.ndim > 1 else x)


def compare(inputs, sizes, target, *, bias=False, probabilities=False, chunked=None, **options):
    """Value and gradients of all floating-point arrays. The weight is [in, *sizes], torch's [classes, ..., in]."""
    arrays = [random(0, *inputs), random(1, inputs[-1], *sizes)] + [random(2, *sizes)] * bias
    given = {name: same(value) if isinstance(value, np.ndarray) else value for name, value in options.items()}
    to_torch = [same, lambda w: same(np.moveaxis(np.moveaxis(w, 0, -1), -2, 0))]
    from_torch = [back, lambda t: np.moveaxis(np.moveaxis(back(t), -1, 0), 1, -1)]
    if bias:
        to_torch.append(lambda b: same(np.moveaxis(b, -1, 0)))
        from_torch.append(lambda t: np.moveaxis(back(t), 0, -1))
    tensor = classes_second(target) if probabilities else same(target)
    assert_same_with_gradients(
        lambda x, w, *b: F.linear_cross_entropy(
            x, w, jnp.asarray(target), linear_bias=b[0] if b else None, options=chunked, **options
        ),
        lambda x, w, *b: TF.linear_cross_entropy(x, w, tensor, linear_bias=b[0] if b else None, **given),
        arrays, to_torch=to_torch, from_torch=from_torch, out=back,
    )


@pytest.mark.parametrize("chunked", [None, PARTS])
@pytest.mark.parametrize("options", [
    {}, {"reduction": "sum", "bias": True}, {"reduction": "none", "weight": WEIGHT},
    {"weight": WEIGHT, "ignore_index": 2, "label_smoothing": 0.2, "bias": True},
])
def test_class_indices(options, chunked):
    compare((7, 6), (5,), INDICES, chunked=chunked, **options)


@pytest.mark.parametrize("chunked", [None, PARTS])
def test_class_probabilities(chunked):
    probabilities = random(3, 7, 5, low=0.0)
    compare((7, 6), (5,), probabilities, probabilities=True, weight=WEIGHT, label_smoothing=0.1, chunked=chunked)


@pytest.mark.parametrize("chunked", [None, PARTS])
def test_several_predictions_from_a_row(chunked):
    target = np.random.default_rng(4).integers(0, 5, (7, 2, 3))
    target[0, 0] = -100
    compare((7, 6), (2, 3, 5), target, bias=True, weight=WEIGHT, chunked=chunked)
    compare((7, 6), (2, 3, 5), random(5, 7, 2, 3, 5, low=0.0), probabilities=True, reduction="none", chunked=chunked)


def test_one_row():
    compare((6,), (5,), np.array(3), bias=True)


@pytest.mark.parametrize("options", [
    {"bias": True}, {"out_features": (2, 3), "ignore_index": 1}, {"label_smoothing": 0.1, "reduction": "sum"},
])
def test_layer(options):
    target = np.random.default_rng(4).integers(0, 5, (7, *options.get("out_features", ())))
    theirs = torch.nn.LinearCrossEntropyLoss(6, 5, **options)
    for parts in (None, PARTS):
        assert_layer_equal(nn.LinearCrossEntropyLoss(6, 5, options=parts, **options), theirs, [random(0, 7, 6), target])


def test_parts_hold_fewer_logits_at_once():
    """The largest array of the compiled gradient is not that of all logits."""
    x, w, target = jnp.ones((512, 4)), jnp.ones((4, 1024)), jnp.zeros(512, int)

    def temporary_bytes(options):
        f = jax.grad(lambda x: F.linear_cross_entropy(x, w, target, options=options))
        return jax.jit(f).lower(x).compile().memory_analysis().temp_size_in_bytes

    logits = 4 * 512 * 1024
    assert temporary_bytes(None) >= logits
    assert temporary_bytes(nn.LinearCrossEntropyOptions()) < logits / 8
    assert temporary_bytes(nn.LinearCrossEntropyOptions(batch_chunk_size=64)) < logits / 2
    assert temporary_bytes(nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:4")) < logits / 8


def test_options_have_the_names_and_order_of_torchs():
    ours, theirs = (dataclasses.fields(m.LinearCrossEntropyOptions) for m in (nn, torch.nn))
    assert [(f.name, f.default) for f in ours] == [(f.name, f.default) for f in theirs]
    for method in ("ratio", "aspect_ratio:0", "aspect_ratio:x"):
        with pytest.raises(ValueError, match="chunking_method"):
            nn.LinearCrossEntropyOptions(chunking_method=method)
    assert nn.LinearCrossEntropyOptions(chunking_method=None).rows(4, 1024, 512) == 512


X, W = jnp.ones((4, 6)), jnp.ones((6, 5))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.linear_cross_entropy(X, W.T, jnp.zeros(4, int)), ValueError, r"got shapes \(4, 6\) and \(5, 6\)"),
    (lambda: F.linear_cross_entropy(X, W, jnp.zeros(3, int)), ValueError, r"indices \(4,\) or probabilities \(4, 5\)"),
    (lambda: F.linear_cross_entropy(X, W, jnp.zeros(4, int), linear_bias=X[0]), ValueError, r"a bias of shape \(5,\)"),
    (lambda: F.linear_cross_entropy(X, W, jnp.ones((4, 5)), ignore_index=1), ValueError, "ignore_index is for class"),
    (
        lambda: F.linear_cross_entropy(X, W, jnp.zeros(4, int), options=nn.LinearCrossEntropyOptions(False, 0)),
        ValueError, "batch_chunk_size must be an integer of 1 or more",
    ),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
