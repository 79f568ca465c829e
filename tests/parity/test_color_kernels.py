"""The kernels of colours and filters against torchvision's: exact on PIL images, torch's numbers on tensors."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.transforms.v2.functional as tvf

from funcvision.vision import tv_tensors
from funcvision.vision.transforms import functional as F

from .images import PIL_MODES, array, assert_same_pil, picture, pil_picture, tensor
from .reference import assert_close, assert_same_with_gradients, nchw, nhwc

FACTORS = (0.0, 0.3, 0.7321, 1.0, 1.4, 2.7)
CASES = [  # kernel, its arguments, whether it takes images of any number of channels
    *(("adjust_brightness", {"brightness_factor": factor}, False) for factor in FACTORS),
    *(("adjust_contrast", {"contrast_factor": factor}, False) for factor in FACTORS),
    *(("adjust_saturation", {"saturation_factor": factor}, False) for factor in FACTORS),
    *(("adjust_sharpness", {"sharpness_factor": factor}, False) for factor in FACTORS),
    *(("adjust_hue", {"hue_factor": factor}, False) for factor in (-0.5, -0.23, -0.01, 0.0, 0.1, 0.4, 0.5)),
    *(("adjust_gamma", {"gamma": gamma}, True) for gamma in (0.0, 0.45, 1.0, 2.2)),
    ("adjust_gamma", {"gamma": 0.6, "gain": 1.7}, True),
    ("autocontrast", {}, False),
    ("equalize", {}, True),
    ("invert", {}, True),
    *(("posterize", {"bits": bits}, True) for bits in (0, 1, 3, 7, 8)),
    ("rgb_to_grayscale", {}, False),
    ("rgb_to_grayscale", {"num_output_channels": 3}, False),
    ("grayscale_to_rgb", {}, False),
    ("gaussian_blur", {"kernel_size": 3}, True),
    ("gaussian_blur", {"kernel_size": (5, 3), "sigma": (1.3, 0.4)}, True),
    ("gaussian_blur", {"kernel_size": [1, 7], "sigma": 2.0}, True),
]
THRESHOLDS = {"uint8": (0, 100, 127.5, 255), "float32": (0.0, 0.4, 1.0)}
SHAPES = [(37, 53), (1, 1), (2, 9), (3, 3), (8, 7)]
each_case = pytest.mark.parametrize(("name", "options", "any_channels"), CASES)


def gentle(*shape, dtype="uint8"):
    """A picture of few colours, with grey and flat parts; noise hides what happens there."""
    x = picture(*shape, dtype=dtype)
    x[..., : shape[-3] // 2, :, :] = x[..., :1, :1, :] // 2 if dtype == "uint8" else x[..., :1, :1, :] / 2
    x[..., :, : shape[-2] // 3, :] = x[..., :, : shape[-2] // 3, :1]
    return x


def arrays(options, height, width, any_channels, dtype):
    """Noise, and a picture with flat and grey parts, of each number of channels that the kernel takes."""
    lengths = options.get("kernel_size", 1)
    columns, rows = (lengths, lengths) if isinstance(lengths, int) else lengths
    if rows // 2 >= height or columns // 2 >= width:
        return
    for channels in (1, 3, 2, 4) if any_channels else (1, 3):
        yield picture(height, width, channels, dtype=dtype)
        yield gentle(2, height, width, channels, dtype=dtype)


def assert_nearly_all_equal(ours, theirs):
    """At most one value in a hundred differs, by one level, or by the rounding of floats."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if ours.dtype == np.float32:
        assert_close(ours, theirs)
    else:
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 1
        assert np.mean(difference) < 0.01


@each_case
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_numpy(name, options, any_channels, dtype):
    for height, width in SHAPES:
        for x in arrays(options, height, width, any_channels, dtype):
            ours, theirs = getattr(F, name)(x, **options), getattr(tvf, name)(tensor(x), **options)
            if name == "gaussian_blur" and dtype == "uint8":
                assert_nearly_all_equal(ours, array(theirs))
            else:  # torchvision computes hues of float64 images in float32
                assert_close(ours, array(theirs), rtol=1e-5, what=f"{x.shape}")


@each_case
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_jax(name, options, any_channels, dtype):
    function = jax.jit(lambda x: getattr(F, name)(x, **options))
    for x in arrays(options, 23, 31, any_channels, dtype):
        ours, theirs = np.asarray(function(x)), array(getattr(tvf, name)(tensor(x), **options))
        if dtype == "float32":
            assert_close(ours, theirs)
            continue
        # XLA rounds products and sums at other places, which decides about a level where the result is a whole number
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.abs(ours.astype(int) - theirs).max() <= 1
        assert np.mean(ours != theirs) < 0.2


@pytest.mark.parametrize("dtype", THRESHOLDS)
@pytest.mark.parametrize("place", [np.asarray, jnp.asarray])
def test_solarize(place, dtype):
    x = picture(9, 11, 3, dtype=dtype)
    for threshold in THRESHOLDS[dtype]:
        theirs = array(tvf.solarize(tensor(x), threshold))
        assert_close(F.solarize(place(x), threshold), theirs)
        assert_close(F.solarize(jnp.asarray(x), jnp.float32(threshold)), theirs)


@pytest.mark.parametrize("place", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("dtype", ["int16", "int32", "uint16", "int8"])
def test_integers(place, dtype):
    x = (np.abs(picture(13, 17, 3, dtype="int64") % (np.iinfo(dtype).max + 1))).astype(dtype)
    white = np.iinfo(dtype).max
    np.testing.assert_array_equal(np.asarray(F.invert(place(x))), white - x)
    np.testing.assert_array_equal(np.asarray(F.solarize(place(x), white // 2)), np.where(x >= white // 2, white - x, x))
    if dtype != "uint16":  # torch lacks most operations for it
        assert_close(F.posterize(place(x), 4), array(tvf.posterize(tensor(x), 4)))
    if dtype in ("int16", "int8"):
        for name, factor in (("adjust_brightness", 1.3), ("adjust_contrast", 0.6), ("adjust_saturation", 1.7)):
            theirs = array(getattr(tvf, name)(tensor(x), factor)).astype(int)
            assert np.abs(np.asarray(getattr(F, name)(place(x), factor)).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each_case
def test_half_precision(name, options, any_channels, dtype):
    x = picture(12, 15, 3, dtype="float32")
    wide = np.asarray(jnp.asarray(x, dtype).astype(jnp.float32))
    ours = getattr(F, name)(jnp.asarray(x, dtype), **options)
    assert ours.dtype == dtype
    if name in ("posterize", "equalize"):  # they cut the values at thresholds
        return
    expected = getattr(F, name)(wide, **options)
    np.testing.assert_allclose(np.asarray(ours.astype(jnp.float32)), expected, atol=2**-8, rtol=2**-8)


@each_case
@pytest.mark.parametrize("mode", PIL_MODES)
def test_pil(name, options, any_channels, mode):
    image = pil_picture(mode, 23, 31)
    if name == "gaussian_blur" and mode == "I":
        with pytest.raises(TypeError, match="every int32"):  # torchvision converts it to float32
            F.gaussian_blur(image, **options)
        return
    try:
        theirs = getattr(tvf, name)(image, **options)
    except Exception:  # Pillow and torchvision refuse modes by errors of many types
        with pytest.raises((ValueError, TypeError)):
            getattr(F, name)(image, **options)
    else:
        ours = getattr(F, name)(image, **options)
        if name == "gaussian_blur":
            assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
            assert_nearly_all_equal(ours, theirs)
        else:
            assert_same_pil(ours, theirs)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_pil_with_channels_or_a_threshold(mode):
    image: Any = pil_picture(mode, 9, 12)
    order = np.random.default_rng(0).permutation(len(mode))
    assert_same_pil(F.permute_channels(image, order), tvf.permute_channels(image, order.tolist()))
    if mode in ("RGB", "L"):
        assert_same_pil(F.solarize(image, 90), tvf.solarize(image, 90))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_permute_channels(channels):
    x = picture(2, 6, 7, channels)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(channels)
        theirs = array(tvf.permute_channels(tensor(x), order.tolist()))
        assert_close(F.permute_channels(x, order), theirs)
        assert_close(F.permute_channels(jnp.asarray(x), order.tolist()), theirs)
        assert_close(jax.jit(F.permute_channels)(x, jnp.asarray(order, jnp.int32)), theirs)


@pytest.mark.parametrize(
    ("name", "options"),
    [("adjust_brightness", {"brightness_factor": 0.7}), ("adjust_contrast", {"contrast_factor": 0.8}),
     ("adjust_saturation", {"saturation_factor": 0.4}), ("adjust_gamma", {"gamma": 1.7, "gain": 0.9}), ("invert", {}),
     ("gaussian_blur", {"kernel_size": [5, 3], "sigma": [0.8, 1.2]}), ("rgb_to_grayscale", {})],
)
def test_gradients(name, options):
    x = picture(2, 7, 8, 3, dtype="float32") * 0.9 + 0.05
    ours, theirs = getattr(F, name), getattr(tvf, name)
    assert_same_with_gradients(
        lambda x: ours(x, **options), lambda x: theirs(x, **options), [x], to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize("name", ["adjust_hue", "adjust_sharpness", "autocontrast", "adjust_contrast"])
def test_gradients_against_finite_differences(name):
    """Torch changes values in place in the first three, and cannot differentiate them."""
    x = picture(5, 4, 3, dtype="float32") * 0.8 + 0.1
    weights, direction = (picture(5, 4, 3, dtype="float32", seed=seed) for seed in (1, 2))
    arguments = () if name == "autocontrast" else (0.1,)

    def value(x, *arguments):
        return (getattr(F, name)(x, *arguments) * weights).sum()

    step = 1e-6
    move = lambda by: value(x.astype(np.float64) + by * direction, *arguments)
    gradient = jax.grad(value)(jnp.asarray(x), *arguments)
    np.testing.assert_allclose((gradient * direction).sum(), (move(step) - move(-step)) / (2 * step), rtol=1e-3)
    assert np.isfinite(jax.grad(value)(jnp.full(x.shape, 0.5), *arguments)).all()
    if arguments:
        move = lambda by: value(x.astype(np.float64), 0.1 + by)
        gradient = jax.grad(value, 1)(jnp.asarray(x), jnp.float32(0.1))
        np.testing.assert_allclose(gradient, (move(step) - move(-step)) / (2 * step), rtol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("clip", [True, False])
def test_gaussian_noise(dtype, clip):
    x = np.full((200, 300, 3), 128 if dtype == "uint8" else 0.5, dtype)
    torch.manual_seed(0)
    theirs = array(tvf.gaussian_noise(tensor(x), mean=0.1, sigma=0.05, clip=clip)).astype(np.float64)
    host = F.gaussian_noise(x, 0.1, 0.05, clip, key=0)
    device = F.gaussian_noise(jnp.asarray(x), 0.1, 0.05, clip, key=jax.random.key(0))
    for ours in (host, np.asarray(device)):
        assert ours.dtype == x.dtype
        np.testing.assert_allclose(ours.mean(dtype=np.float64), theirs.mean(), rtol=2e-3)
        np.testing.assert_allclose(ours.std(dtype=np.float64), theirs.std(), rtol=2e-2)
    white = 255 if dtype == "uint8" else 1
    bright = F.gaussian_noise(np.full_like(x, white), 0.0, 0.1, clip, key=0)
    assert (bright.max() == white) == (clip or dtype == "uint8")
    assert not clip or bright.min() > white / 4


@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (0,)])
@pytest.mark.parametrize("place", [np.asarray, jnp.asarray])
def test_leading_axes(place, lead):
    for name, options, _ in CASES[::3]:
        x = picture(*lead, 12, 15, 3)
        ours = np.asarray(getattr(F, name)(place(x), **options)).astype(int)
        theirs = array(getattr(tvf, name)(tensor(x), **options)).astype(int)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max(initial=0) <= 1


def test_images_of_a_batch_are_independent():
    """Contrast, equalisation and the like take their statistics from one image."""
    x = np.stack([picture(9, 10, 3), picture(9, 10, 3, seed=1) // 3])
    for name, options, _ in CASES:
        together = getattr(F, name)(x, **options)
        for one, alone in zip(together, x):
            np.testing.assert_array_equal(one, getattr(F, name)(alone, **options), err_msg=name)


def test_equalize_of_many_pixels():
    for x in (gentle(200, 300, 3), picture(200, 300, 1) // 9 + 100):
        theirs = array(tvf.equalize(tensor(x)))
        assert_close(F.equalize(x), theirs)
        assert_close(jax.jit(F.equalize)(x), theirs)
        if x.shape[-1] == 3:
            image: Any = PIL.Image.fromarray(x)
            assert_same_pil(F.equalize(image), tvf.equalize(image))


# kinds of leaf and errors


@each_case
def test_kinds_of_leaf(name, options, any_channels):
    x = picture(4, 9, 10, 3)
    kernel = getattr(F, name)
    for kind in (tv_tensors.Image, tv_tensors.Video):
        result = kernel(kind(x), **options)
        assert type(result) is kind
        np.testing.assert_array_equal(result.array, kernel(x, **options))
    for leaf in (
        tv_tensors.Mask(x[0, ..., 0]),
        tv_tensors.BoundingBoxes(np.ones((1, 4)), format="XYXY", canvas_size=(9, 10)),
        tv_tensors.KeyPoints(np.ones((1, 2)), canvas_size=(9, 10)),
    ):
        assert kernel(leaf, **options) is leaf


BAD = [
    ("adjust_brightness", (-0.1,), "zero or more"), ("adjust_contrast", (float("nan"),), "zero or more"),
    ("adjust_saturation", (-1,), "zero or more"), ("adjust_sharpness", (-1,), "zero or more"),
    ("adjust_hue", (0.6,), "from -0.5 to 0.5"), ("adjust_gamma", (-1,), "zero or more"),
    ("posterize", (9,), "from 0 to 8"), ("posterize", (True,), "from 0 to 8"), ("solarize", (256,), "above 255"),
    ("rgb_to_grayscale", (2,), "must be 1 or 3"), ("permute_channels", ([0, 1],), "2 entries"),
    ("permute_channels", ([0, 1, 1],), "does not name each"), ("gaussian_blur", (4,), "odd positive"),
    ("gaussian_blur", ((3, 3, 3),), "odd positive"), ("gaussian_blur", (3, 0.0), "positive number"),
    ("gaussian_blur", (3, (1.0, 2.0, 3.0)), "positive number"), ("gaussian_blur", (21,), "smaller kernel_size"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), BAD)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(F, name)(picture(9, 10, 3), *arguments)


def test_bad_images():
    for name, options, any_channels in CASES:
        kernel = getattr(F, name)
        with pytest.raises((ValueError, TypeError)):
            kernel(np.zeros((9, 10), np.uint8), **options)
        if name not in ("grayscale_to_rgb", "rgb_to_grayscale", "adjust_saturation"):
            with pytest.raises(TypeError, match="bool"):
                kernel(np.zeros((9, 10, 3), bool), **options)
        if not any_channels and name != "grayscale_to_rgb":
            with pytest.raises(ValueError, match="1 or 3 channels"):
                kernel(np.zeros((9, 10, 4), np.uint8), **options)
    with pytest.raises(TypeError, match="every int32"):
        F.adjust_brightness(np.zeros((9, 10, 3), np.int32), 1.0)
    with pytest.raises(TypeError, match="ToImage"):
        F.gaussian_noise(PIL.Image.new("L", (4, 4)), key=0)
    with pytest.raises(TypeError, match="uint8"):
        F.gaussian_noise(np.zeros((4, 4, 1), np.int16), key=0)
    with pytest.raises(ValueError, match="zero or more"):
        F.gaussian_noise(np.zeros((4, 4, 1)), 0.0, -1.0, key=0)
    with pytest.raises(TypeError, match="jax key"):
        F.gaussian_noise(jnp.zeros((4, 4, 1)), key=0)
