"""Images with a side of 0, boxes without a pixel, and the smallest images: one clear error, or a right result."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.datasets import FakeData
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

BOTH = pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
LEAVES = {
    "PIL": lambda h, w: PIL.Image.new("RGB", (w, h)),
    "grey PIL": lambda h, w: PIL.Image.new("L", (w, h)),
    "numpy": lambda h, w: np.zeros((h, w, 3), np.uint8),
    "jax": lambda h, w: jnp.zeros((h, w, 3)),
    "batch": lambda h, w: np.zeros((2, h, w, 3), np.float32),
    "Image": lambda h, w: Image(np.zeros((h, w, 1), np.uint8)),
    "Video": lambda h, w: Video(np.zeros((4, h, w, 3), np.uint8)),
    "Mask": lambda h, w: Mask(np.zeros((h, w), np.uint8)),
}
KERNELS = {
    "get_size": F.get_size,
    "resize to a size": lambda x: F.resize(x, (4, 4)),
    "resize of the shorter edge": lambda x: F.resize(x, 4),
    "resize of the longer edge": lambda x: F.resize(x, None, max_size=4),
    "resized_crop": lambda x: F.resized_crop(x, 0, 0, 2, 2, (4, 4)),
    "crop": lambda x: F.crop(x, 0, 0, 2, 2),
    "center_crop": lambda x: F.center_crop(x, 2),
    "center_crop to more": lambda x: F.center_crop(x, 20),
    "pad": lambda x: F.pad(x, 2),
    "pad by reflection": lambda x: F.pad(x, 2, padding_mode="reflect"),
    "pad with edges": lambda x: F.pad(x, 2, padding_mode="edge"),
    "horizontal_flip": F.horizontal_flip,
    "vertical_flip": F.vertical_flip,
}
MESSAGE = r"at least 1 (x 1 )?pixel"


@BOTH
@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_refuse_a_side_of_0(kernel, leaf, size):
    with pytest.raises(ValueError, match=MESSAGE):
        KERNELS[kernel](LEAVES[leaf](*size))


@BOTH
def test_conversions_refuse_a_side_of_0(size):
    floats = np.zeros((*size, 3), np.float32)
    for call in (
        lambda: F.to_image(PIL.Image.new("L", size)), lambda: F.to_image(np.zeros(size)),
        lambda: F.to_dtype(floats, np.uint8, scale=True), lambda: F.to_dtype(jnp.asarray(floats), jnp.bfloat16),
        lambda: F.normalize(floats, [0.5], [0.5]), lambda: F.to_pil_image(floats),
        lambda: F.to_pil_image(floats[..., 0]),
    ):
        with pytest.raises(ValueError, match=MESSAGE):
            call()


TRANSFORMS = [
    transforms.Resize(4), transforms.Resize((4, 4)), transforms.Resize(None, max_size=9), transforms.CenterCrop(3),
    transforms.Pad(2), transforms.RandomCrop(3, pad_if_needed=True), transforms.RandomCrop(3, padding=5),
    transforms.RandomResizedCrop(4), transforms.RandomHorizontalFlip(1.0), transforms.RandomVerticalFlip(1.0),
    transforms.ToImage(), transforms.presets.ImageClassification(crop_size=4, resize_size=5),
    transforms.presets.ImageClassificationTrain(crop_size=4),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("leaf", ["PIL", "numpy", "jax", "Image", "Mask"])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)
def test_transforms_refuse_a_side_of_0(transform, leaf, size):
    image = LEAVES[leaf](*size)
    if isinstance(transform, transforms.ToImage) and leaf == "Mask":
        assert transform(image) is image, "it does not look at masks"
        return
    key = jax.random.key(0) if leaf == "jax" else 0
    with pytest.raises(ValueError, match=MESSAGE):
        transform(image, key=key)
    with pytest.raises(ValueError, match=MESSAGE):
        transform((image, 3), key=key) if leaf not in ("numpy", "jax") else transform((Image(image), 3), key=key)


def test_an_array_without_channels_is_refused():
    for call in (F.hflip, F.to_pil_image, lambda x: F.resize(x, 2), lambda x: F.pad(x, 1)):
        with pytest.raises(ValueError, match="one channel"):
            call(np.zeros((4, 4, 0), np.uint8))


def test_no_images_and_no_planes_are_allowed():
    """Only a side of 0 is meant: an empty batch, a mask without instances and no boxes go through."""
    assert F.resize(np.zeros((0, 4, 4, 3), np.uint8), (2, 2)).shape == (0, 2, 2, 3)
    assert F.crop(Mask(np.zeros((0, 4, 4), np.uint8)), 0, 0, 2, 2).shape == (0, 2, 2)
    assert F.hflip(BoundingBoxes(np.zeros((0, 4)), canvas_size=(4, 4))).shape == (0, 4)


SIDES = {
    "PIL": PIL.Image.new("RGB", (6, 5)), "numpy": np.zeros((5, 6, 3), np.uint8), "jax": jnp.zeros((5, 6, 3)),
    "Mask": Mask(np.zeros((5, 6))), "BoundingBoxes": BoundingBoxes(np.zeros((1, 4)), canvas_size=(5, 6)),
    "KeyPoints": KeyPoints(np.zeros((1, 2)), canvas_size=(5, 6)),
}  # fmt: skip


@pytest.mark.parametrize("box", [(0, 3), (3, 0), (-1, 3), (np.int64(0), 3)])
@pytest.mark.parametrize("leaf", SIDES)
def test_a_box_without_pixels_is_refused(leaf, box):
    height, width = box
    message = f"a box of height={height} and width={width} holds no pixel: both must be at least 1"
    for crop in (lambda x: F.crop(x, 0, 0, *box), lambda x: F.resized_crop(x, 0, 0, *box, (2, 2))):
        with pytest.raises(ValueError, match=re.escape(message)):
            crop(SIDES[leaf])


def test_a_box_without_pixels_at_a_traced_corner_is_refused():
    with pytest.raises(ValueError, match="a box of height=0 and width=2 holds no pixel"):
        jax.jit(lambda x, top: F.crop(x, top, 0, 0, 2))(jnp.zeros((5, 6, 3)), 1)


@pytest.mark.parametrize("leaf", SIDES)
@pytest.mark.parametrize("padding", [-3, (-6, 0, 0, 0), (0, 0, 0, -5), (-6, 1, 9, 1), (-3, 1)])
def test_a_padding_that_cuts_everything_off_is_refused(leaf, padding):
    message = r"cuts everything off an image of \(5, 6\) pixels; at least 1 x 1 must be left"
    for pad in (F.pad, lambda x, p: transforms.Pad(p)(x)):
        if leaf in ("numpy", "jax", "PIL", "Mask") or pad is F.pad:
            with pytest.raises(ValueError, match=message):
                pad(SIDES[leaf], padding)


@pytest.mark.parametrize("size", [0, -1, (0, 3), (3, 0)])
def test_a_size_of_0_is_refused(size):
    for make in (transforms.Resize, transforms.CenterCrop, transforms.RandomCrop, transforms.RandomResizedCrop):
        with pytest.raises(ValueError, match=re.escape(f"size={size!r}")):
            make(size)
    for leaf in ("PIL", "numpy", "jax", "Mask", "BoundingBoxes", "KeyPoints"):
        for kernel in (F.resize, F.center_crop):
            with pytest.raises(ValueError, match=re.escape(f"size={size!r}")):
                kernel(SIDES[leaf], size)


def test_a_long_image_is_never_resized_to_nothing():
    with pytest.raises(ValueError, match=r"would make an image of \(1, 2000\) pixels \(0, 9\)"):
        F.resize(np.zeros((1, 2000, 3), np.uint8), None, max_size=9)


def test_the_middle_of_a_thin_image_has_a_pixel():
    """Where no random box fits, and the widest ratio allowed rounds to no pixel."""
    for shape, ratio in (((1, 1), (0.1, 0.3)), ((1, 1), (3.0, 9.0))):
        crop = transforms.RandomResizedCrop(4, ratio=ratio)
        image = np.full((*shape, 1), 7, np.uint8)
        assert (crop(image, key=0) == 7).all()
        assert (crop(jnp.asarray(image), key=jax.random.key(0)) == 7).all()


def test_fake_data_has_pixels_and_classes():
    for options in ({"image_size": (3, 0, 4)}, {"image_size": (3, 4, 0)}, {"size": -1}, {"num_classes": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            FakeData(**options)
