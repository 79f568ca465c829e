"""Transforms of detection samples against torchvision's: results for its drawn params, and what is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as tvf
from torchvision import tv_tensors as theirs
from torchvision.ops import box_iou

from funcvision.vision import transforms
from funcvision.vision import tv_tensors as ours
from funcvision.vision.transforms import functional as F

from .images import array, picture, pil_picture, tensor
from .test_transform_leaves import FORMATS, SIZE, assert_same_boxes, assert_same_places, pair, random_boxes

CLASSES = {
    "zoom out": ("RandomZoomOut", {"side_range": (1.0, 2.5), "p": 1.0, "fill": 7}),
    "iou crop": ("RandomIoUCrop", {"trials": 20}),
    "resize": ("RandomResize", {"min_size": 20, "max_size": 50}),
    "jitter": ("ScaleJitter", {"target_size": (50, 40), "scale_range": (0.5, 1.5)}),
    "shortest": ("RandomShortestSize", {"min_size": [20, 30, 44], "max_size": 60}),
}


def samples(format="XYXY", n=12):
    """The same sample for both libraries: image, masks, boxes, key points and labels."""
    boxes = random_boxes(format, "float32", n=n, seed=3)
    image, mask = picture(*SIZE, 3), picture(n, *SIZE, seed=1)
    points, labels = np.random.default_rng(2).uniform(0, 40, (n, 2)).astype(np.float32), np.arange(n)
    mine, reference = pair(boxes, format)
    return (
        {"image": ours.Image(image), "mask": ours.Mask(mask), "boxes": mine,
         "points": ours.KeyPoints(points, canvas_size=SIZE), "labels": labels},
        {"image": theirs.Image(tensor(image)), "mask": theirs.Mask(torch.from_numpy(mask.copy())), "boxes": reference,
         "points": theirs.KeyPoints(torch.from_numpy(points.copy()), canvas_size=SIZE),
         "labels": torch.from_numpy(labels)},
    )


def assert_same_sample(mine, reference):
    np.testing.assert_array_equal(mine["image"].array, array(reference["image"]))
    np.testing.assert_array_equal(mine["mask"].array, reference["mask"].numpy())
    assert_same_boxes(mine["boxes"], reference["boxes"])
    np.testing.assert_allclose(mine["points"].array, reference["points"].numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(mine["labels"], reference["labels"].numpy())


def with_params(reference, sample, params):
    return {key: leaf if key == "labels" else reference.transform(leaf, params) for key, leaf in sample.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_params_of_torchvision(name):
    kind, options = CLASSES[name]
    mine, reference = getattr(transforms, kind)(**options), getattr(v2, kind)(**options)
    our_sample, their_sample = samples()
    flat = [their_sample[key] for key in ("image", "boxes", "mask", "points")]
    torch.manual_seed(1)
    for _ in range(4):
        params = reference.make_params(flat)
        if name == "iou crop" and not params:
            continue
        expected = with_params(reference, their_sample, params)
        ours_params = {key: value.tolist() if isinstance(value, torch.Tensor) else value
                       for key, value in params.items()}
        assert_same_sample(mine.replay(our_sample, ours_params), expected)


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "iou crop"])
def test_pil_images(name):
    kind, options = CLASSES[name]
    mine, reference = getattr(transforms, kind)(**options), getattr(v2, kind)(**options)
    image = pil_picture("RGB", *SIZE)
    torch.manual_seed(2)
    params = reference.make_params([image])
    np.testing.assert_array_equal(mine.replay(image, params), reference.transform(image, params))


def flat(params):
    return np.concatenate([np.ravel(params[key]) for key in sorted(params) if key != "is_within_crop_area"])


@pytest.mark.parametrize("name", CLASSES)
def test_drawn_params(name):
    kind, options = CLASSES[name]
    n, whole = 400, np.array([SIZE[0], 0, 0, SIZE[1]])
    mine, reference = getattr(transforms, kind)(**options), getattr(v2, kind)(**options)
    our_sample, their_sample = samples()
    flat_inputs = [their_sample["image"], their_sample["boxes"]]
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    drawn = np.stack([flat(mine.params(our_sample, key=rng)) for _ in range(n)]).astype(float)
    params = [reference.make_params(flat_inputs) for _ in range(n)]
    wanted = np.stack([flat(p) if p else whole for p in params]).astype(float)
    fixed = getattr(transforms, kind)(**options, **({"size": (20, 30)} if name in ("zoom out", "iou crop") else
                                                    {"canvas": (60, 70)}))
    device = jax.tree.map(jnp.asarray, {"image": our_sample["image"], "boxes": our_sample["boxes"]})
    keys = jax.random.split(jax.random.key(0), n)
    on_device = jax.jit(jax.vmap(lambda key: fixed.params(device, key=key)))(keys)
    on_device = np.concatenate(
        [np.asarray(on_device[key]).reshape(n, -1) for key in sorted(on_device) if key != "is_within_crop_area"], 1
    ).astype(float)
    deviation = wanted.std(0)
    for other in (drawn, on_device):
        assert (np.abs(other.mean(0) - wanted.mean(0)) <= 0.25 * deviation + 0.5).all()
        assert (np.abs(other.std(0) - deviation) <= 0.2 * deviation + 0.5).all()
        np.testing.assert_allclose(np.percentile(other, (10, 50, 90), 0), np.percentile(wanted, (10, 50, 90), 0),
                                   atol=0.35 * deviation.max() + 1)
    if name == "iou crop":  # how often the sample stays as it is
        kept = (wanted == whole).all(1).mean()
        for other in (drawn, on_device):
            assert abs((other == whole).all(1).mean() - kept) < 0.08


@pytest.mark.parametrize("transform", [
    transforms.RandomZoomOut(side_range=(4.0, 4.0), p=1.0, size=(13, 14)),
    transforms.ScaleJitter((50, 40), (0.1, 0.1), canvas=9), transforms.RandomResize(3, 4, canvas=9),
])
def test_a_strong_shrinking_covers_all_pixels(transform):
    image = picture(60, 90, 3)
    for key in range(3):
        params = transform.params(image, key=key)
        on_device = jax.jit(transform.replay)(jnp.asarray(image), params)
        difference = np.abs(np.asarray(on_device).astype(int) - transform.replay(image, params).astype(int))
        assert difference.max() <= 1


def test_an_iou_crop_keeps_its_promise():
    sample, _ = samples()
    crop = transforms.RandomIoUCrop(sampler_options=[0.4], trials=40)
    corners = sample["boxes"].array
    cropped = 0
    for key in range(30):
        params = crop.params(sample, key=key)
        top, left, height, width = (int(params[name]) for name in ("top", "left", "height", "width"))
        if (height, width) == SIZE:
            continue
        cropped += 1
        assert 0.5 <= width / height <= 2
        assert height >= int(0.3 * SIZE[0])
        assert width >= int(0.3 * SIZE[1])
        box = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
        overlap = box_iou(torch.from_numpy(corners.copy()), box).numpy()[:, 0]
        centre = (corners[:, :2] + corners[:, 2:]) / 2
        inside = ((centre > [left, top]) & (centre < [left + width, top + height])).all(1)
        np.testing.assert_array_equal(params["is_within_crop_area"], inside)
        assert overlap[inside].max() >= 0.4
        after = crop.replay(sample, params)["boxes"].array
        assert (after[~inside] == 0).all()
    assert cropped > 5


def test_an_iou_crop_without_boxes():
    none = ours.BoundingBoxes(np.zeros((0, 4), np.float32), canvas_size=SIZE)
    image = picture(*SIZE, 3)
    for options in (None, [0.1]):  # torchvision would never return from the second
        result = transforms.RandomIoUCrop(sampler_options=options)((ours.Image(image), none), key=0)
        np.testing.assert_array_equal(result[0].array, image)
        assert result[1].shape == (0, 4)
    crop = transforms.RandomIoUCrop(size=SIZE)
    on_device = crop(jax.tree.map(jnp.asarray, (ours.Image(image), none)), key=jax.random.key(0))
    np.testing.assert_array_equal(on_device[0].array, image)
    assert on_device[1].valid.shape == (0,)
    with pytest.raises(TypeError, match="needs an image and BoundingBoxes"):
        transforms.RandomIoUCrop()(image, key=0)
    with pytest.raises(ValueError, match=r"give size=\(height, width\)"):
        transforms.RandomIoUCrop()(jax.tree.map(jnp.asarray, (ours.Image(image), none)), key=jax.random.key(0))


@pytest.mark.parametrize("name", CLASSES)
def test_the_form_for_the_device_is_that_of_the_host(name):
    """Given the same params, a fixed size gives the same in both places, up to a level of uint8."""
    kind, options = CLASSES[name]
    fixed = {"size": (33, 47)} if name in ("zoom out", "iou crop") else {"canvas": (33, 47)}
    transform = getattr(transforms, kind)(**options, **fixed)
    sample, _ = samples()
    device = jax.tree.map(jnp.asarray, sample)
    run = jax.jit(transform.replay)
    for key in range(2):
        params = transform.params(sample, key=key)
        mine, other = transform.replay(sample, params), run(device, params)
        difference = np.abs(mine["image"].array.astype(int) - np.asarray(other["image"].array).astype(int))
        assert difference.max() <= 1
        assert (mine["mask"].array == other["mask"].array).mean() > 0.985
        np.testing.assert_allclose(other["boxes"].array, mine["boxes"].array, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(other["points"].array, mine["points"].array, rtol=1e-4, atol=1e-3)
        assert mine["boxes"].canvas_size == other["boxes"].canvas_size == (33, 47)


@pytest.mark.parametrize("format", FORMATS)
def test_sanitize(format):
    boxes = random_boxes(format, "float32", n=300, seed=5)
    boxes[:3] = 0
    boxes[3] = np.nan
    mine, reference = pair(boxes, format, None)
    for least in (1.0, 9.0):
        kept, valid = F.sanitize_bounding_boxes(mine, min_size=least, min_area=30.0)
        wanted, wanted_valid = tvf.sanitize_bounding_boxes(reference, min_size=least, min_area=30.0)
        np.testing.assert_array_equal(valid, wanted_valid.numpy())
        assert 0 < valid.sum() < 300
        assert_same_places(kept.array, wanted.numpy(), format)
    bare, bare_valid = F.sanitize_bounding_boxes(boxes, format, SIZE, 9.0, 30.0)
    np.testing.assert_array_equal(bare, kept.array)
    np.testing.assert_array_equal(bare_valid, valid)
    on_device = jax.jit(lambda b: F.sanitize_bounding_boxes(b, min_size=9.0, min_area=30.0))(
        jax.tree.map(jnp.asarray, mine))
    assert (np.asarray(on_device.valid) == valid).mean() > 0.99
    assert on_device.shape == mine.shape


@pytest.mark.parametrize("shape", [(40, 2), (40, 3, 2), (0, 2)])
def test_sanitize_key_points(shape):
    points = np.random.default_rng(0).uniform(-9, 55, shape).astype(np.float32)
    mine = ours.KeyPoints(points, canvas_size=SIZE, visible=np.ones(shape[:-1], bool))
    kept, valid = F.sanitize_keypoints(mine)
    wanted, wanted_valid = tvf.sanitize_keypoints(theirs.KeyPoints(torch.from_numpy(points.copy()), canvas_size=SIZE))
    np.testing.assert_array_equal(valid, wanted_valid.numpy())
    np.testing.assert_array_equal(kept.array, wanted.numpy())
    assert kept.visible.shape == kept.shape[:-1]
    on_device = F.sanitize_keypoints(jax.tree.map(jnp.asarray, mine))
    np.testing.assert_array_equal(on_device.valid.all(tuple(range(1, len(shape) - 1))), valid)


@pytest.mark.parametrize("getter", ["default", None, lambda sample: sample["labels"],
                                    lambda sample: (sample["labels"], sample["area"])])
def test_sanitize_samples(getter):
    mine, reference = samples(n=30)
    mine["area"], reference["area"] = np.arange(30.0), torch.arange(30.0)
    ours_result = transforms.SanitizeBoundingBoxes(8, 90, getter)(mine)
    theirs_result = v2.SanitizeBoundingBoxes(8, 90, getter)(reference)
    assert 0 < len(ours_result["boxes"].array) < 30
    assert_same_sample(ours_result, theirs_result)
    np.testing.assert_array_equal(ours_result["area"], theirs_result["area"].numpy())
    ours_result = transforms.SanitizeKeyPoints(getter)(mine)
    assert_same_sample(ours_result, v2.SanitizeKeyPoints(getter)(reference))
    device = {key: jax.tree.map(jnp.asarray, value) for key, value in mine.items()}
    result = jax.jit(transforms.SanitizeBoundingBoxes(8, 90, getter))(device)
    assert jax.tree.map(np.shape, result["labels"]) == (30,)
    np.testing.assert_array_equal(result["labels"][result["boxes"].valid],
                                  transforms.SanitizeBoundingBoxes(8, 90)(mine)["labels"])


def test_sanitize_finds_labels_where_torchvision_does():
    mine, _ = samples()
    image, target = mine.pop("image"), mine
    for sample in ((image, target), (image, {**{k: v for k, v in target.items() if k != "labels"},
                                             "my_Labels": target["labels"]})):
        result = transforms.SanitizeBoundingBoxes(20)(sample)
        labels = next(value for key, value in result[1].items() if "label" in key.lower())
        assert len(labels) == len(result[1]["boxes"].array) < 12
    with pytest.raises(ValueError, match="found no labels"):
        transforms.SanitizeBoundingBoxes()((image, {"boxes": target["boxes"]}))
    with pytest.raises(ValueError, match="found no BoundingBoxes"):
        transforms.SanitizeBoundingBoxes()({"image": image, "labels": target["labels"]})
    with pytest.raises(ValueError, match="differ in number"):
        transforms.SanitizeBoundingBoxes()({"boxes": target["boxes"], "labels": np.arange(3)})
    with pytest.raises(TypeError, match="must be an array"):
        transforms.SanitizeBoundingBoxes()({"boxes": target["boxes"], "labels": "cat"})


@pytest.mark.parametrize("make", [
    lambda: transforms.RandomZoomOut(side_range=(0.5, 2)), lambda: transforms.RandomZoomOut(p=1.5),
    lambda: transforms.RandomIoUCrop(min_scale=0.0), lambda: transforms.RandomIoUCrop(trials=0),
    lambda: transforms.RandomIoUCrop(min_aspect_ratio=3.0), lambda: transforms.RandomResize(9, 9),
    lambda: transforms.ScaleJitter((9, 0)), lambda: transforms.ScaleJitter((9, 9), (0.0, 1.0)),
    lambda: transforms.RandomShortestSize([]), lambda: transforms.SanitizeBoundingBoxes(0.5),
    lambda: transforms.SanitizeBoundingBoxes(labels_getter="x"), lambda: transforms.SanitizeKeyPoints(labels_getter=3),
    lambda: F.sanitize_bounding_boxes(np.zeros((1, 4))), lambda: F.sanitize_keypoints(np.zeros((1, 2))),
])
def test_bad_options(make):
    with pytest.raises(ValueError, match=r"must|needs|no probability|are no range"):
        make()
