"""Boxes, masks, key points and videos against torchvision's kernels, on the host and on the device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as tvf
from torchvision import tv_tensors as theirs

from funcvision.vision import transforms
from funcvision.vision import tv_tensors as ours
from funcvision.vision.transforms import functional as F

from .images import array, picture, tensor
from .reference import assert_close

SIZE = (40, 61)
ROTATED = ("XYWHR", "CXCYWHR", "XYXYXYXY")
FORMATS = tuple(ours.FORMATS)
MODES = ["soft", "hard", None]
KERNELS = {
    "resize": (lambda f, x: f.resize(x, [23, 50])),
    "resize of one edge": (lambda f, x: f.resize(x, 33, max_size=47) if f is F else f.resize(x, [33], max_size=47)),
    "crop": (lambda f, x: f.crop(x, 7, 11, 22, 31)),
    "crop beyond the image": (lambda f, x: f.crop(x, -5, 30, 33, 64)),
    "resized_crop": (lambda f, x: f.resized_crop(x, 4, 9, 29, 35, [17, 24])),
    "center_crop": (lambda f, x: f.center_crop(x, [20, 31])),
    "center_crop beyond the image": (lambda f, x: f.center_crop(x, [20, 75])),
    "pad": (lambda f, x: f.pad(x, [3, 1, 4, 2])),
    "pad with less": (lambda f, x: f.pad(x, [-6, 2, -9, -3])),
    "horizontal_flip": (lambda f, x: f.horizontal_flip(x)),
    "vertical_flip": (lambda f, x: f.vertical_flip(x)),
}


def random_boxes(format, dtype="float64", n=200, seed=0):
    """Boxes whose centres lie on the canvas; most of them leave it."""
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0, SIZE[::-1], (n, 2)), rng.uniform(3, 40, (n, 2))
    if format not in ROTATED:
        boxes = np.concatenate([centre - size / 2, centre + size / 2], 1).astype(dtype)
        return tvf.convert_bounding_box_format(torch.from_numpy(boxes), "XYXY", format).numpy()
    boxes = np.concatenate([centre, size, rng.uniform(-180, 180, (n, 1))], 1).astype(dtype)
    return tvf.convert_bounding_box_format(torch.from_numpy(boxes), "CXCYWHR", format).numpy()


def pair(boxes, format, mode="soft"):
    options = {"format": format, "canvas_size": SIZE, "clamping_mode": mode}
    return ours.BoundingBoxes(boxes, **options), theirs.BoundingBoxes(torch.from_numpy(boxes.copy()), **options)


def assert_same_boxes(mine, reference, rtol=None):
    assert (mine.format, mine.canvas_size) == (reference.format.value, tuple(reference.canvas_size))
    assert mine.clamping_mode == reference.clamping_mode
    assert_same_places(mine.array, torch.as_tensor(reference).numpy(), mine.format, rtol)


def corners(boxes, format):
    return tvf.convert_bounding_box_format(torch.from_numpy(np.array(boxes)), format, "XYXYXYXY").numpy()


def area(boxes):
    x, y = boxes[:, 0::2], boxes[:, 1::2]
    return np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)) / 2


def assert_same_places(mine, reference, format, rtol=None):
    """The same numbers, except for rotated boxes of which next to nothing is left on the canvas.

    Their corners are quotients of rounding errors, in torchvision as here.
    """
    if format in ROTATED:
        assert mine.dtype == reference.dtype
        exist = np.minimum(area(corners(mine, format)), area(corners(reference, format))) > 1e-2
        assert exist.mean() > 0.2
        assert (area(corners(mine, format))[~exist] < 1e-2).all()
        mine, reference = mine[exist], reference[exist]
    assert_close(mine, reference, rtol=rtol)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", KERNELS)
def test_boxes(name, format, mode):
    kernel = KERNELS[name]
    for dtype in ("float64",) if format in ROTATED else ("float64", "float32", "int64", "int32"):
        mine, reference = pair(random_boxes(format, dtype), format, mode)
        result = kernel(F, mine)
        assert_same_boxes(result, kernel(tvf, reference))
        if dtype in ("float32", "int32"):
            on_device = jax.jit(lambda boxes: kernel(F, boxes))(jax.tree.map(jnp.asarray, mine))
            assert_same_boxes(on_device, kernel(tvf, reference))
    if format in ROTATED and name in ("resize", "crop", "horizontal_flip"):  # the compilation takes seconds
        with jax.enable_x64(True):
            on_device = jax.jit(lambda boxes: kernel(F, boxes))(jax.tree.map(jnp.asarray, mine))
        assert_close(on_device.array, result.array)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", FORMATS)
def test_boxes_with_a_traced_crop(format, mode):
    """One compiled program for every crop, also under vmap."""
    mine, _ = pair(random_boxes(format, n=40), format, mode)
    boxes = np.array([(0, 0, 40, 61), (3, 5, 20, 17), (12, 30, 9, 23), (1, 0, 39, 60)])
    with jax.enable_x64(True):
        mine = jax.tree.map(jnp.asarray, mine)
        crop = jax.vmap(lambda b: (F.crop(mine, b[0], b[1], 20, 17), F.resized_crop(mine, *b, (24, 33))))
        crops, resized = jax.jit(crop)(jnp.asarray(boxes))
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        _, reference = pair(random_boxes(format, n=40), format, mode)
        expected = tvf.crop(reference, top, left, 20, 17)
        assert_same_places(np.asarray(crops.array[i]), torch.as_tensor(expected).numpy(), format)
        expected = tvf.resized_crop(reference, top, left, height, width, [24, 33])
        assert (resized.canvas_size, crops.canvas_size) == ((24, 33), (20, 17))
        result = np.asarray(resized.array[i])
        assert_same_places(result, torch.as_tensor(expected).numpy(), format, rtol=1e-6)  # the factors are float32


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("old", FORMATS)
def test_formats(old, dtype):
    if old in ROTATED and dtype == "int64":
        with pytest.raises(TypeError, match=rf"rotated boxes \({old}\) are floats, and these are int64"):
            F.convert_bounding_box_format(np.zeros((2, ours.FORMATS[old]), int), old, old)
        return
    boxes = random_boxes(old, dtype)
    mine, reference = pair(boxes, old)
    for new in FORMATS:
        if (old in ROTATED) != (new in ROTATED):
            with pytest.raises(ValueError, match=f"cannot be converted: from {old} to {new}"):
                F.convert_bounding_box_format(mine, new_format=new)
            continue
        expected = tvf.convert_bounding_box_format(reference, new_format=new)
        assert_same_boxes(F.convert_bounding_box_format(mine, new_format=new.lower()), expected)
        assert_close(F.convert_bounding_box_format(boxes, old, new), torch.as_tensor(expected).numpy())
        if dtype == "float32":
            convert = jax.jit(lambda x, new=new: F.convert_bounding_box_format(x, old, new))
            assert_close(convert(boxes), torch.as_tensor(expected).numpy())


@pytest.mark.parametrize("mode", [*MODES, "auto"])
@pytest.mark.parametrize("format", FORMATS)
def test_clamp_bounding_boxes(format, mode):
    for seed in range(5):
        boxes = random_boxes(format, n=400, seed=seed)
        mine, reference = pair(boxes, format, "hard")
        expected = tvf.clamp_bounding_boxes(reference, clamping_mode=mode)
        assert_same_boxes(F.clamp_bounding_boxes(mine, clamping_mode=mode), expected)
        if mode != "auto":
            result = F.clamp_bounding_boxes(boxes, format, SIZE, mode)
            assert_same_places(result, torch.as_tensor(expected).numpy(), format)


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, -90.0])
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_clamp_upright_boxes_in_a_rotated_format(mode, angle):
    boxes = random_boxes("CXCYWHR")
    boxes[:, 4] = angle
    mine, reference = pair(boxes, "CXCYWHR", mode)
    with np.errstate(all="raise"):
        result = F.clamp_bounding_boxes(mine)
    assert_same_boxes(result, tvf.clamp_bounding_boxes(reference))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("shape", [(50, 2), (4, 17, 2)])
@pytest.mark.parametrize("name", [*KERNELS, "clamp_keypoints", "traced crop"])
def test_key_points(name, shape, dtype):
    points = np.random.default_rng(0).uniform(-10, 70, shape).astype(dtype)
    kernel = KERNELS.get(name, lambda f, x: f.clamp_keypoints(x))
    if name == "traced crop":
        kernel = lambda f, x: f.resized_crop(x, *(map(jnp.int32, (3, 5, 20, 17)) if f is F else (3, 5, 20, 17)), [9, 8])
        if dtype in ("float64", "int64"):
            return  # only on the device
    visible, valid = points[..., 0] > 0, points[..., 1] > 0
    mine = ours.KeyPoints(points, canvas_size=SIZE, visible=visible, valid=valid)
    expected = kernel(tvf, theirs.KeyPoints(torch.from_numpy(points.copy()), canvas_size=SIZE))
    results = [] if name == "traced crop" else [kernel(F, mine)]
    if dtype in ("float32", "int32"):
        results += [jax.jit(lambda leaf: kernel(F, leaf))(jax.tree.map(jnp.asarray, mine))]
    for result in results:
        assert_close(result.array, torch.as_tensor(expected).numpy())
        assert result.canvas_size == tuple(expected.canvas_size)
        np.testing.assert_array_equal(result.visible, visible)
        np.testing.assert_array_equal(result.valid, valid)


MASK_KERNELS = {
    **KERNELS,
    "pad with a class": lambda f, x: f.pad(x, [3, 1, 4, 2], 200),
    "pad by reflection": lambda f, x: f.pad(x, [3, 1, 4, 2], padding_mode="reflect"),
    "nearest-exact": lambda f, x: f.resize(x, [23, 50], interpolation="nearest-exact"),
    "bicubic": lambda f, x: f.resize(x, [23, 50], interpolation="bicubic"),
    "resized_crop nearest-exact": lambda f, x: f.resized_crop(x, 4, 9, 29, 35, [17, 24], interpolation="nearest-exact"),
}


@pytest.mark.parametrize("shape", [SIZE, (5, *SIZE)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
@pytest.mark.parametrize("name", MASK_KERNELS)
def test_masks(name, dtype, shape):
    if dtype == "bool" and name == "pad with a class":
        return
    kernel = MASK_KERNELS[name]
    values = (picture(*shape) > 99) if dtype == "bool" else picture(*shape).astype(dtype)
    expected = torch.as_tensor(kernel(tvf, theirs.Mask(torch.from_numpy(values.copy())))).numpy()
    result = kernel(F, ours.Mask(values))
    assert isinstance(result, ours.Mask)
    assert_close(result.array, expected)
    if dtype != "int64":
        assert_close(jax.jit(lambda x: kernel(F, x))(ours.Mask(jnp.asarray(values))).array, expected)


@pytest.mark.parametrize("name", KERNELS)
def test_videos(name):
    kernel, values = KERNELS[name], picture(2, 3, *SIZE, 3)
    expected = array(torch.as_tensor(kernel(tvf, theirs.Video(tensor(values)))))
    result = kernel(F, ours.Video(values))
    assert isinstance(result, ours.Video)
    assert_close(result.array, expected)
    assert_close(jax.jit(lambda x: kernel(F, x))(ours.Video(jnp.asarray(values))).array, expected)


def test_boxes_follow_the_image_where_torchvision_rounds_otherwise():
    """In a canvas that grows by an odd number of pixels, torchvision's boxes are a pixel off their object."""
    image = np.zeros((4, 4, 1), np.uint8)
    image[1, 2] = 1
    boxes = np.array([[2, 1, 3, 2]])
    grown = F.center_crop(ours.Image(image), (7, 7)).array
    result = F.center_crop(ours.BoundingBoxes(boxes, canvas_size=(4, 4)), (7, 7)).array
    left, top, right, bottom = result[0]
    assert grown[top:bottom, left:right].tolist() == [[[1]]]
    reference = theirs.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=(4, 4))
    assert (tvf.center_crop(reference, [7, 7]).numpy() - result).tolist() == [[1, 1, 1, 1]]


def everything(seed=0):
    """The same sample for both libraries."""
    values = {
        "image": picture(*SIZE, 3, seed=seed), "mask": picture(*SIZE, seed=seed + 1), "label": np.arange(3),
        "boxes": random_boxes("XYWH", "float32", n=9, seed=seed), "video": picture(2, *SIZE, 3, seed=seed + 2),
    }
    mine = {
        "image": ours.Image(values["image"]), "mask": ours.Mask(values["mask"]), "label": values["label"],
        "boxes": ours.BoundingBoxes(values["boxes"], format="XYWH", canvas_size=SIZE),
        "video": ours.Video(values["video"]),
    }
    reference = {
        "image": theirs.Image(tensor(values["image"])), "mask": theirs.Mask(torch.from_numpy(values["mask"])),
        "boxes": theirs.BoundingBoxes(torch.from_numpy(values["boxes"]), format="XYWH", canvas_size=SIZE),
        "video": theirs.Video(tensor(values["video"])), "label": torch.from_numpy(values["label"]),
    }
    return mine, reference


SAMPLE_TRANSFORMS = {
    "Resize": lambda t, types: t.Resize(31),
    "CenterCrop": lambda t, types: t.CenterCrop((30, 75)),
    "Pad": lambda t, types: t.Pad(3, fill={types.Mask: 255, types.Image: (1, 2, 3), "others": 7}),
    "RandomCrop": lambda t, types: t.RandomCrop((33, 70), pad_if_needed=True, fill={types.Mask: 255, "others": 0}),
    "RandomResizedCrop": lambda t, types: t.RandomResizedCrop((33, 21)),
    "RandomHorizontalFlip": lambda t, types: t.RandomHorizontalFlip(1.0),
    "RandomVerticalFlip": lambda t, types: t.RandomVerticalFlip(1.0),
    "ToImage": lambda t, types: t.ToImage(),
    "ToDtype": lambda t, types: t.ToDtype(jnp.float32 if types is ours else torch.float32, scale=True),
    "ToDtype of kinds": lambda t, types: t.ToDtype(
        {types.Mask: jnp.int32, types.BoundingBoxes: jnp.float16, "others": None} if types is ours else
        {types.Mask: torch.int32, types.BoundingBoxes: torch.float16, "others": None}
    ),
    "Normalize": lambda t, types: t.Compose([
        t.ToDtype(jnp.float32 if types is ours else torch.float32, scale=True), t.Normalize([0.5] * 3, [0.2] * 3)
    ]),
}


@pytest.mark.parametrize("name", SAMPLE_TRANSFORMS)
def test_whole_samples(name):
    mine, reference = everything()
    transform = SAMPLE_TRANSFORMS[name](transforms, ours)
    counterpart = SAMPLE_TRANSFORMS[name](v2, theirs)
    if name in ("RandomCrop", "RandomResizedCrop"):  # what torchvision drew
        torch.manual_seed(3)
        leaves = [leaf for key, leaf in reference.items() if key != "label"]
        params = counterpart.make_params(leaves)
        drawn = transform.params(mine, key=0)
        given = {key: params[key] for key in drawn}
        result = transform.replay(mine, given)
        expected = {key: counterpart.transform(leaf, params) for key, leaf in reference.items() if key != "label"}
    else:
        result = transform(mine, key=0)
        expected = counterpart(reference)
    for key in ("image", "video"):
        assert_close(result[key].array, array(torch.as_tensor(expected[key])))
    assert_close(result["mask"].array, torch.as_tensor(expected["mask"]).numpy())
    assert_same_boxes(result["boxes"], expected["boxes"])
    assert result["label"] is mine["label"]
