"""Transforms of colours and filters against torchvision's: with its params the same images, and the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.transforms.v2 as v2

from funcvision.vision import transforms
from funcvision.vision.transforms._random import DeviceRandom, HostRandom
from funcvision.vision.tv_tensors import Image, Mask

from .images import array, assert_same_pil, picture, pil_picture, tensor
from .reference import assert_close

NEUTRAL = {"brightness_factor": 1.0, "contrast_factor": 1.0, "saturation_factor": 1.0, "hue_factor": 0.0,
           "channel_permutation": [0, 1, 2]}


def ours_from(params):
    """Torchvision's params as ours: arrays for tensors, and the neutral number for None."""
    params = {name: NEUTRAL[name] if value is None else value for name, value in params.items()}
    return {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in params.items()}


def traced(params):
    return jax.tree.map(lambda x: jnp.asarray(x, None if np.asarray(x).dtype == bool else
                                              jnp.int32 if np.asarray(x).dtype.kind == "i" else jnp.float32), params)


DRAWN = [
    ("ColorJitter", {"brightness": 0.4, "contrast": (0.5, 1.2), "saturation": 0.7, "hue": 0.2}),
    ("ColorJitter", {"brightness": 0.4, "saturation": [0.0, 2.0]}),
    ("ColorJitter", {"contrast": 0.4, "hue": (0.1, 0.3)}),
    ("ColorJitter", {"hue": 0.5}),
    ("ColorJitter", {}),
    ("RandomPhotometricDistort", {}),
    ("RandomPhotometricDistort", {"p": 1.0, "hue": (-0.5, 0.5)}),
    ("RandomChannelPermutation", {}),
]


@pytest.mark.parametrize(("name", "options"), DRAWN)
def test_with_their_params(name, options):
    x = picture(17, 23, 3)
    floats = picture(17, 23, 3, dtype="float32")
    image = PIL.Image.fromarray(x)
    ours, theirs = getattr(transforms, name)(**options), getattr(v2, name)(**options)
    compiled = jax.jit(ours.replay)
    for seed in range(8):
        torch.manual_seed(seed)
        params = theirs.make_params([image])
        mine = ours_from(params)
        expected = array(theirs.transform(tensor(x), params))
        assert_close(ours.replay(x, mine), expected)
        assert_same_pil(ours.replay(image, mine), theirs.transform(image, params))
        assert_close(ours.replay(floats, mine), array(theirs.transform(tensor(floats), params)))
        assert_close(
            compiled(floats, traced(mine)), array(theirs.transform(tensor(floats), params)), rtol=2e-5,
        )
        difference = np.abs(np.asarray(compiled(x, traced(mine))).astype(int) - expected)
        assert difference.max() <= 4  # each of four steps may round down a value that is nearly whole
        assert np.mean(difference > 0) < 0.05
    if name == "ColorJitter":
        grey = picture(9, 11, 1)
        assert_close(ours.replay(grey, mine), array(theirs.transform(tensor(grey), params)))
        difference = np.abs(np.asarray(compiled(grey, traced(mine))).astype(int) - ours.replay(grey, mine))
        assert difference.max() <= 2


def test_gaussian_blur_with_their_params():
    x = picture(17, 23, 3, dtype="float32")
    ours, theirs = transforms.GaussianBlur((5, 7), (0.3, 4.0)), v2.GaussianBlur((5, 7), (0.3, 4.0))
    for seed in range(4):
        torch.manual_seed(seed)
        params = theirs.make_params([])
        expected = array(theirs.transform(tensor(x), params))
        assert_close(ours.replay(x, params), expected)
        assert_close(jax.jit(ours.replay)(x, traced(params)), expected)


APPLIED = [
    ("Grayscale", {}), ("Grayscale", {"num_output_channels": 3}), ("RGB", {}), ("RandomGrayscale", {"p": 1.0}),
    ("RandomAutocontrast", {"p": 1.0}), ("RandomEqualize", {"p": 1.0}), ("RandomInvert", {"p": 1.0}),
    ("RandomPosterize", {"bits": 2, "p": 1.0}), ("RandomSolarize", {"threshold": 99.5, "p": 1.0}),
    ("RandomAdjustSharpness", {"sharpness_factor": 1.7, "p": 1.0}), ("RandomInvert", {"p": 0.0}),
    ("RandomAutocontrast", {"p": 0.0}), ("RandomGrayscale", {"p": 0.0}),
]


@pytest.mark.parametrize(("name", "options"), APPLIED)
@pytest.mark.parametrize("channels", [1, 3])
def test_applied_or_not(name, options, channels):
    x = picture(17, 23, channels)
    ours, theirs = getattr(transforms, name)(**options), getattr(v2, name)(**options)
    expected = array(theirs(tensor(x)))
    assert_close(ours(x, key=0), expected)
    device = np.asarray(jax.jit(lambda x, key: ours(x, key=key))(jnp.asarray(x), jax.random.key(0)))
    assert device.shape == expected.shape
    assert np.abs(device.astype(int) - expected).max() <= 1
    image = PIL.Image.fromarray(x if channels == 3 else x[..., 0])
    assert_same_pil(ours(image, key=0), theirs(image))


def test_defaults_are_theirs():
    for name in ("RandomGrayscale", "RandomAutocontrast", "RandomEqualize", "RandomInvert"):
        assert getattr(transforms, name)().p == getattr(v2, name)().p
    assert transforms.RandomPosterize(3).p == v2.RandomPosterize(3).p
    assert transforms.RandomSolarize(3).p == v2.RandomSolarize(3).p
    assert transforms.RandomAdjustSharpness(3).p == v2.RandomAdjustSharpness(3).p
    assert transforms.RandomApply([transforms.Identity()]).p == v2.RandomApply([v2.Identity()]).p
    assert transforms.GaussianBlur(3).sigma == tuple(v2.GaussianBlur(3).sigma)
    ours, theirs = transforms.RandomPhotometricDistort(), v2.RandomPhotometricDistort()
    for option in ("brightness", "contrast", "saturation", "hue", "p"):
        assert getattr(ours, option) == getattr(theirs, option)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_conversions_of_pil_images(mode):
    image = pil_picture(mode, 9, 12)
    pixels = transforms.PILToTensor()(image)
    assert_close(pixels, array(v2.PILToTensor()(image)))
    assert_same_pil(transforms.ToPILImage()(pixels), v2.ToPILImage()(tensor(pixels)))
    assert_close(transforms.ConvertImageDtype()(pixels), array(v2.ConvertImageDtype()(tensor(pixels))))
    sample = (image, Image(pixels), Mask(pixels[..., 0]), 3)
    as_arrays, as_images = transforms.PILToTensor()(sample), transforms.ToPILImage()(sample)
    assert [type(leaf) for leaf in as_arrays] == [np.ndarray, Image, Mask, int]
    assert [type(leaf) for leaf in as_images] == [PIL.Image.Image, PIL.Image.Image, Mask, int]
    converted = transforms.ConvertImageDtype(jnp.float32)(sample[1:])
    assert (converted[0].dtype, converted[1].dtype) == (np.float32, np.uint8)
    with pytest.raises(TypeError, match="ToImage"):
        transforms.ConvertImageDtype()(image)


# distributions


def sources(count):
    """Sources of random numbers on the host; and for the device, a function that draws for all keys at once."""
    return [HostRandom(np.random.SeedSequence(seed)) for seed in range(count)]


def draws(transform, sample, count, place):
    """The params of many draws, stacked."""
    if place == "device":
        keys = jax.random.split(jax.random.key(1), count)
        return jax.tree.map(np.asarray, jax.vmap(lambda key: transform.draw(DeviceRandom(key), sample))(keys))
    drawn = [transform.draw(random, sample) for random in sources(count)]
    return jax.tree.map(lambda *values: np.stack(values), *drawn)


def quantiles(values):
    return np.quantile(np.asarray(values, np.float64), np.linspace(0.02, 0.98, 25))


@pytest.mark.parametrize("place", ["host", "device"])
@pytest.mark.parametrize(("name", "options"), [*DRAWN[:4], *DRAWN[5:], ("GaussianBlur", {"kernel_size": 3})])
def test_draws_have_their_distribution(name, options, place):
    count, x = 3000, picture(4, 5, 3)
    ours = draws(getattr(transforms, name)(**options), x, count, place)
    torch.manual_seed(0)
    reference = getattr(v2, name)(**options)
    theirs = [ours_from(reference.make_params([tensor(x)])) for _ in range(count)]
    assert ours.keys() == theirs[0].keys()
    for param, values in ours.items():
        values = np.asarray(values)
        expected = np.stack([np.asarray(params[param]) for params in theirs])
        if param in ("fn_idx", "permutation", "channel_permutation"):
            length = expected.shape[1]
            for place_of in range(length):
                mine, others = (np.bincount(v[:, place_of], minlength=length) / count for v in (values, expected))
                np.testing.assert_allclose(mine, others, atol=0.05)
            assert (np.sort(values, 1) == np.arange(length)).all()
            continue
        values = values[0] if param == "sigma" and values.shape[0] == 2 else values
        values, expected = (v.reshape(count, -1)[:, 0] for v in (values, expected))
        neutral = NEUTRAL.get(param)
        np.testing.assert_allclose(np.mean(values == neutral), np.mean(expected == neutral), atol=0.05)
        kept, wanted = (v[v != neutral] for v in (values, expected))
        if len(wanted) and wanted.dtype != bool:
            spread = np.ptp(wanted)
            np.testing.assert_allclose(quantiles(kept), quantiles(wanted), atol=0.07 * spread)
        elif len(wanted):
            np.testing.assert_allclose(kept.mean(), wanted.mean(), atol=0.05)


@pytest.mark.parametrize("place", ["host", "device"])
def test_probabilities_of_the_containers(place):
    x, count = picture(2, 2, 1), 3000
    members = [transforms.Identity(), transforms.RandomInvert(), transforms.Identity()]
    index = draws(transforms.RandomChoice(members, [1, 5, 2]), x, count, place)["idx"]
    np.testing.assert_allclose(np.bincount(index, minlength=3) / count, [1 / 8, 5 / 8, 2 / 8], atol=0.04)
    index = draws(transforms.RandomChoice(members), x, count, place)["idx"]
    np.testing.assert_allclose(np.bincount(index, minlength=3) / count, [1 / 3] * 3, atol=0.04)
    order = draws(transforms.RandomOrder(members), x, count, place)["permutation"]
    _, frequencies = np.unique(order, axis=0, return_counts=True)
    np.testing.assert_allclose(frequencies / count, [1 / 6] * 6, atol=0.04)
    applied = draws(transforms.RandomApply(members, p=0.3), x, count, place)["applied"]
    np.testing.assert_allclose(np.mean(applied), 0.3, atol=0.04)
    assert np.mean(draws(transforms.RandomInvert(p=0.8), x, count, place)["applied"]) == pytest.approx(0.8, abs=0.04)
