"""Norms and distances against torch, also at zero vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import funcvision.functional as F

from .reference import assert_close, assert_same_with_gradients, back, random, same

P = [0.5, 1.0, 1.5, 2.0, 3.0, float("inf")]


def compare(ours, theirs, arrays):
    conversions = {"to_torch": [same] * len(arrays), "from_torch": [back] * len(arrays), "out": back}
    assert_same_with_gradients(ours, theirs, arrays, **conversions)


@pytest.mark.parametrize(("p", "dim"), [*((p, -1) for p in P), (2.0, 1)])
def test_normalize(p, dim):
    x = random(0, 2, 3, 4)
    x[0, 0, 0] = 0
    compare(lambda x: F.normalize(x, p, dim), lambda x: T.normalize(x, p, dim), [x])


@pytest.mark.parametrize(("p", "value"), [*((p, 0.0) for p in P), (1.0, 1e-20), (2.0, 1e-20)])
def test_normalize_below_eps(p, value):
    x = np.full((1, 3), value, np.float32)
    compare(lambda x: F.normalize(x, p, eps=1e-3), lambda x: T.normalize(x, p, -1, eps=1e-3), [x])


def test_normalize_by_the_largest_of_equal_elements():
    compare(lambda x: F.normalize(x, np.inf), lambda x: T.normalize(x, np.inf, -1), [np.float32([[2, 1, -2]])])


def test_normalize_accumulates_half_precision_in_float32():
    x = jnp.full((1, 4000), 0.5, jnp.float16)
    expected = T.normalize(torch.full((1, 4000), 0.5), dim=-1).half()
    assert_close(F.normalize(x), expected)
    assert not F.normalize(jnp.zeros((1, 3), jnp.float16)).any()  # eps itself is 0 in float16


@pytest.mark.parametrize(
    ("shape1", "shape2", "dim"), [((2, 3, 4), (2, 3, 4), 1), ((2, 3, 4), (2, 1, 4), -1), ((4,), (4,), 0)]
)
def test_cosine_similarity(shape1, shape2, dim):
    compare(
        lambda a, b: F.cosine_similarity(a, b, dim), lambda a, b: T.cosine_similarity(a, b, dim),
        [random(1, *shape1), random(2, *shape2)],
    )


def test_cosine_similarity_of_short_vectors():
    x1, x2 = np.float32([[0, 0], [1, 2], [1e-9, 0]]), np.float32([[0, 1], [0, 0], [1, 0]])
    compare(F.cosine_similarity, lambda a, b: T.cosine_similarity(a, b, -1), [x1, x2])


@pytest.mark.parametrize(
    ("p", "options"), [(2.0, {}), (1.0, {"eps": 0.0}), (2.0, {"eps": 0.0}), (np.inf, {"keepdim": True})]
)
def test_pairwise_distance(p, options):
    x1, x2 = random(3, 2, 3, 4), random(4, 2, 3, 4)
    x1[0, 0] = x2[0, 0]
    compare(
        lambda a, b: F.pairwise_distance(a, b, p, **options), lambda a, b: T.pairwise_distance(a, b, p, **options),
        [x1, x2],
    )


def test_results_have_the_dtype_of_the_input():
    x = jnp.asarray(random(5, 3, 4), jnp.bfloat16)
    results = F.normalize(x), F.cosine_similarity(x, x), F.pairwise_distance(x, x)
    assert all(r.dtype == jnp.bfloat16 for r in results)
    assert jax.vmap(F.normalize)(x).shape == (3, 4)


@pytest.mark.parametrize("p", [0.0, *P])
def test_pdist(p):
    x = random(6, 5, 3)
    x[1] = x[0]  # a distance of 0
    x[2, 0] = x[3, 0]
    compare(lambda x: F.pdist(x, p), lambda x: T.pdist(x, p), [x])


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (4, 0)])
def test_pdist_of_nothing(shape):
    assert_close(F.pdist(jnp.zeros(shape)), T.pdist(torch.zeros(shape)))


def test_errors_of_pdist():
    with pytest.raises(ValueError, match=r"pdist takes \[n, features\] and got an array of shape \(3,\)"):
        F.pdist(jnp.ones(3))
    with pytest.raises(ValueError, match="positive p; it is -1"):
        F.pdist(jnp.ones((3, 2)), -1.0)
