"""Samples of typed leaves: what is transformed, coupled, dropped and added, and what is drawn and replayed."""

import dataclasses
import functools
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.data import default_collate, pad_collate
from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video

SIZE = (20, 30)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)
BOXES = BoundingBoxes(np.array([[2, 3, 9, 12], [14, 0, 30, 20]], np.float32), canvas_size=SIZE)
SAMPLE = {
    "image": Image(PIXELS), "video": Video(np.stack([PIXELS] * 2)), "mask": Mask(PIXELS[..., 0]), "boxes": BOXES,
    "points": KeyPoints(np.array([[3, 4], [20, 10]], np.float32), canvas_size=SIZE), "labels": np.array([1, 2]),
}
AUGMENT = transforms.Compose([
    transforms.RandomCrop(18, padding=2), transforms.Compose([transforms.RandomHorizontalFlip(),
                                                               transforms.RandomVerticalFlip()]),
    transforms.Resize(16), transforms.RandomResizedCrop(8), transforms.ToDtype("float32", scale=True),
])


def device(sample):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), sample)


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), a, b)


class KeepLargeBoxes(transforms.Transform):
    """Drops boxes and their labels; only on the host, where shapes may change."""

    def transform(self, sample, draws):
        array = sample["boxes"].array
        keep = array[:, 2] - array[:, 0] > 6.5
        boxes = sample["boxes"].replace(array=array[keep])
        return {**sample, "boxes": boxes, "labels": sample["labels"][keep]}


class AddMask(transforms.Transform):
    """Adds a leaf."""

    def transform(self, sample, draws):
        height, width = transforms.common_size(sample)
        return {**sample, "added": Mask(np.arange(height * width).reshape(height, width))}


class Mix(transforms.Transform):
    """Couples two images."""

    def draw(self, random, sample):
        return {"share": random.uniform(0, 1)}

    def transform(self, sample, draws):
        share = draws.draw(self, sample)["share"]
        first, second = sample
        return first.replace(array=share * first.array + (1 - share) * second.array)


# kinds of leaf


@pytest.mark.parametrize("place", [lambda x: x, device], ids=["host", "device"])
def test_all_leaves_follow(place):
    key = jax.random.key(3) if place is device else 3
    result = AUGMENT(place(SAMPLE), key=key)
    assert result["image"].shape == (8, 8, 3)
    assert result["video"].shape == (2, 8, 8, 3)
    assert result["mask"].shape == (8, 8)
    assert result["boxes"].canvas_size == result["points"].canvas_size == (8, 8)
    np.testing.assert_array_equal(result["image"].array, result["video"].array[1])
    assert (result["mask"].dtype, result["image"].dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(result["labels"], [1, 2])


def test_boxes_and_points_follow_their_pixels():
    """One bright pixel, its box and its centre."""
    image = np.zeros((*SIZE, 1), np.uint8)
    image[7, 11] = 255
    sample = (Image(image), BoundingBoxes(np.array([[11, 7, 12, 8]]), canvas_size=SIZE),
              KeyPoints(np.array([[11, 7]]), canvas_size=SIZE), Mask(image[..., 0]))
    move = transforms.Compose([transforms.RandomCrop((16, 24), padding=3), transforms.RandomHorizontalFlip(),
                               transforms.RandomVerticalFlip()])
    for key in range(20):
        image, boxes, points, mask = move(sample, key=key)
        if image.array.any():
            [(row, column)] = np.argwhere(mask.array)
            assert image.array[row, column] == 255
            assert boxes.array.tolist() == [[column, row, column + 1, row + 1]]
            assert points.array.tolist() == [[column, row]]


def test_a_pil_image_with_its_boxes_becomes_an_array():
    sample = {"image": PICTURE, "target": {"boxes": BOXES, "labels": np.array([1, 2])}}
    prepare = transforms.Compose([transforms.RandomResizedCrop(8), transforms.ToImage(),
                                  transforms.ToDtype("float32", scale=True), transforms.Normalize([0.5], [0.5])])
    result = prepare(sample, key=0)
    assert (type(result["image"]), result["image"].dtype) == (np.ndarray, np.float32)
    batch = default_collate([result, prepare(sample, key=1)])
    assert batch["target"]["boxes"].shape == (2, 2, 4)
    assert batch["target"]["boxes"].canvas_size == (8, 8)


def test_a_leaf_without_an_image_is_enough():
    assert transforms.Resize((10, 15))(BOXES).canvas_size == (10, 15)
    assert transforms.Resize((10, 15))([SAMPLE["mask"], 3])[0].shape == (10, 15)


def test_leaves_of_one_sample_share_a_size():
    other = BOXES.replace(canvas_size=(4, 4))
    with pytest.raises(ValueError, match=r"canvases of one sample must have one size, .* \(20, 30\), \(4, 4\)"):
        transforms.RandomCrop(3)((PICTURE, other), key=0)
    with pytest.raises(TypeError, match="all on the host or all jax arrays, and these are Image, ArrayImpl"):
        transforms.RandomCrop(3)((PICTURE, device(BOXES)), key=0)


def test_valid_and_visible_stay():
    boxes = BOXES.replace(valid=np.array([True, False]))
    points = SAMPLE["points"].replace(valid=np.array([False, True]), visible=np.array([2, 1]))
    for place, key in ((lambda x: x, 0), (device, jax.random.key(0))):
        after, moved = AUGMENT(place((boxes, points)), key=key)
        np.testing.assert_array_equal(after.valid, boxes.valid)
        np.testing.assert_array_equal(moved.valid, points.valid)
        np.testing.assert_array_equal(moved.visible, points.visible)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Depth(Mask):
    """A kind of one's own that is like a mask."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sound(TVTensor):
    """A kind that no kernel knows."""

    def extent(self):
        return {}

    def pad_to(self, extent, fill=0):
        return self


def test_kinds_of_ones_own():
    depth = transforms.CenterCrop(6)(Depth(PIXELS[..., 0]))
    assert type(depth) is Depth
    assert depth.shape == (6, 6)
    for kernel, arguments in ((F.resize, (4,)), (F.crop, (0, 0, 3, 3)), (F.normalize, (0.5, 0.5)), (F.get_size, ())):
        message = rf"{kernel.__name__} takes a PIL image, .* type Image, Video, Mask, .*, and this is a Sound; register"
        with pytest.raises(TypeError, match=message):
            kernel(Sound(np.zeros(3)), *arguments)
    with pytest.raises(TypeError, match=r"resize takes .* and this is a Sound"):
        transforms.Resize(4)((PICTURE, Sound(np.zeros(3))))
    F.hflip.register(Sound, lambda sound: sound.replace(array=-sound.array))
    assert F.horizontal_flip(Sound(np.ones(1))).array == -1


def test_what_colour_kernels_pass_through():
    for leaf in (SAMPLE["mask"], BOXES, SAMPLE["points"]):
        assert F.normalize(leaf, 0.5, 0.5) is leaf
        assert F.to_image(leaf) is leaf
        assert transforms.ToDtype("float16", scale=True)(leaf) is leaf
    assert F.to_dtype(SAMPLE["mask"], "float32", scale=True).array.max() > 1
    assert transforms.ToDtype({Mask: "int32", "others": None})(SAMPLE)["mask"].dtype == np.int32
    with pytest.raises(ValueError, match="ToDtype has no dtype for Image: add it, or 'others': None"):
        transforms.ToDtype({Mask: "int32"})((SAMPLE["mask"], PIXELS, SAMPLE["image"]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.hflip(BOXES.replace(array=np.zeros((2, 5)))), ValueError, r"XYXY have shape \[..., n, 4\]"),
        (lambda: F.hflip(BOXES.replace(array=[[0, 0, 1, 1]])), TypeError, "boxes are a numpy or jax array, .* a list"),
        (lambda: F.hflip(BoundingBoxes(np.zeros((2, 5), int), format="XYWHR", canvas_size=SIZE)), TypeError, "floats"),
        (lambda: F.hflip(KeyPoints(np.zeros((2, 3)), canvas_size=SIZE)), ValueError, r"shape \[..., n, 2\]"),
        (lambda: F.resize(KeyPoints([1, 2], canvas_size=SIZE), 3), TypeError, "key points are a numpy or jax array"),
        (lambda: F.crop(Mask(np.zeros(3)), 0, 0, 1, 1), ValueError, r"a Mask holds \[..., height, width\]"),
        (lambda: F.pad(SAMPLE["mask"], 1, (1, 2, 3)), ValueError, "a Mask has no channels: give one number"),
        (lambda: F.pad(BOXES, 1, padding_mode="edge"), ValueError, "BoundingBoxes cannot follow"),
        (lambda: F.convert_bounding_box_format(BOXES), TypeError, "needs new_format"),
        (lambda: F.convert_bounding_box_format(BOXES, "XYXY", "XYWH"), ValueError, "know their format"),
        (lambda: F.convert_bounding_box_format(np.zeros((1, 4)), new_format="XYWH"), ValueError, "give old_format"),
        (lambda: F.clamp_bounding_boxes(np.zeros((1, 4))), ValueError, "needs format, canvas_size and clamping_mode"),
        (lambda: F.clamp_bounding_boxes(BOXES, "XYXY"), ValueError, "give neither"),
        (lambda: F.clamp_bounding_boxes(BOXES, clamping_mode="firm"), ValueError, "clamping_mode='firm'"),
        (lambda: F.clamp_keypoints(np.zeros((1, 2))), ValueError, "give canvas_size with an array"),
    ],
)
def test_kernels_check_what_they_read(call, error, message):
    with pytest.raises(error, match=message):
        call()


# leaves that are dropped, added and coupled


def test_a_transform_may_drop_add_and_couple_leaves():
    steps = transforms.Compose([KeepLargeBoxes(), AddMask(), transforms.CenterCrop((10, 12))])
    sample = {"image": PICTURE, "boxes": BOXES, "labels": np.array([1, 2])}
    result = steps(sample)
    assert sorted(result) == ["added", "boxes", "image", "labels"]
    assert (len(result["boxes"].array), result["labels"].tolist()) == (2, [1, 2])
    assert result["added"].shape == (10, 12)
    small = BOXES.replace(array=np.array([[0, 0, 2, 2], [5, 5, 15, 15]], np.float32))
    result = steps({**sample, "boxes": small})
    assert (len(result["boxes"].array), result["labels"].tolist()) == (1, [2])
    mix = transforms.Compose([Mix(), transforms.Resize((4, 4))])
    white, black = np.ones((*SIZE, 1)), np.zeros((*SIZE, 1))
    mixed = mix((Image(white), Image(black)), key=0)
    (mixing, _) = mix.params((Image(white), Image(black)), key=0)
    np.testing.assert_allclose(mixed.array, np.full((4, 4, 1), mixing["share"]))


def test_a_transform_that_overrides_nothing():
    with pytest.raises(NotImplementedError, match="Transform defines neither apply nor transform"):
        transforms.Transform()(PICTURE)


# params and replay


PRESET = transforms.presets.ImageClassificationTrain(crop_size=9)


@pytest.mark.parametrize(
    ("transform", "sample"),
    [(AUGMENT, SAMPLE), (AUGMENT, device(SAMPLE)), (PRESET, (PICTURE, 3)), (PRESET, jnp.asarray(PIXELS)),
     (transforms.RandomCrop(7), SAMPLE), (transforms.CenterCrop(5), PIXELS)],
)
def test_replay_is_the_call(transform, sample):
    on_host = not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(sample))
    for key in range(4) if on_host else jax.random.split(jax.random.key(0), 4):
        params = transform.params(sample, key=key)
        assert_same(transform.replay(sample, params), transform(sample, key=key))


def test_params_are_a_plain_pytree():
    crop, flips, resize, box, dtype = AUGMENT.params(SAMPLE, key=0)
    assert (sorted(crop), resize, dtype) == (["left", "top"], {}, {})
    assert [sorted(flip) for flip in flips] == [["flip"], ["flip"]]
    assert sorted(box) == ["height", "left", "top", "width"]
    params = AUGMENT.params(SAMPLE, key=0)
    assert_same(AUGMENT.replay(SAMPLE, pickle.loads(pickle.dumps(params))), AUGMENT(SAMPLE, key=0))


def test_params_under_jit_and_vmap():
    keys = jax.random.split(jax.random.key(1), 5)
    images = jnp.asarray(np.stack([PIXELS] * 5))
    params = jax.jit(jax.vmap(lambda x, key: AUGMENT.params(x, key=key)))(images, keys)
    assert params[0]["top"].shape == (5,)
    replayed = jax.jit(jax.vmap(AUGMENT.replay))(images, params)
    np.testing.assert_allclose(replayed, AUGMENT.batch(images, key=jax.random.key(1)), rtol=1e-5, atol=1e-5)


def test_params_go_to_another_sample_and_place():
    steps = transforms.Compose([transforms.RandomCrop(9), transforms.RandomHorizontalFlip()])
    depth = np.arange(600, dtype=np.uint8).reshape(*SIZE, 1)
    for place, key in ((lambda x: x, 4), (jnp.asarray, jax.random.key(2))):
        params = steps.params(place(PIXELS), key=key)
        both = steps((Image(place(PIXELS)), Image(place(depth))), key=key)
        np.testing.assert_array_equal(steps.replay(place(depth), params), both[1].array)
        for elsewhere in (depth, jnp.asarray(depth)):  # from the host to the device and back
            np.testing.assert_array_equal(steps.replay(elsewhere, params), both[1].array)
        np.testing.assert_array_equal(np.asarray(steps.replay(PICTURE, params)), both[0].array)


def test_params_of_a_different_transform_are_refused():
    params = transforms.RandomCrop(7).params(PICTURE, key=0)
    with pytest.raises(ValueError, match="not of a container of 5 transforms"):
        AUGMENT.replay(PICTURE, params)
    with pytest.raises(ValueError, match=r"these params hold nothing for RandomCrop\("):
        transforms.RandomCrop(7).replay(PICTURE, ())


def test_params_need_a_key():
    assert transforms.CenterCrop(4).params(PICTURE) == {}
    with pytest.raises(ValueError, match="got no key"):
        AUGMENT.params(PICTURE)


class Sometimes(transforms.Transform):
    """A container that draws numbers of its own."""

    def __init__(self, inner):
        self.inner = inner

    def draw(self, random, sample):
        return {"run": random.uniform(0, 1) < 0.5}

    def transform(self, sample, draws):
        run = draws.draw(self, sample)["run"]
        (part,) = draws.spawn(1)
        return self.inner.transform(sample, part) if run else sample


def test_a_container_may_draw_and_be_replayed():
    steps = transforms.Compose([Sometimes(transforms.RandomCrop(9)), transforms.RandomVerticalFlip()])
    runs = set()
    for key in range(12):
        params = steps.params(PIXELS, key=key)
        np.testing.assert_array_equal(steps.replay(PIXELS, params), steps(PIXELS, key=key))
        runs.add(params[0]["run"])
        assert params[0]["transforms"] == ({},) or sorted(params[0]["transforms"][0]) == ["left", "top"]
    assert runs == {True, False}


# what was drawn before samples had types stays as it was


def test_the_numbers_of_a_key_are_those_of_earlier_versions():
    steps = transforms.Compose([transforms.RandomResizedCrop(8), transforms.RandomHorizontalFlip()])
    host = steps.params(PIXELS, key=7)
    on_device = jax.tree.map(int, steps.params(jnp.asarray(PIXELS), key=jax.random.key(7)))
    assert jax.tree.map(int, host) == ({"top": 10, "left": 8, "height": 8, "width": 10}, {"flip": 1})
    assert on_device == ({"top": 5, "left": 5, "height": 12, "width": 15}, {"flip": 0})


def test_typed_leaves_on_the_host_run_no_jax_operation():
    """In a fresh interpreter, where the first jax operation would start a device."""
    program = """
import numpy as np
from jax._src import xla_bridge
from funcvision.data import pad_collate
from funcvision.vision import transforms
from funcvision.vision.tv_tensors import FORMATS, BoundingBoxes, Image, KeyPoints, Mask
sample = {name: BoundingBoxes(np.full((3, n), 9.0), format=name, canvas_size=(20, 30)) for name, n in FORMATS.items()}
sample |= {"image": Image(np.zeros((20, 30, 3), np.uint8)), "mask": Mask(np.zeros((20, 30), np.uint8)),
           "points": KeyPoints(np.ones((4, 2)), canvas_size=(20, 30))}
steps = transforms.Compose([
    transforms.RandomCrop(16, padding=2), transforms.RandomResizedCrop(12), transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(), transforms.Resize((9, 14)), transforms.CenterCrop(10), transforms.Pad(1),
    transforms.ToDtype("float32", scale=True), transforms.Normalize([0.5], [0.5])])
results = [steps.replay(sample, steps.params(sample, key=key)) for key in range(4)]
assert pad_collate(results)["XYWHR"].shape == (4, 3, 5)
assert not xla_bridge.backends_are_initialized(), "a device was started"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120)


def test_a_padded_batch_is_augmented_on_the_device():
    samples = [
        {"image": Image(PIXELS[:height, :width]), "mask": Mask(PIXELS[:height, :width, 0]),
         "boxes": BoundingBoxes(np.array([[1, 2, 9, 8]] * n, np.float32), canvas_size=(height, width))}
        for height, width, n in ((20, 30, 1), (12, 28, 3))
    ]
    batch = device(pad_collate(samples, lengths={"boxes": 4}))
    key = jax.random.key(5)
    augment = transforms.Compose([transforms.RandomResizedCrop((9, 7)), transforms.RandomHorizontalFlip()])
    result = jax.jit(lambda batch, key: augment.batch(batch, key=key))(batch, key)
    assert (result["image"].shape, result["boxes"].canvas_size) == ((2, 9, 7, 3), (9, 7))
    assert result["boxes"].valid.tolist() == [[True, False, False, False], [True, True, True, False]]
    for i, one in enumerate(jax.random.split(key, 2)):
        alone = augment(jax.tree.map(lambda x, i=i: x[i], batch), key=one)
        assert_same(jax.tree.map(lambda x, i=i: x[i], result), alone)
