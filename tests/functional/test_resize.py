"""Resizing: derivatives, vmap, leading axes, laws, and the errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from funcvision import functional as F
from funcvision.functional._resample import FILTERS, filter_taps, mean_taps

CALLS = {
    "nearest, repeated": lambda x: F.interpolate(x, (8, 10)),
    "nearest": lambda x: F.interpolate(x, (3, 8)),
    "bilinear": lambda x: F.interpolate(x, (3, 8), mode="bilinear"),
    "bicubic, antialias": lambda x: F.interpolate(x, (2, 3), mode="bicubic", antialias=True),
    "area": lambda x: F.interpolate(x, (3, 3), mode="area"),
    "pixel_shuffle": lambda x: F.pixel_shuffle(jnp.concatenate([x, x], -1), 2),
}


def image(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize("name", CALLS)
def test_derivatives_forward_and_reverse(name):
    check_grads(jax.jit(CALLS[name]), (image(4, 5, 2),), order=1, rtol=1e-2)


def test_hessian_is_symmetric():
    hessian = jax.jit(jax.hessian(lambda x: jnp.sum(jnp.sin(CALLS["bilinear"](x)))))(image(3, 4, 1)).reshape(12, 12)
    assert np.abs(hessian).max() > 0
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-5)


@pytest.mark.parametrize("name", CALLS)
def test_vmap_and_leading_axes(name):
    x, call = image(2, 3, 4, 5, 2), jax.jit(CALLS[name])
    y = call(x)
    np.testing.assert_allclose(y, jax.vmap(jax.vmap(call))(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[1, 2], call(x[1, 2]), rtol=1e-5, atol=1e-6)


def test_which_axes_are_spatial():
    x = image(2, 6, 4, 3)
    assert F.interpolate(x, 5).shape == (2, 5, 5, 3)
    assert F.interpolate(x, (5,)).shape == (2, 6, 5, 3)
    assert F.interpolate(x, scale_factor=(2, 0.5, 1)).shape == (4, 3, 4, 3)
    assert F.interpolate(x, 5, mode="linear").shape == (2, 6, 5, 3)
    assert F.interpolate(x[0], 5, mode="bilinear").shape == (5, 5, 3)
    assert F.interpolate(x, 5, mode="trilinear").shape == (5, 5, 5, 3)
    assert F.interpolate(x, 2, mode="area").shape == (2, 2, 2, 3)


sizes = st.integers(1, 40)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, st.sampled_from(list(FILTERS)), st.booleans(), st.booleans())
def test_weights_add_up_to_one_and_lie_inside(size, out, name, align_corners, antialias):
    antialias = antialias or name == "lanczos"
    taps = filter_taps(
        size, out, None, FILTERS[name], align_corners=align_corners, antialias=antialias, dtype=np.float64
    )
    np.testing.assert_allclose(taps.weight.sum(1), 1, rtol=1e-12)
    assert taps.index.min() >= 0
    assert taps.index.max() < size


@settings(deadline=None, max_examples=60)
@given(sizes, sizes)
def test_adaptive_means_are_those_of_the_definition(size, out):
    taps = mean_taps(size, out)
    x = np.random.default_rng(size).standard_normal(size)
    expected = [x[i * size // out : -(-(i + 1) * size // out)].mean() for i in range(out)]
    np.testing.assert_allclose((x[taps.index] * taps.weight).sum(1), expected, rtol=1e-12, atol=1e-12)


def test_a_strong_reduction():
    """Hundreds of taps, more than one block of the loop."""
    x = image(1, 1000, 3, 1)
    y = F.interpolate(x, (2, 3), mode="bilinear", antialias=True)
    taps = filter_taps(1000, 2, None, FILTERS["linear"], align_corners=False, antialias=True, dtype=np.float64)
    expected = np.einsum("okwc,ok->owc", np.asarray(x[0], np.float64)[taps.index], taps.weight)
    np.testing.assert_allclose(y[0], expected, atol=1e-6)


@pytest.mark.parametrize(("options", "match"), [
    ({}, "takes size or scale_factor, one of them"),
    ({"size": 3, "scale_factor": 2}, "takes size or scale_factor, one of them"),
    ({"size": 3, "mode": "cubic"}, "mode='cubic'; it is one of nearest, "),
    ({"size": 3, "align_corners": False}, "align_corners has no meaning for mode=\"nearest\""),
    ({"size": 3, "mode": "area", "align_corners": True}, "align_corners has no meaning"),
    ({"size": 3, "recompute_scale_factor": True}, "recompute_scale_factor is about scale_factor"),
    ({"size": 3, "antialias": True}, "antialias is for \"bilinear\""),
    ({"size": 3, "mode": "lanczos"}, "takes antialias=True"),
    ({"size": 3, "mode": "lanczos", "antialias": True, "align_corners": True}, "no align_corners"),
    ({"size": 0}, r"to \(0, 0\) pixels; both must be at least 1"),
    ({"scale_factor": 0.1}, r"from \(4, 5\) to \(0, 0\) pixels"),
    ({"size": (3, 3, 3), "mode": "bilinear"}, "size=.* has 3 values"),
    ({"scale_factor": (1.0,), "mode": "bilinear"}, "scale_factor=.* has 1 values"),
    ({"size": (3, 3, 3, 3)}, "with 1 to 3 spatial axes and got"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        F.interpolate(image(1, 4, 5, 2), **options)


def test_an_image_of_too_few_axes_is_refused():
    with pytest.raises(ValueError, match=r'mode="trilinear" .* with 3 spatial axes and got \(4, 5, 2\)'):
        F.interpolate(image(4, 5, 2), 3, mode="trilinear")
    with pytest.raises(ValueError, match="1 to 3 spatial axes"):
        F.interpolate(image(5, 2), 3)


def test_filters_refuse_integers():
    for mode in ("bilinear", "bicubic"):
        with pytest.raises(TypeError, match="this one is uint8: cast it"):
            F.interpolate(jnp.ones((4, 4, 3), jnp.uint8), 2, mode=mode)
    with pytest.raises(TypeError, match="floating-point array is needed"):
        F.interpolate(jnp.ones((1, 4, 4, 3), jnp.uint8), 2, mode="area")
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        F.interpolate(image(1, 4, 4, 3), 2.5)


@pytest.mark.parametrize(("call", "match"), [
    (lambda x: F.pixel_shuffle(x, 2), "6 channels of .* do not divide by upscale_factor=2 squared"),
    (lambda x: F.pixel_shuffle(x, 0), "upscale_factor=0"),
    (lambda x: F.pixel_unshuffle(x, 2), "4 x 5 pixels of .* do not divide by 2"),
    (lambda x: F.pixel_shuffle(x[0, 0], 1), "takes .* and got an array of shape"),
])  # fmt: skip
def test_pixel_shuffle_refuses_what_does_not_divide(call, match):
    with pytest.raises(ValueError, match=match):
        call(image(1, 4, 5, 6))
