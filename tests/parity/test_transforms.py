"""Transforms against torchvision's v2: the same numbers drawn give the same images."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.transforms as v1
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as tvf
from torchvision.transforms._presets import ImageClassification
from torchvision.tv_tensors import BoundingBoxFormat

from funcvision.vision import transforms, tv_tensors
from funcvision.vision.transforms import functional as F
from funcvision.vision.transforms._random import DeviceRandom, HostRandom

from .images import MODES, array, assert_same_pil, picture, tensor
from .reference import assert_close

BEYOND_TORCHVISION = {
    "CLAHE", "CoarseDropout", "CopyPaste", "FixedSizeCrop", "GridDistortion", "GridMask", "Letterbox", "Mosaic",
    "MotionBlur", "RandomGamma", "RepeatedAugment", "clahe", "fill_boxes", "grid_distortion", "grid_mask", "letterbox",
    "motion_blur", "paste", "place", "quadrants", "uncrop",
}
FOR_A_FIXED_SHAPE = {
    "RandomIoUCrop": ["size", "interpolation", "antialias"], "RandomZoomOut": ["size", "interpolation", "antialias"],
    "RandomResize": ["canvas", "fill"], "RandomShortestSize": ["canvas", "fill"], "ScaleJitter": ["canvas", "fill"],
}
"""Further options, keyword-only and last, under which a transform runs on the device."""


@pytest.mark.parametrize("where", ["classes", "kernels"])
def test_names_of_arguments(where):
    ours, theirs = (transforms, v2) if where == "classes" else (F, tvf)
    others = {"functional", "presets", "InterpolationMode", "Transform", "common_size"}
    names = set(ours.__all__) - others - BEYOND_TORCHVISION
    assert len(names) > 5
    for name in names:
        mine, reference = (list(inspect.signature(getattr(module, name)).parameters) for module in (ours, theirs))
        if where == "kernels":  # torchvision calls the image inpt, pic or image
            mine, reference = mine[1:], reference[1:]
        mine = [parameter for parameter in mine if parameter not in ("key", "geometric")]  # torchvision has neither
        expected = [parameter for parameter in reference if parameter != "inplace"]
        assert mine == expected + FOR_A_FIXED_SHAPE.get(name, []), name


KERNELS_OF_ONE_KIND = ("image", "video", "mask", "bounding_boxes", "keypoints")
"""Suffixes of torchvision's kernels for one kind of leaf; here the kernel itself takes every kind."""

ABSENT = {
    "check_type": "for tests of a leaf's type: isinstance", "has_all": "as check_type", "has_any": "as check_type",
    "get_bounding_boxes": "for authors of transforms: jax.tree.leaves finds them", "get_keypoints": "as the boxes",
    "query_chw": "for authors of transforms: common_size and get_num_channels", "query_size": "common_size",
    "register_kernel": "a kernel has it as a method: resize.register(MyLeaf)",
    "is_pure_tensor": "there are no tensors",
}
"""Public names of torchvision that are left out on purpose, and what to use, or why."""


@pytest.mark.parametrize(("ours", "theirs"), [(transforms, v2), (F, tvf)], ids=["classes", "kernels"])
def test_every_name_is_there_or_left_out_on_purpose(ours, theirs):
    names = {name for name in vars(theirs) if not name.startswith("_") and not inspect.ismodule(getattr(theirs, name))}
    kernels = {name for name in names if any(name.endswith(f"_{kind}") for kind in KERNELS_OF_ONE_KIND)}
    if ours is F:
        kernels -= {"to_image", "to_pil_image", "get_image"}
        for name in kernels - ABSENT.keys() - set(ours.__all__):
            kernel = next(name.removesuffix(f"_{kind}") for kind in KERNELS_OF_ONE_KIND if name.endswith(f"_{kind}"))
            assert kernel in ours.__all__, name
        names -= kernels
    assert len(names) > 40
    missing = names - set(ours.__all__) - ABSENT.keys()
    assert not missing, f"add {missing}, or write into ABSENT why not"
    assert not ABSENT.keys() & set(ours.__all__)


@pytest.mark.filterwarnings("ignore:The function")  # torchvision warns of these
def test_old_names():
    x = picture(9, 14, 3)
    image = PIL.Image.fromarray(x)
    assert list(F.get_image_size(image)) == tvf.get_image_size(image) == [14, 9]
    assert F.get_image_size(tv_tensors.Image(x)) == F.get_image_size(jnp.asarray(x)) == (14, 9)
    assert F.get_size(image) == (9, 14)
    for leaf in (image, x, x.astype(np.float64)):
        expected = tvf.to_tensor(leaf).permute(1, 2, 0).numpy()
        result = F.to_tensor(leaf)
        assert result.dtype == expected.dtype
        assert_close(result, expected)
    assert F.elastic_transform is F.elastic


def test_options_as_members_of_enums():
    x = picture(20, 30, 3)
    moved = {"angle": 20.0, "translate": (1, 2), "scale": 1.1, "shear": (3.0, 0.0)}
    boxes = tv_tensors.BoundingBoxes(np.float32([[1, 2, 8, 9]]), format=BoundingBoxFormat.XYXY, canvas_size=(20, 30))
    for modes in (v1.InterpolationMode, transforms.InterpolationMode):
        assert {mode.name: mode.value for mode in modes} == {mode.name: mode.value for mode in v1.InterpolationMode}
        for image in (x, PIL.Image.fromarray(x), jnp.asarray(x)):
            for call in (
                lambda mode, image=image: F.resize(image, (9, 11), mode),
                lambda mode, image=image: F.affine(image, **moved, interpolation=mode),
                lambda mode, image=image: F.resized_crop(image, 1, 2, 8, 9, (5, 6), interpolation=mode),
                lambda mode, image=image: transforms.Resize((9, 11), mode)(image),
                lambda mode, image=image: transforms.RandomRotation(30, mode)(image, key=jax.random.key(0)
                    if isinstance(image, jax.Array) else 0),
            ):
                np.testing.assert_array_equal(np.asarray(call(modes.BILINEAR)), np.asarray(call("bilinear")))
        for transform in (
            lambda mode: transforms.RandAugment(3, 20, interpolation=mode),
            lambda mode: transforms.ElasticTransform(30.0, interpolation=mode),
            lambda mode: transforms.GridDistortion(interpolation=mode),
            lambda mode: transforms.RandomPerspective(p=1.0, interpolation=mode),
            lambda mode: transforms.Letterbox((9, 9), interpolation=mode),
        ):
            results = [transform(mode)(x, key=5) for mode in (modes.BILINEAR, "bilinear")]
            np.testing.assert_array_equal(*results)
        with pytest.raises(ValueError, match="interpolation"):
            transforms.RandomRotation(3, modes.LANCZOS)
    new = F.convert_bounding_box_format(boxes, new_format=BoundingBoxFormat.CXCYWH)
    assert (boxes.format, new.format) == ("XYXY", "CXCYWH")
    assert transforms.ConvertBoundingBoxFormat(BoundingBoxFormat.XYWH)(boxes).format == "XYWH"
    np.testing.assert_array_equal(
        F.convert_bounding_box_format(boxes.array, BoundingBoxFormat.XYXY, BoundingBoxFormat.CXCYWH), new.array
    )
    policies = [transforms.AutoAugment(policy) for policy in (v1.AutoAugmentPolicy.SVHN, "svhn")]
    np.testing.assert_array_equal(*(policy(x, key=1) for policy in policies))


# transforms with the numbers that torchvision drew


def test_random_resized_crop_with_their_box():
    x = picture(60, 83, 3)
    image = PIL.Image.fromarray(x)
    for mode, antialias in MODES:
        theirs = v2.RandomResizedCrop((24, 30), interpolation=v1.InterpolationMode(mode), antialias=antialias)
        ours = transforms.RandomResizedCrop((24, 30), interpolation=mode, antialias=antialias)
        for seed in range(4):
            torch.manual_seed(seed)
            box = theirs.make_params([image])
            assert_close(ours.apply(x, **box), array(theirs.transform(tensor(x), box)))
            if antialias:
                assert_same_pil(ours.apply(image, **box), theirs.transform(image, box))


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 4}, {"padding": (1, 2), "padding_mode": "reflect"}, {"padding": (1, 2, 3, 4), "fill": (9, 8, 7)},
     {"pad_if_needed": True, "size": (40, 9)}, {"pad_if_needed": True, "size": (30, 60), "padding": 3, "fill": 5}],
)
def test_random_crop_with_their_corner(options):
    options = {"size": (13, 17), **options}
    x = picture(20, 31, 3)
    image = PIL.Image.fromarray(x)
    theirs = v2.RandomCrop(**options)
    ours = transforms.RandomCrop(**options)
    traced = jax.jit(lambda x, top, left: ours.apply(x, top=top, left=left))
    for seed in range(4):
        torch.manual_seed(seed)
        params = theirs.make_params([image])
        corner = {"top": params["top"], "left": params["left"]}
        expected = array(theirs.transform(tensor(x), params))
        assert_close(ours.apply(x, **corner), expected)
        assert_close(traced(x, *map(jnp.int32, corner.values())), expected)
        assert_same_pil(ours.apply(image, **corner), theirs.transform(image, params))


def quantiles(values):
    return np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0.02, 0.98, 25))


@pytest.mark.parametrize("shape", [(60, 80), (40, 200)])
def test_random_resized_crop_draws_from_their_distribution(shape):
    image, n = PIL.Image.new("L", shape[::-1]), 2000
    theirs, ours = v2.RandomResizedCrop(8), transforms.RandomResizedCrop(8)
    torch.manual_seed(0)
    reference = np.array([list(theirs.make_params([image]).values()) for _ in range(n)])
    generator = np.random.default_rng(0)
    host = np.array([list(ours.draw(HostRandom(generator), [image]).values()) for _ in range(n)])
    blank = jnp.zeros((*shape, 1))
    keys = jax.random.split(jax.random.key(0), n)
    device = jax.vmap(lambda key: jnp.stack(list(ours.draw(DeviceRandom(key), blank).values())))(keys)
    for name, draws in (("host", host), ("device", np.asarray(device))):
        for column, side in enumerate((shape[0], shape[1], shape[0], shape[1])):  # top, left, height, width
            difference = np.abs(quantiles(draws[:, column]) - quantiles(reference[:, column])).max()
            assert difference <= 0.06 * side, f"{name}, column {column}: quantiles differ by {difference} of {side}"
        np.testing.assert_allclose(np.corrcoef(draws.T), np.corrcoef(reference.T), atol=0.1, err_msg=name)


# pipelines


PAIRS = [
    lambda t, dtype: t.Resize(24), lambda t, dtype: t.CenterCrop((20, 26)), lambda t, dtype: t.ToImage(),
    lambda t, dtype: t.ToDtype(dtype, scale=True), lambda t, dtype: t.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.25]),
]


def test_pipeline():
    theirs = v2.Compose([make(v2, torch.float32) for make in PAIRS])
    ours = transforms.Compose([make(transforms, jnp.float32) for make in PAIRS])
    x = picture(40, 57, 3)
    image = PIL.Image.fromarray(x)
    result, label = ours((image, 3))
    assert label == 3
    assert_close(result, array(theirs(image)))
    assert_close(ours(x), array(theirs(tensor(x))))
    assert_close(ours(jnp.asarray(x)), array(theirs(tensor(x))))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(40, 57), (70, 33), (25, 25)])
def test_image_classification(shape, interpolation):
    options = {"crop_size": 24, "resize_size": 29, "antialias": True}
    theirs = ImageClassification(**options, interpolation=v1.InterpolationMode(interpolation))
    ours = transforms.presets.ImageClassification(**options, interpolation=interpolation)
    x = picture(*shape, 3)
    image = PIL.Image.fromarray(x)
    assert_close(ours(image), array(theirs(image)))
    for pixels in (x, picture(2, *shape, 3), picture(*shape, 3, dtype="float32")):
        expected = array(theirs(tensor(pixels)))
        assert_close(ours(pixels), expected)
        assert_close(ours(tv_tensors.Image(jnp.asarray(pixels))).array, expected)


def test_image_classification_on_photos(shared_data):
    theirs = ImageClassification(crop_size=224)
    ours = transforms.presets.ImageClassification(crop_size=224)
    paths = sorted((shared_data / "imagenet-samples").rglob("*.JPEG"))[:3] or sorted(shared_data.glob("*.jpg"))
    assert paths
    for path in paths:
        image = PIL.Image.open(path).convert("RGB")
        assert_close(ours(image), array(theirs(image)))
        x = np.asarray(image)
        # A byte that lies halfway between two levels may be rounded either way: some of the 150,000 differ by a level.
        difference = np.abs(ours(x) - array(theirs(tensor(x))))
        assert (difference > 1e-5).mean() < 1e-4
        assert difference.max() < 1.01 / 255 / min(transforms.presets.IMAGENET_STD)
