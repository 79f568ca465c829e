"""Linear and bilinear maps, embeddings, one-hot vectors, and `Flatten` and `Unflatten`, against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import assert_close, nchw, random, same

INDICES = np.array([[1, 2, 6], [0, 2, 2]])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 7), (7,), (2, 1, 3, 7)])
def test_linear(bias, shape):
    assert_layer_equal(nn.Linear(7, 5, bias), torch.nn.Linear(7, 5, bias), [random(0, *shape)])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(4,), (2, 1, 3), ()])
def test_bilinear(bias, leading):
    inputs = [random(0, *leading, 7), random(1, *leading, 3)]
    assert_layer_equal(nn.Bilinear(7, 3, 5, bias), torch.nn.Bilinear(7, 3, 5, bias), inputs, dtype="float64")


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_embedding(padding_idx):
    ours, theirs = nn.Embedding(7, 3, padding_idx), torch.nn.Embedding(7, 3, padding_idx)
    assert_layer_equal(ours, theirs, [INDICES])
    assert_layer_equal(ours, theirs, [INDICES[0, 1]])


@pytest.mark.parametrize("options", [
    {"max_norm": 1.5}, {"max_norm": 1.5, "norm_type": 1.0}, {"max_norm": 1.0, "norm_type": float("inf")},
    {"max_norm": 0.0}, {"scale_grad_by_freq": True},
    {"max_norm": 1.5, "scale_grad_by_freq": True, "padding_idx": 2},
])  # fmt: skip
def test_options_of_embedding(options):
    """Values and gradient with respect to the table are torch's, whose table is overwritten by `max_norm`."""
    table, cotangent = random(0, 7, 3), random(1, *INDICES.shape, 3)
    weight = same(table).requires_grad_()
    expected = TF.embedding(same(INDICES), weight, **options)
    expected.backward(same(cotangent))
    value, pullback = jax.vjp(jax.jit(lambda w: F.embedding(jnp.asarray(INDICES), w, **options)), jnp.asarray(table))
    assert_close(value, expected)
    assert_close(pullback(jnp.asarray(cotangent))[0], weight.grad)
    ours = nn.Embedding(7, 3, **options)
    assert_close(ours.apply({"weight": jnp.asarray(table)}, {}, INDICES)[0], expected)


def test_sparse_gradients_are_refused():
    indices, table = jnp.asarray(INDICES), jnp.ones((7, 3))
    for call in (lambda: F.embedding(indices, table, sparse=True), lambda: nn.Embedding(7, 3, sparse=True)):
        with pytest.raises(ValueError, match="sparse=True asks for a sparse gradient"):
            call()


def test_embedding_of_an_index_outside_the_table_is_nan():
    """Torch raises, but traced indices cannot be checked. Negative ones do not count from the end either."""
    rows = np.asarray(F.embedding(jnp.array([-1, 0, 7]), jnp.ones((7, 2))))
    np.testing.assert_array_equal(np.isnan(rows).any(-1), [True, False, True])


@pytest.mark.parametrize("num_classes", [-1, 7, 9])
def test_one_hot(num_classes):
    for indices in (INDICES, INDICES[0], INDICES[:, :0]) if num_classes > 0 else (INDICES, INDICES[0]):
        expected = TF.one_hot(same(indices), num_classes).numpy().astype(np.int32)
        assert_close(F.one_hot(jnp.asarray(indices), num_classes), expected)


def test_flatten_uses_torchs_order_of_features():
    x = random(0, 2, 4, 5, 3)
    assert_close(nn.Flatten()(jnp.asarray(x)), torch.nn.Flatten()(nchw(x)))
    assert_close(nn.Flatten()(jnp.asarray(x[:, 0])), torch.nn.Flatten()(nchw(x[:, 0])))
    assert_close(nn.Flatten()(jnp.asarray(x[:, 0, 0])), x[:, 0, 0])


@pytest.mark.parametrize(("dim", "sizes"), [(1, (2, 6)), (-1, (2, 2)), (1, (3, -1)), (0, (1, 5))])
def test_unflatten(dim, sizes):
    x = random(0, 5, 12, 4)
    assert_close(nn.Unflatten(dim, sizes)(jnp.asarray(x)), torch.nn.Unflatten(dim, sizes)(same(x)))


X, TABLE = jnp.ones((2, 7)), jnp.ones((4, 3))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.linear(X, TABLE), ValueError, r"linear takes \[..., 4\] for a weight \(4, 3\) and got \(2, 7\)"),
    (lambda: F.bilinear(X, X, jnp.ones((5, 7, 3))), ValueError, r"takes \[..., 7\] and \[..., 3\].*got \(2, 7\) and"),
    (lambda: F.bilinear(X, X[:1], jnp.ones((5, 7, 7))), ValueError, r"\(2, 7\) and \(1, 7\)"),
    (lambda: F.embedding(X, TABLE), TypeError, "embedding takes integer indices and got float32"),
    (lambda: F.embedding(jnp.array([1]), TABLE, 4), ValueError, "padding_idx=4 is no row of a table of 4"),
    (lambda: nn.Embedding(4, 3, -5), ValueError, "padding_idx=-5 is no row of a table of 4"),
    (lambda: F.one_hot(X), TypeError, "one_hot takes integers and got float32"),
    (lambda: F.one_hot(jnp.array([1]), 0), ValueError, "num_classes of 1 or more, or -1 to find it; got 0"),
    (lambda: jax.jit(F.one_hot)(jnp.array([1])), ValueError, "under jit or of no input: pass num_classes"),
    (lambda: F.one_hot(jnp.zeros((0,), jnp.int32)), ValueError, "of no input"),
    (lambda: nn.Unflatten(1, (2, -1))(X), ValueError, r"axis 1 of \(2, 7\) does not split into \(2, -1\)"),
    (lambda: nn.Unflatten(1, (2, 3))(X), ValueError, "does not split"),
    (lambda: nn.Unflatten(1, (-1, -1))(X), ValueError, "does not split"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
