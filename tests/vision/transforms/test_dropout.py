"""Filled boxes and grids, motion blur, and grid distortion."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

from .every_transform import SIZE, sample

PIXELS = np.random.default_rng(0).integers(1, 256, (*SIZE, 3), dtype=np.uint8)


def test_coarse_dropout():
    transform = transforms.CoarseDropout((2, 5), (0.1, 0.3), 0.25, fill=(0, 9, 0), p=1.0)
    counts = []
    for key in range(40):
        holes = transform.params(PIXELS, key=key)["holes"]
        assert holes.shape == (5, 4)
        used = holes[holes[:, 2] > 0]
        counts.append(len(used))
        assert (used[:, 3] == 8).all()
        assert ((used[:, 2] >= 2) & (used[:, 2] <= 8)).all()
        assert (used[:, :2] >= 0).all()
        assert (used[:, :2] + used[:, 2:] <= np.array(SIZE)).all()
        expected = PIXELS.copy()
        for top, left, height, width in used:
            expected[top : top + height, left : left + width] = (0, 9, 0)
        np.testing.assert_array_equal(transform(PIXELS, key=key), expected)
    assert set(counts) == {2, 3, 4, 5}
    assert not transforms.CoarseDropout(p=0.0).params(PIXELS, key=0)["holes"].any()
    drawn = [transforms.CoarseDropout(p=0.3).params(PIXELS, key=key)["holes"].any() for key in range(300)]
    assert abs(np.mean(drawn) - 0.3) < 0.08


def test_other_leaves_stay():
    one = sample()
    for transform in (transforms.CoarseDropout(p=1.0), transforms.GridMask(p=1.0), transforms.MotionBlur(3)):
        result = transform(one, key=0)
        assert (result["image"].array != one["image"].array).any()
        for name in ("mask", "boxes", "points"):
            assert result[name] is one[name]
    picture = transforms.CoarseDropout(p=1.0)(PIL.Image.fromarray(PIXELS), key=1)
    np.testing.assert_array_equal(np.asarray(picture), transforms.CoarseDropout(p=1.0)(PIXELS, key=1))
    video = F.fill_boxes(Video(np.stack([PIXELS] * 2)), [[0, 0, 3, 3]], 5)
    assert (video.array[:, :3, :3] == 5).all()


def test_grid_mask():
    result = F.grid_mask(PIXELS, 8, 3, (2, 5))
    lines, columns = (np.arange(SIZE[0]) - 5) % 8 < 3, (np.arange(SIZE[1]) - 2) % 8 < 3
    filled = lines[:, None] & columns[None]
    np.testing.assert_array_equal(result, np.where(filled[..., None], 0, PIXELS))
    np.testing.assert_array_equal(F.grid_mask(PIXELS, 8, 0, (2, 5)), PIXELS)
    turned = F.grid_mask(np.ones((40, 40, 1), np.float32), 8, 3, (2, 5), 90.0)
    upright = F.grid_mask(np.ones((40, 40, 1), np.float32), 8, 3, (2, 5))
    assert abs(turned.mean() - upright.mean()) < 0.05
    assert (turned != upright).any()
    device = jax.jit(lambda x, unit: F.grid_mask(x, unit, 3, (2, 5)))(jnp.asarray(PIXELS), jnp.int32(8))
    np.testing.assert_array_equal(device, result)
    sides = [transforms.GridMask(ratio=0.5, p=0.6).params(PIXELS, key=key) for key in range(200)]
    assert abs(np.mean([side["side"] > 0 for side in sides]) - 0.6) < 0.1
    assert all(0 <= p["side"] < p["unit"] for p in sides)


def test_motion_blur():
    point = np.zeros((15, 15, 1), np.float32)
    point[7, 7] = 1
    for angle, expected in ((0.0, np.s_[7, 5:10]), (90.0, np.s_[5:10, 7]), (180.0, np.s_[7, 5:10])):
        line = F.motion_blur(point, 5, angle)[..., 0]
        np.testing.assert_allclose(line[expected], 0.2, atol=1e-5)
        np.testing.assert_allclose(line.sum(), 1, rtol=1e-5)
    slanted = F.motion_blur(point, 7, 45.0)[..., 0]
    assert slanted[6, 8] > 0.1, "counter-clockwise: to the right and up"
    assert slanted[8, 8] < 1e-3
    constant = np.full((9, 9, 3), 77, np.uint8)
    np.testing.assert_array_equal(F.motion_blur(constant, 7, 33.0), constant)
    run = jax.jit(lambda x, angle: F.motion_blur(x, 5, angle))
    device = np.asarray(run(jnp.asarray(PIXELS), jnp.float32(20.0))).astype(int)
    assert np.abs(device - F.motion_blur(PIXELS, 5, 20.0).astype(int)).max() <= 1
    slope = jax.grad(lambda x: (F.motion_blur(x, 5, 20.0) ** 2).sum())(jnp.asarray(point))
    assert np.isfinite(slope).all()


def test_grid_distortion():
    even = np.linspace(0, 1, 5)
    image = Image(PIXELS)
    np.testing.assert_array_equal(F.grid_distortion(image, even, even).array, PIXELS)
    lines = [0.0, 0.5, 1.0], [0.0, 0.25, 1.0]  # the upper quarter of the rows fills the upper half
    points = KeyPoints(np.array([[3.0, 5.5], [30.0, 23.0], [-2.0, 40.0]]), canvas_size=SIZE)
    moved = F.grid_distortion(points, *lines)
    np.testing.assert_allclose(moved.array, [[3.0, 11.5], [30.0, 23 - 1 / 6 * 2 / 1 + 1 / 6], [-2.0, 40.0]], atol=0.35)
    boxes = BoundingBoxes(np.array([[4.0, 0.0, 12.0, 6.0]], np.float32), canvas_size=SIZE)
    np.testing.assert_allclose(F.grid_distortion(boxes, *lines).array, [[4, 0, 12, 12]], atol=1e-4)
    mask = Mask(np.repeat(np.arange(24, dtype=np.uint8)[:, None], 32, 1))
    np.testing.assert_array_equal(F.grid_distortion(mask, *lines).array[12:, 0].max(), 23)
    back = F.grid_distortion(moved, *lines, inverted=True)
    np.testing.assert_allclose(back.array, points.array, atol=1e-4)
    picture = F.grid_distortion(PIL.Image.fromarray(PIXELS), *lines)
    np.testing.assert_array_equal(np.asarray(picture), F.grid_distortion(PIXELS, *lines))


@pytest.mark.parametrize("make", [
    lambda: transforms.CoarseDropout(0), lambda: transforms.CoarseDropout((3, 2)),
    lambda: transforms.CoarseDropout(height=0.0), lambda: transforms.CoarseDropout(width=(0.5, 1.5)),
    lambda: transforms.CoarseDropout(p=2.0), lambda: transforms.GridMask((0.0, 0.5)),
    lambda: transforms.GridMask(ratio=1.0), lambda: transforms.GridMask(angle=-1.0),
    lambda: transforms.MotionBlur(4), lambda: transforms.MotionBlur(3, -5.0),
    lambda: transforms.GridDistortion(0), lambda: transforms.GridDistortion(distort_limit=1.0),
    lambda: transforms.GridDistortion(interpolation="cubic"), lambda: F.motion_blur(np.zeros((3, 9, 1)), 7, 0.0),
])
def test_bad_options(make):
    with pytest.raises(ValueError, match=r"must|no probability|smaller kernel_size|is not one of"):
        make()
