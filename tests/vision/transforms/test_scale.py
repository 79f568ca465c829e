"""Letterboxes, canvases, fixed crops and repeated augmentation."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import FORMATS, BoundingBoxes, Image, KeyPoints, Mask, Video

from .every_transform import SIZE, largest_difference, sample

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "canvas"), [((24, 32), (20, 36)), ((24, 32), (40, 33)), ((7, 1), (9, 9)),
                                              ((1, 1), (5, 8)), ((31, 30), (16, 16))])
def test_letterbox(size, canvas):
    image = RNG.integers(1, 256, (*size, 3), dtype=np.uint8)
    result = F.letterbox(image, canvas, fill=0)
    ratio = min(canvas[0] / size[0], canvas[1] / size[1])
    height, width = (max(round(old * ratio), 1) for old in size)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    inner = result[top : top + height, left : left + width]
    np.testing.assert_array_equal(inner, F.resize(image, (height, width)))
    assert result.shape == (*canvas, 3)
    assert (result != 0).any(-1).sum() == height * width, "the border is black"
    np.testing.assert_array_equal(F.letterbox(jnp.asarray(image), canvas), result)
    picture = transforms.Letterbox(canvas, fill=9)(PIL.Image.fromarray(image))
    assert picture.size == canvas[::-1]


def test_a_letterbox_that_does_not_enlarge():
    image = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    result = transforms.Letterbox(10, enlarge=False)(image)
    np.testing.assert_array_equal(result[2:8, 1:9], image)
    fill = {Image: (1, 2, 3), Mask: 255}
    sample_ = {"image": Image(image), "mask": Mask(image[..., 0])}
    result = transforms.Letterbox(10, enlarge=False, fill=fill)(sample_)
    assert result["image"].array[0, 0].tolist() == [1, 2, 3]
    assert result["mask"].array[0, 0] == 255


@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (-7, 4), (9, -11), (-30, 0), (40, 40)])
def test_place_is_a_resize_and_a_pad(corner):
    size, canvas = (15, 21), (20, 28)
    one = sample()
    wide = (200, 200)
    far = {name: F.pad(F.resize(leaf, size, "nearest"), (90, 90, wide[1] - 111, wide[0] - 105))
           for name, leaf in one.items() if name in ("image", "mask")}
    top, left = 90 - corner[0], 90 - corner[1]
    for name, leaf in far.items():
        expected = F.crop(leaf, top, left, *canvas)
        result = F.place(one[name], size, corner, canvas, "nearest")
        assert largest_difference(result, expected) == 0
        for args in ((size, jnp.array(corner)), (jnp.array(size), jnp.array(corner))):
            traced = jax.jit(lambda leaf, size, corner: F.place(leaf, size, corner, canvas, "nearest"))(
                jax.tree.map(jnp.asarray, one[name]), *args)
            assert largest_difference(traced, expected) == 0
    points = F.place(one["points"], size, corner, canvas)
    expected = one["points"].array * np.array([21 / 32, 15 / 24], np.float32) + np.array(corner[::-1], np.float32)
    np.testing.assert_allclose(points.array, expected, rtol=1e-5, atol=1e-5)
    assert points.canvas_size == canvas


@pytest.mark.parametrize(("mode", "antialias"), [("bilinear", True), ("bicubic", True), ("bilinear", False),
                                                 ("bicubic", False), ("lanczos", True), ("nearest-exact", True)])
@pytest.mark.parametrize("size", [(9, 40), (33, 11)])
def test_a_traced_size_gives_the_resize_of_the_host(mode, antialias, size):
    image = RNG.random((24, 32, 3)).astype(np.float32)
    expected = F.place(image, size, (1, 2), (40, 45), mode, antialias=antialias)
    run = jax.jit(lambda x, size: F.place(x, size, (1, 2), (40, 45), mode, antialias=antialias, max_shrink=3.0))
    np.testing.assert_allclose(run(jnp.asarray(image), jnp.array(size)), expected, atol=2e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_boxes_of_every_format_are_placed(format):
    corners = np.array([[4, 5, 14, 5, 14, 13, 4, 13], [20, 2, 28, 2, 28, 9, 20, 9]], np.float32)
    upright = corners[:, [0, 1, 4, 5]]
    array = (F.convert_bounding_box_format(upright, "XYXY", format) if FORMATS[format] == 4
             else F.convert_bounding_box_format(corners, "XYXYXYXY", format))
    boxes = BoundingBoxes(array, format=format, canvas_size=SIZE)
    result = F.letterbox(boxes, (48, 80))
    inner = "XYXY" if FORMATS[format] == 4 else "XYXYXYXY"
    expected = (upright if inner == "XYXY" else corners) * 2 + np.array([8, 0] * (FORMATS[inner] // 2), np.float32)
    moved = F.convert_bounding_box_format(result, new_format=inner).array
    np.testing.assert_allclose(moved, expected, atol=1e-3)
    none = F.letterbox(boxes.replace(array=array[:0]), (48, 80))
    assert none.shape == (0, FORMATS[format])


def test_fixed_size_crop():
    image = RNG.integers(1, 256, (10, 30, 3), dtype=np.uint8)
    crop = transforms.FixedSizeCrop((16, 12), fill=0)
    tops, lefts = zip(*((p["top"], p["left"]) for p in (crop.params(image, key=key) for key in range(200))))
    assert set(tops) == {0}
    assert (min(lefts), max(lefts)) == (0, 18)
    result = crop.replay(image, {"top": 0, "left": 7})
    np.testing.assert_array_equal(result[:10], image[:, 7:19])
    assert not result[10:].any()
    same = transforms.FixedSizeCrop((10, 30))(image, key=0)
    np.testing.assert_array_equal(same, image)


def test_repeated_augmentation():
    one = {**sample(), "name": "a tench", "label": 3}
    crop = transforms.RandomCrop(9)
    repeated = transforms.RepeatedAugment(crop, 4)
    result = repeated(one, key=0)
    assert result["image"].shape == (4, 9, 9, 3)
    assert result["boxes"].shape == (4, 2, 4)
    assert result["label"].tolist() == [3] * 4
    assert result["name"] == "a tench"
    assert len({image.tobytes() for image in result["image"].array}) > 1
    for i, params in enumerate(repeated.params(one, key=0)):
        alone = crop.replay(one, params)
        np.testing.assert_array_equal(result["image"].array[i], alone["image"].array)
    with pytest.raises(TypeError, match=r"put ToImage\(\) into its transform"):
        repeated(PIL.Image.new("RGB", (20, 20)), key=0)
    with pytest.raises(ValueError, match="copies of one shape"):
        transforms.RepeatedAugment(transforms.RandomResize(5, 20), 5)(one, key=0)
    with pytest.raises(ValueError, match="must be at least 1"):
        transforms.RepeatedAugment(crop, 0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: transforms.Letterbox(0), "positive int"), (lambda: transforms.FixedSizeCrop((3, 0)), "positive int"),
    (lambda: F.place(np.zeros((3, 3, 1)), (2, 2), (0, 0), 4), "must be"),
    (lambda: transforms.Letterbox(4, "cubic"), "is not one of"),
    (lambda: transforms.ScaleJitter((4, 4), canvas=0), "canvas=0"),
    (lambda: F.place(np.zeros((3, 3, 1), np.uint8), (2, 2), (0, 0), (4, 4), fill=300), "does not fit"),
    (lambda: transforms.RandomResize(4, 9)(jnp.zeros((5, 5, 1)), key=jax.random.key(0)), r"give canvas="),
])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_key_points_outside_move_too():
    points = KeyPoints(np.array([[-4.0, 60.0]], np.float32), canvas_size=SIZE)
    np.testing.assert_allclose(F.letterbox(points, (48, 64)).array, [[-8.0, 120.0]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float16", "bfloat16"])
def test_small_images_of_every_dtype(dtype):
    options = {"canvas": (5, 6)}
    every = [
        transforms.RandomZoomOut(p=1.0), transforms.RandomZoomOut(p=1.0, size=(5, 6)),
        transforms.RandomResize(3, 6, **options), transforms.ScaleJitter((5, 6), **options),
        transforms.RandomShortestSize(4, **options), transforms.Letterbox((5, 6)), transforms.FixedSizeCrop((5, 6)),
        transforms.CoarseDropout(p=1.0), transforms.GridMask(p=1.0), transforms.GridDistortion(),
        transforms.RandomGamma(p=1.0),
    ]
    for size in ((1, 1), (1, 7), (9, 1)):
        for channels in (1, 4):
            image = np.asarray(jnp.asarray(RNG.random((*size, channels))).astype(dtype))
            for transform in every:
                result = transform(image, key=0)
                assert isinstance(result, np.ndarray)
                assert result.dtype == image.dtype
                assert np.isfinite(result.astype(np.float32)).all()


def test_videos_on_a_canvas():
    frames = RNG.integers(0, 256, (2, 3, 8, 9, 3), dtype=np.uint8)
    jitter = transforms.ScaleJitter((10, 9), (0.5, 1.0), canvas=(9, 10))
    key = jax.random.key(0)
    result = jax.jit(lambda x: jitter.batch(Video(x), key=key))(jnp.asarray(frames))
    assert result.shape == (2, 3, 9, 10, 3)
    alone = jitter(Image(jnp.asarray(frames[1, 2])), key=jax.random.split(key, 2)[1])
    assert largest_difference(alone.array, result.array[1, 2]) <= 1
