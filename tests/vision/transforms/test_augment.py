"""Mixing of batches, compression and several crops: containers, videos, JSON, jit."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision.vision import transforms as T
from funcvision.vision.tv_tensors import Image, Video

from .every_transform import largest_difference, sample

RNG = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 4], np.int32)
PHOTOS = RNG.uniform(size=(4, 9, 12, 3)).astype(np.float32)
CLIPS = RNG.uniform(size=(4, 2, 9, 12, 3)).astype(np.float32)
mixing = pytest.mark.parametrize("mix", [T.MixUp(num_classes=5), T.CutMix(num_classes=5)], ids=["MixUp", "CutMix"])


def through_json(params):
    return json.loads(json.dumps(jax.tree.map(lambda x: np.asarray(x).tolist(), params)))


@mixing
def test_videos_are_mixed_like_images(mix):
    batch = {"clips": Video(CLIPS), "labels": LABELS}
    result = mix(batch, key=1)
    assert type(result["clips"]) is Video
    params = mix.params(batch, key=1)
    for frame in range(2):
        alone = mix.replay((CLIPS[:, frame], LABELS), params)
        np.testing.assert_array_equal(result["clips"].array[:, frame], alone[0])
        np.testing.assert_array_equal(result["labels"], alone[1])
    with pytest.raises(ValueError, match=r"batch with 5 axes, and got the shape \(2, 9, 12, 3\)"):
        mix({"clips": Video(CLIPS[0]), "labels": LABELS}, key=1)


@mixing
def test_mixing_in_a_compose(mix):
    both = T.Compose([T.Normalize(0.5, 0.25), mix])
    batch, key = {"image": Image(PHOTOS), "labels": LABELS}, 3
    result, params = both(batch, key=key), both.params(batch, key=key)
    expected = mix.replay((((PHOTOS - 0.5) / 0.25).astype(np.float32), LABELS), params[1])
    np.testing.assert_allclose(result["image"].array, expected[0], atol=1e-6)
    np.testing.assert_array_equal(result["labels"], expected[1])
    device = jax.tree.map(jnp.asarray, batch)
    compiled = jax.jit(lambda batch, key: both(batch, key=key))(device, jax.random.key(0))
    assert compiled["labels"].shape == (4, 5)
    assert (compiled["image"].array != (device["image"].array - 0.5) / 0.25).any()


@mixing
@pytest.mark.parametrize("typed", [False, True])
def test_a_batch_of_single_images_is_an_error(mix, typed):
    photos = jnp.asarray(PHOTOS)
    with pytest.raises(ValueError, match=r"got the shape \(9, 12, 3\): call it on the batch itself"):
        mix.batch((Image(photos) if typed else photos, jnp.asarray(LABELS)), key=jax.random.key(0))


@mixing
def test_groups_are_mixed_each_for_itself(mix):
    groups = jnp.asarray(PHOTOS).reshape(2, 2, 9, 12, 3), jnp.asarray(LABELS).reshape(2, 2)
    images, labels = mix.batch(groups, key=jax.random.key(2))
    for i, key in enumerate(jax.random.split(jax.random.key(2), 2)):
        alone = mix((groups[0][i], groups[1][i]), key=key)
        np.testing.assert_allclose(images[i], alone[0], atol=1e-6)
        np.testing.assert_allclose(labels[i], alone[1], atol=1e-6)


@pytest.mark.parametrize(("transform", "given"), [
    (T.MixUp(num_classes=5), (PHOTOS, LABELS)),
    (T.CutMix(num_classes=5), (PHOTOS, LABELS)),
    (T.JPEG((5, 60)), Image((PHOTOS[0] * 255).astype(np.uint8))),
    (T.Mosaic((20, 30), labels_getter="default"), [sample(k) for k in range(4)]),
    (T.CopyPaste(0.6), [sample(k) for k in range(2)]),
    (T.presets.ImageClassificationTrain(crop_size=8), (PHOTOS[0] * 255).astype(np.uint8)),
], ids=lambda value: type(value).__name__ if isinstance(value, T.Transform) else "")
def test_params_go_through_json(transform, given):
    for key in range(3):
        params = through_json(transform.params(given, key=key))
        assert largest_difference(transform.replay(given, params), transform(given, key=key)) == 0
    if isinstance(transform, T.JPEG):
        return
    device, key = jax.tree.map(jnp.asarray, given), jax.random.key(4)
    params, result = jax.jit(lambda x: (transform.params(x, key=key), transform(x, key=key)))(device)
    replayed = jax.jit(lambda x: transform.replay(x, through_json(params)))(device)
    assert largest_difference(replayed, result) <= (1.0 if isinstance(transform, T.Mosaic) else 1e-5 * 256)


def test_copy_paste_of_boolean_masks():
    both = [sample(k) for k in range(2)]
    for one in both:
        one["mask"] = one["mask"].replace(array=one["mask"].array.astype(bool))
    for given, key in ((both, 0), (jax.tree.map(jnp.asarray, both), jax.random.key(0))):
        result = T.CopyPaste(1.0)(given, key=key)
        assert result["mask"].array.dtype == bool
        assert result["mask"].array[2:].any()


def test_the_second_leaf_of_boxes_has_another_number():
    one = sample()
    one["more"] = one["boxes"].replace(array=one["boxes"].array[:1])
    with pytest.raises(ValueError, match=r"a second one has another number of entries: shapes \(2, 4\) and \(1, 4\)"):
        T.SanitizeBoundingBoxes()(one)


@pytest.mark.parametrize("transform", [T.FiveCrop((4, 5)), T.TenCrop(4), T.UniformTemporalSubsample(3)],
                         ids=["FiveCrop", "TenCrop", "UniformTemporalSubsample"])
def test_jit_and_batch(transform):
    batch = {"clip": Video(jnp.asarray(CLIPS)), "labels": jnp.asarray(LABELS)}
    expected = [transform(jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), batch)) for i in range(4)]
    result = jax.jit(transform.batch)(batch)
    for i, wanted in enumerate(expected):
        assert largest_difference(jax.tree.map(lambda leaf, i=i: leaf[i], result), wanted) == 0
