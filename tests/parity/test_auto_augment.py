"""The automatic policies against torchvision's: with its draws the same images, and the same distributions."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.transforms.v2 as v2

from funcvision.vision import transforms
from funcvision.vision.transforms._operations import OPERATIONS, operated
from funcvision.vision.transforms._policies import sub_policies
from funcvision.vision.transforms._random import DeviceRandom, HostRandom

from .images import array, assert_same_pil, picture, tensor

POLICIES = {
    "RandAugment": {"num_ops": 3, "magnitude": 12},
    "TrivialAugmentWide": {},
    "AutoAugment": {},
    "AugMix": {"severity": 5},
}
DEPTH = 3


def record(theirs, image):
    """What torchvision makes of an image, and what it drew as params of ours."""
    steps, weights = [], []

    def apply(image, name, magnitude, **options):
        steps.append((OPERATIONS.index(name), magnitude))
        return type(theirs)._apply_image_or_video_transform(theirs, image, name, magnitude, **options)

    def dirichlet(alphas):
        weights.append(torch._sample_dirichlet(alphas))
        return weights[-1]

    theirs._apply_image_or_video_transform = apply
    theirs._sample_dirichlet = dirichlet
    result = theirs(image)
    if isinstance(theirs, v2.AugMix):
        own, chains = (weight[0].numpy() for weight in weights)
        steps = np.array(steps).reshape(len(chains), DEPTH, 2)
        return result, {"fn_idx": steps[..., 0].astype(int), "magnitude": steps[..., 1],
                        "weights": np.concatenate([own[:1], chains * own[1]])}
    numbers = np.array(steps).reshape(-1, 2)
    numbers = np.concatenate([numbers, np.zeros((4 - len(numbers), 2))])  # one shape for jit
    return result, {"fn_idx": numbers[:, 0].astype(int), "magnitude": numbers[:, 1]}


def traced(params):
    return {name: jnp.asarray(value, jnp.int32 if name == "fn_idx" else jnp.float32) for name, value in params.items()}


def assert_near(ours, theirs, share=0.985):
    """Equal within one level for most pixels; where rounding decides on the pixel that a warp takes, all may differ."""
    assert ours.dtype == theirs.dtype
    assert np.mean(np.abs(np.asarray(ours, np.float32) - theirs) <= (1 if ours.dtype == np.uint8 else 1e-4)) >= share


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", POLICIES)
def test_with_their_draws(name, interpolation):
    options = {**POLICIES[name], "interpolation": interpolation, "fill": [10, 200, 30]}
    if name == "AugMix":
        options["chain_depth"] = DEPTH
    x = picture(36, 48, 3)  # large enough that few of its pixels lie where rounding decides
    image, ours, theirs = PIL.Image.fromarray(x), getattr(transforms, name)(**options), getattr(v2, name)(**options)
    compiled = jax.jit(ours.replay)
    for seed in range(12):
        torch.manual_seed(seed)
        expected, params = record(theirs, tensor(x))
        assert_near(ours.replay(x, params), array(expected), share=0.98)
        assert_near(compiled(jnp.asarray(x), traced(params)), array(expected), share=0.98)
        torch.manual_seed(seed)
        expected, params = record(theirs, image)
        if name == "AugMix":  # on arrays, also for PIL images
            assert_near(np.asarray(ours.replay(image, params)), np.asarray(expected), share=0.98)
        else:
            assert_same_pil(ours.replay(image, params), expected)


MAGNITUDES = [("ShearX", 0.21), ("ShearY", -0.3), ("TranslateX", 7.9), ("TranslateY", -3.2), ("Rotate", -22.0),
              ("Brightness", -0.6), ("Color", 0.7), ("Contrast", -0.4), ("Sharpness", 0.8), ("Posterize", 3),
              ("Solarize", 0.4), ("Solarize", 0.0), ("Solarize", 1.0), ("AutoContrast", 0.0), ("Equalize", 0.0),
              ("Invert", 0.0), ("Identity", 0.0)]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_operation(channels, dtype):
    x = picture(18, 24, channels, dtype=dtype)
    x = x // 2 + np.uint8(40) if dtype == "uint8" else x * np.float32(0.6) + np.float32(0.2)
    theirs = v2.RandAugment()
    device = jax.jit(lambda x, index, magnitude: operated(x, index, magnitude, "bilinear", None))
    for name, magnitude in MAGNITUDES:
        expected = array(theirs._apply_image_or_video_transform(
            tensor(x), name, magnitude, interpolation=v2.InterpolationMode.BILINEAR, fill={torch.Tensor: None}))
        index = OPERATIONS.index(name)
        host = operated(x, [index], [magnitude], "bilinear", None)
        tolerance = 1 if dtype == "uint8" else 1e-4
        assert np.abs(host.astype(np.float32) - expected).max() <= tolerance, name
        result = device(x, jnp.array([index]), jnp.array([magnitude], jnp.float32))
        assert result.dtype == expected.dtype
        different = np.abs(np.asarray(result, np.float32) - expected) > tolerance
        assert different.mean() <= (0.005 if 0 < index < 6 else 0), name


def test_thresholds_of_solarize_as_theirs():
    """Thresholds that are nearly whole: torch compares in float32, Pillow in float64."""
    x = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    theirs = v2.TrivialAugmentWide()
    device = jax.jit(lambda x, magnitude: operated(x, jnp.array([11]), magnitude, "nearest", None))
    for magnitude in torch.linspace(1.0, 0.0, 31).tolist():
        for image in (tensor(x), PIL.Image.fromarray(x[..., 0])):
            expected = theirs._apply_image_or_video_transform(
                image, "Solarize", magnitude, interpolation="nearest", fill={type(image): None})
            if isinstance(image, torch.Tensor):
                np.testing.assert_array_equal(operated(x, [11], [magnitude], "nearest", None), array(expected))
                result = device(x, jnp.array([magnitude], jnp.float32))
                np.testing.assert_array_equal(result, array(expected))
            else:
                assert_same_pil(operated(image, [11], [magnitude], "nearest", None), expected)


def test_learned_policies():
    for policy in v2.AutoAugmentPolicy:
        theirs = v2.AutoAugment(policy)._policies
        assert [[(*step[:2], step[2] or 0) for step in pair] for pair in theirs] == [
            [tuple(step) for step in pair] for pair in sub_policies(policy.value)]
        for given in (policy.value, transforms.AutoAugmentPolicy(policy.value)):
            assert set(transforms.AutoAugment(given).params(np.zeros((4, 4, 3)), key=0)) == {"fn_idx", "magnitude"}


# distributions


def their_draws(name, options, image, count):
    """Pairs (place, magnitude) of all operations that torchvision draws, "Identity" for those it leaves out."""
    theirs, pairs = getattr(v2, name)(**options), []
    theirs._apply_image_or_video_transform = lambda image, name, magnitude, **options: (
        pairs.append((OPERATIONS.index(name), magnitude)) or image)
    for _ in range(count):
        theirs(image)
    return np.array(pairs)


def our_draws(ours, x, count, place):
    if place == "device":
        keys = jax.random.split(jax.random.key(1), count)
        params = jax.vmap(lambda key: ours.draw(DeviceRandom(key), x))(keys)
    else:
        random = HostRandom(np.random.default_rng(1))
        drawn = [ours.draw(random, x) for _ in range(count)]
        params = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    return np.stack([np.ravel(params["fn_idx"]), np.ravel(params["magnitude"])], 1)


DISTRIBUTIONS = [
    ("RandAugment", {"num_ops": 2, "magnitude": 7}, 1500), ("TrivialAugmentWide", {}, 3000),
    ("AutoAugment", {}, 2500), ("AutoAugment", {"policy": "cifar10"}, 2500), ("AutoAugment", {"policy": "svhn"}, 2500),
    ("AugMix", {"severity": 4, "chain_depth": 2}, 500), ("AugMix", {"all_ops": False}, 500),
]


@pytest.mark.parametrize("place", ["host", "device"])
@pytest.mark.parametrize(("name", "options", "count"), DISTRIBUTIONS)
def test_distributions(name, options, count, place):
    """How often each operation is drawn, and the mean and the spread of its magnitude."""
    torch.manual_seed(0)
    x = picture(20, 50, 1)
    policy = {"policy": v2.AutoAugmentPolicy(options["policy"])} if "policy" in options else {}
    theirs = their_draws(name, {**options, **policy}, tensor(x), count)
    ours = our_draws(getattr(transforms, name)(**options), x, count, place)
    if name in ("AutoAugment", "AugMix"):  # what is not applied is "Identity" here
        ours = ours[ours[:, 0] > 0]
        assert abs(len(ours) / len(theirs) - 1) < 0.05
    for index in range(len(OPERATIONS)):
        mine, reference = ours[ours[:, 0] == index, 1], theirs[theirs[:, 0] == index, 1]
        n = len(theirs)
        share = len(reference) / n
        assert abs(len(mine) / len(ours) - share) <= 5 * np.sqrt(2 * share / n) + 1e-12, OPERATIONS[index]
        if not len(reference):
            continue
        error = 5 * reference.std() * np.sqrt(2 / len(reference))
        assert abs(mine.mean() - reference.mean()) <= error + 1e-5, OPERATIONS[index]
        assert abs(np.abs(mine).mean() - np.abs(reference).mean()) <= error + 1e-5
        assert abs(mine.std() - reference.std()) <= error + 1e-4
        if len(reference) > 300:
            known = np.unique(np.round(reference, 4))
            assert np.isin(np.round(mine, 4), known).all() or name == "TrivialAugmentWide"


@pytest.mark.parametrize("place", ["host", "device"])
def test_weights_of_augmix(place):
    ours = transforms.AugMix(mixture_width=4, alpha=0.7)
    x = np.zeros((4, 4, 3), np.uint8)
    torch.manual_seed(0)
    m = torch._sample_dirichlet(torch.full((4000, 2), 0.7))
    theirs = torch.cat([m[:, :1], torch._sample_dirichlet(torch.full((4000, 4), 0.7)) * m[:, 1:]], 1).numpy()
    if place == "device":
        keys = jax.random.split(jax.random.key(0), 4000)
        weights = np.asarray(jax.vmap(lambda key: ours.draw(DeviceRandom(key), x)["weights"])(keys))
    else:
        random = HostRandom(np.random.default_rng(0))
        weights = np.stack([ours.draw(random, x)["weights"] for _ in range(4000)])
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.mean(0), theirs.mean(0), atol=0.02)
    np.testing.assert_allclose(weights.std(0), theirs.std(0), atol=0.02)


@pytest.mark.parametrize("name", POLICIES)
def test_defaults_are_theirs(name):
    ours, theirs = getattr(transforms, name)(), getattr(v2, name)()
    for option in ("num_ops", "magnitude", "num_magnitude_bins", "severity", "mixture_width", "chain_depth", "alpha",
                   "all_ops", "interpolation", "fill"):
        assert hasattr(ours, option) == hasattr(theirs, option)
        if hasattr(ours, option):
            value = getattr(theirs, option)
            assert getattr(ours, option) == getattr(value, "value", value)


@pytest.mark.parametrize("name", POLICIES)
def test_params_go_through_json(name):
    x = picture(18, 24, 3)
    ours = getattr(transforms, name)(**POLICIES[name])
    params = ours.params(x, key=3)
    assert set(params) == {"fn_idx", "magnitude"} | ({"weights"} if name == "AugMix" else set())
    text = json.dumps(jax.tree.map(lambda value: np.asarray(value).tolist(), params))
    expected = ours(x, key=3)
    np.testing.assert_array_equal(ours.replay(x, params), expected)
    np.testing.assert_array_equal(ours.replay(x, json.loads(text)), expected)
    compiled = jax.jit(ours.replay)(jnp.asarray(x), json.loads(text))
    assert_near(compiled, expected, share=0.96)  # three warps, whose matrices are computed in float32
