"""affine, rotate, perspective and elastic of images against torchvision's: PIL images, numpy and jax arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf

from funcvision.vision.transforms import functional as F

from .images import array, assert_same_pil, picture, pil_picture, tensor

SIZES = [(37, 53), (40, 40), (1, 1), (1, 9), (8, 1)]
FILLS = [None, 0, 7, (10, 20, 30)]
START, END = [[0, 0], [52, 0], [52, 36], [0, 36]], [[3, 5], [44, 1], [50, 30], [8, 33]]


def displacement(height, width):
    return np.random.default_rng(3).uniform(-0.2, 0.2, (1, height, width, 2)).astype(np.float32)


def warps(height, width):
    """Calls of a kernel by name, each a function of the module, the image and the options."""
    shift = displacement(height, width)
    given = torch.from_numpy(shift)
    return {
        "affine": lambda f, x, **o: f.affine(x, 23.0, [3, -2], 1.3, [7.0, -4.0], **o),
        "affine around a point": lambda f, x, **o: f.affine(x, -40.0, [0, 5], 0.7, [0.0, 0.0], center=[3.0, 9.0], **o),
        "rotate": lambda f, x, **o: f.rotate(x, 31.0, **o),
        "rotate and expand": lambda f, x, **o: f.rotate(x, 31.0, expand=True, **o),
        "rotate around a point": lambda f, x, **o: f.rotate(x, -112.0, center=[5.0, 2.0], **o),
        "perspective": lambda f, x, **o: f.perspective(x, START, END, **o),
        "elastic": lambda f, x, **o: f.elastic(x, shift if f is F else given, **o),
    }


NAMES = list(warps(1, 1))


def assert_same_pixels(ours, theirs, mode):
    """Positions are rounded, so a tie may go to the other pixel, and a byte to the next level."""
    ours = np.asarray(ours)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if mode == "nearest":
        assert (ours == theirs).mean() >= 0.985
    elif ours.dtype == np.uint8:
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    else:
        assert (np.abs(ours - theirs) <= 1e-4 * max(1.0, np.abs(theirs).max())).mean() >= 0.995


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", NAMES)
def test_arrays(name, mode, size):
    warp = warps(*size)[name]
    for fill in FILLS:
        for dtype in ("uint8", "float32"):
            x = picture(2, *size, 3, dtype=dtype)
            theirs = array(warp(tvf, tensor(x), interpolation=mode, fill=fill))
            assert_same_pixels(warp(F, x, interpolation=mode, fill=fill), theirs, mode)
            if size == SIZES[0] and fill in (None, 7):
                compiled = jax.jit(lambda x, fill=fill: warp(F, x, interpolation=mode, fill=fill))
                assert_same_pixels(compiled(jnp.asarray(x)), theirs, mode)


@pytest.mark.parametrize("image", ["RGB", "L", "RGBA", "F"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("name", NAMES)
def test_pil_images(name, mode, image):
    if name == "elastic" and mode == "bicubic":
        pytest.skip("torchvision warps elastically as a tensor, which has no bicubic mode")
    x = pil_picture(image, 37, 53)
    warp = warps(37, 53)[name]
    for fill in (None, 9):
        ours, theirs = (warp(f, x, interpolation=mode, fill=fill) for f in (F, tvf))
        if name == "elastic":
            assert_same_pixels(np.asarray(ours), np.asarray(theirs), mode)
        else:
            assert_same_pil(ours, theirs)


@pytest.mark.parametrize("angle", [0, 90, 180, 270, -90, 450])
def test_quarter_turns_are_exact(angle):
    for size, expand in (((37, 53), True), ((40, 40), False), ((40, 40), True)):
        x = picture(*size, 3)
        expected = array(tvf.rotate(tensor(x), angle, expand=expand))
        np.testing.assert_array_equal(F.rotate(x, angle, expand=expand), expected)


def test_missing_fill_differs_from_zero():
    x = np.ones((9, 9, 1), np.float32)
    none, zero = (F.affine(x, 0.0, [0.5, 0], 1.0, [0.0, 0.0], "bilinear", fill=fill) for fill in (None, 0))
    assert (none[4, 0, 0], zero[4, 0, 0]) == (0.5, 0.25)
    for fill, result in ((None, none), (0, zero)):
        mode = tvf.InterpolationMode.BILINEAR
        expected = array(tvf.affine(tensor(x), 0.0, [0.5, 0], 1.0, [0.0, 0.0], mode, fill=fill))
        np.testing.assert_allclose(result, expected, atol=1e-6)
        device = F.affine(jnp.asarray(x), 0.0, [0.5, 0], 1.0, [0.0, 0.0], "bilinear", fill=fill)
        np.testing.assert_allclose(device, expected, atol=1e-6)


def test_gradients_against_finite_differences():
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(picture(9, 11, 2, dtype="float64")))

        def value(x, angle, scale):
            return (F.affine(x, angle, [1.0, 0.5], scale, [3.0, 2.0], "bilinear", fill=0.3) ** 2).sum()

        angle, scale, step = jnp.asarray(17.0), jnp.asarray(1.1), 1e-6
        gradient = jax.grad(value, argnums=(0, 1, 2))(x, angle, scale)
        numeric = (value(x, angle + step, scale) - value(x, angle - step, scale)) / (2 * step)
        np.testing.assert_allclose(gradient[1], numeric, rtol=1e-5)
        numeric = (value(x, angle, scale + step) - value(x, angle, scale - step)) / (2 * step)
        np.testing.assert_allclose(gradient[2], numeric, rtol=1e-5)
        above, below = (value(x.at[4, 5, 0].add(change), angle, scale) for change in (step, -step))
        numeric = (above - below) / (2 * step)
        np.testing.assert_allclose(gradient[0][4, 5, 0], numeric, rtol=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.affine(x, 0.0, [0], 1.0, 0.0), r"translate=\[0\] must be \(x, y\)"),
    (lambda x: F.affine(x, 0.0, [0, 0], 0.0, 0.0), "scale=0.0 must be above zero"),
    (lambda x: F.rotate(x, 3.0, "bicubic"), "interpolation='bicubic' is not one of 'nearest', 'bilinear'"),
    (lambda x: F.rotate(x, 3.0, fill=(1, 2)), "has 2 values for an image of 3 channels"),
    (lambda x: F.perspective(x, None, None), "either startpoints and endpoints, or coefficients"),
    (lambda x: F.elastic(x, np.zeros((1, 2, 2, 2))), r"displacement has shape \(1, 2, 2, 2\)"),
])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(picture(8, 8, 3))
