"""Mosaics of four samples, and instances that are pasted from one sample into another."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask

from .every_transform import SIZE, box_mask, largest_difference, mask_box, sample

MOSAIC = transforms.Mosaic((40, 50), labels_getter="default", interpolation="nearest")


def on_device(value):
    return jax.tree.map(jnp.asarray, value)


def rows(batch, index):
    return jax.tree.map(lambda leaf: leaf[index], batch)


def constant(value, size=SIZE):
    return Image(np.full((*size, 1), value, np.uint8))


def test_every_quadrant_shows_its_sample():
    sizes = [(20, 25), (40, 50), (30, 20), (9, 31)]
    images = [constant(10 * (k + 1), size) for k, size in enumerate(sizes)]
    result = MOSAIC_OF_IMAGES.replay(images, {"center": [23, 15]}).array[..., 0]
    assert result.shape == (40, 50)
    for k, part in enumerate((result[:15, :23], result[:15, 23:], result[15:, :23], result[15:, 23:])):
        assert set(np.unique(part)) <= {10 * (k + 1), 7}
        corner = part[-1 if k < 2 else 0, -1 if k % 2 == 0 else 0]
        assert corner == 10 * (k + 1), "a sample touches the centre"
    pictures = [PIL.Image.fromarray(image.array[..., 0]) for image in images]
    pil = MOSAIC_OF_IMAGES.replay(pictures, {"center": [23, 15]})
    np.testing.assert_array_equal(np.asarray(pil), result)
    device = jax.jit(MOSAIC_OF_IMAGES.replay)([on_device(image) for image in images], {"center": jnp.array([23, 15])})
    np.testing.assert_array_equal(device.array[..., 0], result)


MOSAIC_OF_IMAGES = transforms.Mosaic((40, 50), fill=7)


def test_boxes_points_and_masks_move_along():
    four = [sample(seed) for seed in range(4)]
    for key in range(4):
        result = MOSAIC(four, key=key)
        assert result["image"].shape == (40, 50, 3)
        assert result["mask"].shape == (8, 40, 50)
        assert result["boxes"].canvas_size == result["points"].canvas_size == (40, 50)
        assert result["labels"].tolist() == [0, 1] * 4
        for plane, box in zip(result["mask"].array, result["boxes"].array, strict=True):
            if plane.any() and (box[2:] - box[:2]).min() > 2:
                np.testing.assert_allclose(mask_box(plane), box, atol=1.01)
    kept = transforms.SanitizeBoundingBoxes()(result)
    assert len(kept["labels"]) == len(kept["boxes"].array) == len(kept["mask"].array)


def test_a_mask_of_classes_and_other_leaves():
    four = [(Image(np.full((*SIZE, 3), k, np.uint8)), Mask(np.full(SIZE, k, np.uint8)), f"name {k}") for k in range(4)]
    image, mask, name = transforms.Mosaic(SIZE)(four, key=0)
    np.testing.assert_array_equal(image.array[..., 0], mask.array)
    assert set(np.unique(mask.array)) <= {0, 1, 2, 3}
    assert name == "name 0"


def test_a_batch_of_mosaics():
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[sample(k, device=True) for k in range(3)])
    key = jax.random.key(0)
    result = jax.jit(lambda batch, key: MOSAIC.batch(batch, key=key))(batch, key)
    assert result["image"].shape == (3, 40, 50, 3)
    assert result["boxes"].shape == (3, 8, 4)
    four = [rows(batch, slice(k, k + 2)) for k in (0, 1, 0, 1)]
    result = jax.jit(lambda four, key: MOSAIC.batch(four, key=key))(four, key)
    for i, part in enumerate(jax.random.split(key, 2)):
        one = MOSAIC([rows(x, i) for x in four], key=part)
        assert largest_difference(rows(result, i), one) <= 1


def test_errors_of_mosaics():
    with pytest.raises(TypeError, match="takes a list or tuple of 4 samples, and this is a list of 3"):
        MOSAIC([sample()] * 3, key=0)
    with pytest.raises(ValueError, match="samples of one structure"):
        MOSAIC([sample()] * 3 + [{"image": sample()["image"]}], key=0)
    with pytest.raises(ValueError, match="center_range"):
        transforms.Mosaic(8, center_range=(0.0, 0.5))
    with pytest.raises(ValueError, match="is random and got no key"):
        MOSAIC.batch(on_device(sample()))
    rotated = sample()["boxes"].replace(array=np.zeros((2, 5), np.float32), format="XYWHR")
    with pytest.raises(ValueError, match="boxes of one format"):
        MOSAIC([sample()] * 3 + [{**sample(), "boxes": rotated}], key=0)


def instances(boxes, value):
    boxes = np.asarray(boxes, np.float32)
    return {
        "image": Image(np.full((*SIZE, 1), value, np.uint8)),
        "mask": Mask(np.stack([box_mask(box) for box in boxes]) if len(boxes) else np.zeros((0, *SIZE), np.uint8)),
        "boxes": BoundingBoxes(boxes.reshape(-1, 4), canvas_size=SIZE),
        "points": KeyPoints(boxes.reshape(-1, 2, 2), canvas_size=SIZE), "labels": np.arange(len(boxes)) + value,
        "classes": Mask(np.full(SIZE, value, np.uint8)),
    }


def test_instances_are_pasted():
    target = instances([[2, 2, 10, 10], [14, 4, 20, 12]], 1)
    source = instances([[6, 2, 12, 10], [0, 15, 5, 20], [13, 3, 21, 13]], 50)
    paste = transforms.CopyPaste()
    result = paste.replay((target, source), {"pasted": [True, False, True]})
    # The second instance of the target is hidden, the first has lost its right half.
    assert result["boxes"].array.tolist() == [[2, 2, 6, 10], [6, 2, 12, 10], [13, 3, 21, 13]]
    assert result["labels"].tolist() == [1, 50, 52]
    assert result["points"].shape == (3, 2, 2)
    for plane, box in zip(result["mask"].array, result["boxes"].array, strict=True):
        assert mask_box(plane).tolist() == box.tolist()
    pasted = source["mask"].array[[0, 2]].any(0)
    np.testing.assert_array_equal(result["image"].array[..., 0], np.where(pasted, 50, 1))
    np.testing.assert_array_equal(result["classes"].array, np.where(pasted, 50, 1))
    device = jax.jit(paste.replay)((on_device(target), on_device(source)), {"pasted": jnp.array([True, False, True])})
    valid = np.asarray(device["boxes"].valid)
    assert valid.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(device["boxes"].array[valid], result["boxes"].array)
    np.testing.assert_array_equal(device["mask"].array[valid], result["mask"].array)
    assert not device["mask"].array[~valid].any()
    assert device["points"].valid.shape == (5, 2)
    np.testing.assert_array_equal(device["image"].array, result["image"].array)


def test_nothing_to_paste():
    target, none = instances([[2, 2, 10, 10]], 1), instances([], 50)
    for pair, left in (((target, none), target), ((none, none), none)):
        result = transforms.CopyPaste(1.0)(pair, key=0)
        assert largest_difference(result, left) == 0
    result = transforms.CopyPaste(0.0)((target, target), key=0)
    assert largest_difference(result, target) == 0
    result = transforms.CopyPaste(1.0)((none, target), key=0)
    assert result["labels"].tolist() == [1]


def test_a_pasted_batch_and_pil_images():
    batch = jax.tree.map(lambda *x: jnp.stack(x), *[sample(k, device=True) for k in range(3)])
    result = transforms.CopyPaste().batch(batch, key=jax.random.key(1))
    assert result["boxes"].valid.shape == (3, 4)
    pair = [{**instances([[2, 2, 10, 10]], v), "image": PIL.Image.new("RGB", SIZE[::-1], (v, v, v))} for v in (1, 9)]
    picture = np.asarray(transforms.CopyPaste(1.0)(pair, key=0)["image"])
    np.testing.assert_array_equal(picture[..., 0], np.where(box_mask(np.array([2, 2, 10, 10])), 9, 1))


def test_errors_of_copy_paste():
    with pytest.raises(ValueError, match="needs one Mask"):
        transforms.CopyPaste()([{"image": constant(1), "labels": np.arange(2)}] * 2, key=0)
    small = jax.tree.map(lambda x: x, sample())
    small = {**transforms.Resize((5, 6))(small)}
    with pytest.raises(ValueError, match="two samples of one size"):
        transforms.CopyPaste()((sample(), small), key=0)
    with pytest.raises(ValueError, match="no probability"):
        transforms.CopyPaste(1.5)
    with pytest.raises(ValueError, match="one shape and dtype"):
        F.paste(constant(1), constant(1, (3, 4)), np.zeros(SIZE, bool))
