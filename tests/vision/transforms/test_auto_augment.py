"""The automatic policies: batches, keys, replay, and what becomes of boxes, masks and key points."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.transforms._operations import OPERATIONS
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

POLICIES = {
    "RandAugment": transforms.RandAugment(2, 14),
    "TrivialAugmentWide": transforms.TrivialAugmentWide(),
    "AutoAugment": transforms.AutoAugment("svhn"),
    "AugMix": transforms.AugMix(),
}
each_policy = pytest.mark.parametrize("name", POLICIES)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def difference(a, b):
    return np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32))


@each_policy
def test_batch_replay_and_loop_agree(name):
    transform, images, key = POLICIES[name], jnp.asarray(pixels(6, 20, 26, 3)), jax.random.key(3)
    keys = jax.random.split(key, 6)
    batch = jax.jit(lambda images, key: transform.batch(images, key=key))(images, key)
    one = jax.jit(lambda image, key: transform(image, key=key))
    for i in range(6):
        assert difference(one(images[i], keys[i]), batch[i]).max() <= 1
        assert np.mean(difference(transform(images[i], key=keys[i]), batch[i]) > 1) < 0.02  # not compiled
    params = jax.vmap(lambda image, key: transform.params(image, key=key))(images, keys)
    assert params["fn_idx"].shape[0] == 6
    assert difference(jax.jit(jax.vmap(transform.replay))(images, params), batch).max() <= 1
    assert len({np.asarray(params["magnitude"][i]).tobytes() for i in range(6)}) > 1


def test_batch_of_batches():
    transform, images = POLICIES["RandAugment"], jnp.asarray(pixels(2, 3, 20, 26, 3))
    keys = jax.random.split(jax.random.key(0), (2, 3))
    nested = jax.jit(jax.vmap(jax.vmap(lambda image, key: transform(image, key=key))))(images, keys)
    flat = jax.jit(jax.vmap(lambda image, key: transform(image, key=key)))(images.reshape(6, 20, 26, 3), keys.ravel())
    assert difference(nested.reshape(flat.shape), flat).max() <= 1


def test_the_branches_of_a_vectorised_batch_agree_with_the_loop(monkeypatch):
    """Other platforms than a CPU vectorise over the batch."""
    images, key = jnp.asarray(pixels(8, 20, 26, 3)), jax.random.key(1)
    transform = POLICIES["RandAugment"]
    loop = jax.jit(lambda images, key: transform.batch(images, key=key))(images, key)
    choose = jax.lax.platform_dependent
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: choose(*args, default=default))
    vectorised = jax.jit(lambda images, key: transform.batch(images, key=key))(images, key)
    assert difference(loop, vectorised).max() <= 1


def test_a_batch_needs_little_memory():
    images = jax.ShapeDtypeStruct((64, 224, 224, 3), jnp.uint8)
    size = 64 * 224 * 224 * 3
    transform = POLICIES["RandAugment"]
    compiled = jax.jit(lambda x, key: transform.batch(x, key=key)).lower(images, jax.random.key(0)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes <= size
    warp = jax.jit(jax.vmap(lambda x, angle: F.affine(x, angle, (0.0, 0.0), 1.0, (0.0, 0.0), "bilinear")))
    compiled = warp.lower(images, jax.ShapeDtypeStruct((64,), jnp.float32)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes <= 4 * size


def test_a_gradient_goes_through_a_batch():
    transform, images = POLICIES["RandAugment"], jnp.asarray(pixels(4, 12, 12, 3) / 255, jnp.float32)

    def one(image, key):
        return transform(image, key=key).sum()

    keys = jax.random.split(jax.random.key(0), 4)
    by_sum = jax.jit(jax.grad(lambda images: jax.vmap(one)(images, keys).sum()))(images)
    by_image = jax.jit(jax.vmap(jax.grad(one)))(images, keys)
    assert np.isfinite(by_sum).all()
    assert (by_sum != 0).any()
    np.testing.assert_allclose(by_image, by_sum, atol=1e-4)


@each_policy
def test_host_images_of_all_kinds(name):
    transform, x = POLICIES[name], pixels(20, 26, 3)
    np.testing.assert_array_equal(transform(x, key=1), transform(x, key=1))
    rng = np.random.default_rng(0)
    assert len({transform(x, key=rng).tobytes() for _ in range(12)}) > 3
    for mode in ("RGB", "L"):
        image = PIL.Image.fromarray(x).convert(mode)
        result = transform(image, key=1)
        assert (result.mode, result.size) == (mode, image.size)
    sample = transform({"image": Image(x), "video": Video(x[None]), "label": 3}, key=1)
    assert [type(sample[kind]) for kind in ("image", "video", "label")] == [Image, Video, int]
    np.testing.assert_array_equal(sample["video"].array[0], sample["image"].array)
    assert transform(x.astype(np.float32) / 255, key=1).dtype == np.float32
    assert transform(x[:1, :1], key=1).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        transform(pixels(8, 8, 4), key=1)


def leaves(xp):
    boxes = BoundingBoxes(xp.asarray([[4.0, 5.0, 12.0, 11.0]]), format="XYXY", canvas_size=(20, 26))
    points = KeyPoints(xp.asarray([[4.0, 5.0]]), canvas_size=(20, 26))
    mask = Mask(xp.asarray(pixels(20, 26)))
    return {"image": Image(xp.asarray(pixels(20, 26, 3))), "boxes": boxes, "points": points, "mask": mask}


@each_policy
@pytest.mark.parametrize("kind", ["boxes", "points", "mask"])
def test_leaves_that_would_stay_behind_raise(name, kind):
    sample = leaves(np)
    with pytest.raises(TypeError, match=f"{type(sample[kind]).__name__}.*geometric='move'"):
        POLICIES[name]({"image": sample["image"], kind: sample[kind]}, key=0)


MOVES = [("TranslateX", 5.4), ("TranslateY", -3.0), ("Rotate", 20.0), ("ShearX", 0.21), ("ShearY", -0.23)]


@pytest.mark.parametrize(("operation", "magnitude"), [*MOVES, ("Brightness", 0.4), ("Equalize", 0.0)])
def test_leaves_move_with_the_image(operation, magnitude):
    transform = transforms.RandAugment(1, geometric="move")
    params = {"fn_idx": np.array([OPERATIONS.index(operation)]), "magnitude": np.array([magnitude], np.float32)}
    magnitude = params["magnitude"][0].item()
    shear = math.degrees(math.atan(magnitude))

    def expected(leaf):
        if operation == "Rotate":
            return F.rotate(leaf, magnitude)
        if operation.startswith("Shear"):
            return F.affine(leaf, 0.0, (0, 0), 1.0, (shear, 0) if operation[-1] == "X" else (0, shear), center=(0, 0))
        if operation.startswith("Translate"):
            return F.affine(leaf, 0.0, (int(magnitude), 0) if operation[-1] == "X" else (0, int(magnitude)), 1.0, 0.0)
        return leaf

    host = transform.replay(leaves(np), params)
    device = jax.jit(transform.replay)(leaves(jnp), {"fn_idx": jnp.asarray(params["fn_idx"], jnp.int32),
                                                     "magnitude": jnp.asarray(params["magnitude"])})
    for name in ("boxes", "points", "mask"):
        reference = expected(leaves(np)[name]).array
        np.testing.assert_allclose(host[name].array, reference, atol=1e-4)
        assert np.mean(difference(device[name].array, reference) > 1e-3) < 0.02
    assert np.mean(difference(device["image"].array, host["image"].array) > 1) < 0.02


def test_labels_follow_the_heaviest_part_of_augmix():
    transform = transforms.AugMix(chain_depth=1, geometric="move")
    move = [[OPERATIONS.index("TranslateX")]] * 3
    weights = {"stays": [0.4, 0.3, 0.2, 0.1], "moves": [0.2, 0.3, 0.4, 0.1]}
    for name, row in weights.items():
        params = {"fn_idx": np.array(move), "magnitude": np.array([[1.0], [2.0], [3.0]]),
                  "weights": np.array(row, np.float32)}
        shift = 2 if name == "moves" else 0
        for xp, replay in ((np, transform.replay), (jnp, jax.jit(transform.replay))):
            given = params if xp is np else {key: jnp.asarray(value, jnp.int32 if key == "fn_idx" else jnp.float32)
                                             for key, value in params.items()}
            sample = leaves(xp)
            result = replay(sample, given)
            np.testing.assert_allclose(result["points"].array, [[4.0 + shift, 5.0]])


def test_float_magnitudes_lie_between_the_bins():
    x = np.zeros((20, 26, 3), np.uint8)

    def magnitudes(level):
        return transforms.RandAugment(200, level).params(x, key=0)

    low, middle, high = magnitudes(8), magnitudes(8.5), magnitudes(9)
    np.testing.assert_array_equal(low["fn_idx"], middle["fn_idx"])
    smooth = low["fn_idx"] != OPERATIONS.index("Posterize")
    mean = (low["magnitude"] + high["magnitude"]) / 2
    np.testing.assert_allclose(middle["magnitude"][smooth], mean[smooth], rtol=1e-5, atol=1e-6)


def test_no_operations():
    x = pixels(5, 5, 3)
    np.testing.assert_array_equal(transforms.RandAugment(0)(x, key=0), x)
    np.testing.assert_array_equal(jax.jit(lambda x: transforms.RandAugment(0)(x, key=jax.random.key(0)))(x), x)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: transforms.RandAugment(-1), "num_ops=-1 must be an int, 0 or more"),
    (lambda: transforms.RandAugment(2, 31), "magnitude=31 must be from 0 to 30"),
    (lambda: transforms.RandAugment(interpolation="cubic"), "interpolation='cubic'"),
    (lambda: transforms.TrivialAugmentWide(1), "num_magnitude_bins=1 must be an int, 2 or more"),
    (lambda: transforms.AutoAugment("coco"), "policy='coco' is not one of 'imagenet'"),
    (lambda: transforms.AugMix(severity=11), "severity=11 must be an int from 1 to 10"),
    (lambda: transforms.AugMix(alpha=0.0), "alpha=0.0 must be above zero"),
    (lambda: transforms.AugMix(mixture_width=0), "mixture_width=0"),
    (lambda: transforms.AugMix(geometric="keep"), "geometric='keep' must be 'raise' or 'move'"),
])
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
