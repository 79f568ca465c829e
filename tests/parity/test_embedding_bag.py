"""`embedding_bag` against torch: value and gradients, every mode and option, empty bags and padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn

from .layers import assert_layer_equal
from .reference import assert_close, assert_same_with_gradients, back, random, same

TABLE = random(0, 6, 3)
TABLE[3] = TABLE[2]  # ties, of which the first gets the gradient
BAGS = np.array([[1, 2, 3, 5], [0, 3, 2, 2], [5, 5, 5, 5]])
OFFSETS = np.array([0, 0, 3, 8, 8])  # two empty bags


@pytest.mark.parametrize(("padding_idx", "max_norm"), [(None, None), (5, 1.0), (-4, None)])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("kind", ["matrix", "offsets", "last offset"])
def test_value_and_gradient(kind, mode, padding_idx, max_norm):
    options = {"mode": mode, "padding_idx": padding_idx, "max_norm": max_norm}
    indices, offsets = BAGS, None
    if kind != "matrix":
        indices, offsets = BAGS.ravel(), OFFSETS
        if kind == "last offset":
            offsets, options["include_last_offset"] = np.array([0, 0, 3, 8, 12]), True
    weight, cotangent = same(TABLE).requires_grad_(), random(1, 3 if offsets is None else 4 + (kind == "offsets"), 3)
    expected = TF.embedding_bag(same(indices), weight, None if offsets is None else same(offsets), **options)
    (gradient,) = torch.autograd.grad(expected, weight, same(cotangent))
    ours = lambda w: F.embedding_bag(
        jnp.asarray(indices), w, None if offsets is None else jnp.asarray(offsets), **options
    )
    value, pullback = jax.vjp(jax.jit(ours), jnp.asarray(TABLE))
    assert_close(value, expected)
    assert_close(pullback(jnp.asarray(cotangent))[0], gradient)


@pytest.mark.parametrize("kind", ["matrix", "offsets"])
def test_weights_of_the_rows(kind):
    indices, offsets = (BAGS, None) if kind == "matrix" else (BAGS.ravel(), OFFSETS)
    options = {"mode": "sum", "padding_idx": 2}
    ours_offsets, theirs_offsets = (None, None) if offsets is None else (jnp.asarray(offsets), same(offsets))
    assert_same_with_gradients(
        lambda w, p: F.embedding_bag(jnp.asarray(indices), w, ours_offsets, per_sample_weights=p, **options),
        lambda w, p: TF.embedding_bag(same(indices), w, theirs_offsets, per_sample_weights=p, **options),
        [TABLE, random(2, *indices.shape)], to_torch=[same, same], from_torch=[back, back], out=back,
    )


def test_gradients_scaled_by_frequency():
    """As those of `embedding`. Torch's embedding_bag divides by the count of another row on a CPU."""
    weight = same(TABLE).requires_grad_()
    TF.embedding(same(BAGS), weight, scale_grad_by_freq=True).sum().backward()
    for indices, offsets in ((BAGS, None), (BAGS.ravel(), jnp.asarray(OFFSETS))):
        bag = functools.partial(F.embedding_bag, jnp.asarray(indices), scale_grad_by_freq=True, mode="sum")
        gradient = jax.jit(jax.grad(lambda w, bag=bag, offsets=offsets: bag(w, offsets).sum()))(TABLE)
        assert_close(gradient, weight.grad)


def test_bags_of_no_index():
    table = jnp.asarray(TABLE)
    for mode in ("sum", "mean", "max"):
        np.testing.assert_array_equal(F.embedding_bag(jnp.zeros((2, 0), int), table, mode=mode), np.zeros((2, 3)))
        empty = F.embedding_bag(jnp.zeros(0, int), table, jnp.zeros(2, int), mode=mode)
        np.testing.assert_array_equal(empty, np.zeros((2, 3)))


@pytest.mark.parametrize("options", [{"mode": "sum"}, {"padding_idx": 2}, {"mode": "max", "include_last_offset": True}])
def test_layer(options):
    ours, theirs = nn.EmbeddingBag(6, 3, **options), torch.nn.EmbeddingBag(6, 3, **options)
    assert_layer_equal(ours, theirs, [BAGS.ravel(), np.array([0, 3, 12])])
    assert_layer_equal(ours, theirs, [BAGS])
    params, _ = ours.init(jax.random.key(0))
    assert ("padding_idx" in options) == (not params["weight"][2].any())


def test_bfloat16_sums_are_accumulated_in_float32():
    table = jnp.full((2, 1), 1.0, jnp.bfloat16)
    indices = jnp.zeros((1, 300), int)
    assert F.embedding_bag(indices, table, mode="sum").astype(jnp.float32) == 300
    assert F.embedding_bag(indices[0], table, jnp.zeros(1, int), mode="sum").dtype == jnp.bfloat16


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda i, w: F.embedding_bag(i, w, mode="min"), ValueError, "mode='min'; give \"sum\", \"mean\" or \"max\""),
    (lambda i, w: F.embedding_bag(i[0], w), ValueError, r"\[length\] with offsets; got \(4,\) and none"),
    (lambda i, w: F.embedding_bag(i, w, jnp.array([0])), ValueError, r"got \(3, 4\) and offsets \(1,\)"),
    (lambda i, w: F.embedding_bag(i[0], w, jnp.zeros(1)), TypeError, "integer offsets and got float32"),
    (lambda i, w: F.embedding_bag(i, w, sparse=True), ValueError, "sparse=True"),
    (lambda i, w: F.embedding_bag(i, w, mode="max", scale_grad_by_freq=True), ValueError, "scale_grad_by_freq is for"),
    (lambda i, w: F.embedding_bag(i, w, per_sample_weights=jnp.ones((3, 4))), ValueError, 'for mode="sum"'),
    (lambda i, w: F.embedding_bag(i, w, mode="sum", per_sample_weights=jnp.ones(4)), ValueError, r"got \(4,\)"),
    (lambda i, w: F.embedding_bag(i, w, padding_idx=6), ValueError, "no row of a table of 6 rows"),
    (lambda i, w: nn.EmbeddingBag(6, 3, sparse=True), ValueError, "EmbeddingBag: sparse=True"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(jnp.asarray(BAGS), jnp.asarray(TABLE))
