"""Adaptive equalisation against a plain loop over pixels, and random gamma."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import Image, Mask

RNG = np.random.default_rng(0)


def loop(plane, clip_limit, rows, columns):
    """CLAHE, pixel by pixel, as OpenCV's documentation and source describe it."""
    height, width = plane.shape
    padded = plane
    if height % rows or width % columns:
        padded = np.pad(plane, ((0, rows - height % rows), (0, columns - width % columns)), mode="reflect")
    tile_height, tile_width = padded.shape[0] // rows, padded.shape[1] // columns
    area = tile_height * tile_width
    limit = max(int(clip_limit * area / 256), 1)
    tables = {}
    for i in range(rows):
        for j in range(columns):
            counts = [0] * 256
            for value in padded[i * tile_height : (i + 1) * tile_height, j * tile_width : (j + 1) * tile_width].flat:
                counts[value] += 1
            excess = sum(max(count - limit, 0) for count in counts)
            counts = [min(count, limit) + excess // 256 for count in counts]
            rest = excess % 256
            for level in range(0, 256, max(256 // rest, 1) if rest else 256):
                if rest > 0:
                    counts[level] += 1
                    rest -= 1
            total, table = 0, []
            for count in counts:
                total += count
                table.append(min(max(round(float(np.float32(total) * np.float32(255 / area))), 0), 255))
            tables[i, j] = table
    result = np.empty_like(plane)
    for y in range(height):
        for x in range(width):
            down, along = y / tile_height - 0.5, x / tile_width - 0.5
            top, left = int(np.floor(down)), int(np.floor(along))
            value = 0.0
            for i, weight_y in ((top, 1 - (down - top)), (top + 1, down - top)):
                for j, weight_x in ((left, 1 - (along - left)), (left + 1, along - left)):
                    tile = min(max(i, 0), rows - 1), min(max(j, 0), columns - 1)
                    value += weight_y * weight_x * tables[tile][plane[y, x]]
            result[y, x] = round(value)
    return result


@pytest.mark.parametrize(("shape", "tiles", "limit"), [
    ((16, 24), (2, 3), 2.0), ((21, 17), (4, 3), 1.0), ((20, 15), (2, 3), 4.0), ((13, 30), (1, 1), 40.0),
])
def test_against_a_loop(shape, tiles, limit):
    plane = RNG.normal(120, 30, shape).clip(0, 255).astype(np.uint8)
    wanted = loop(plane, limit, *tiles)
    for result in (F.clahe(plane[..., None], limit, tiles), F.clahe(jnp.asarray(plane)[..., None], limit, tiles)):
        difference = np.abs(np.asarray(result)[..., 0].astype(int) - wanted.astype(int))
        assert difference.max() <= 1  # halves of levels are rounded from float32
        assert (difference == 0).mean() > 0.97
    pil = F.clahe(PIL.Image.fromarray(plane), limit, tiles)
    np.testing.assert_array_equal(np.asarray(pil), F.clahe(plane[..., None], limit, tiles)[..., 0])


def test_colours_change_by_the_change_of_the_luma():
    image = RNG.integers(60, 190, (24, 24, 3), dtype=np.uint8)
    change = F.clahe(image, 1.5, 2).astype(int) - image.astype(int)
    inside = ((image + change > 0) & (image + change < 255)).all(-1)
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(change[inside][:, 0], change[inside][:, 1])
    np.testing.assert_array_equal(change[inside][:, 0], change[inside][:, 2])
    mask = Mask(np.zeros((24, 24), np.uint8))
    assert F.clahe(mask) is mask
    frames = np.stack([image, image[::-1]])
    np.testing.assert_array_equal(F.clahe(frames, 1.5, 2)[1], F.clahe(image[::-1], 1.5, 2))
    traced = jax.jit(lambda x, limit: F.clahe(x, limit, 2))(jnp.asarray(image), jnp.float32(1.5))
    assert np.abs(np.asarray(traced).astype(int) - F.clahe(image, 1.5, 2).astype(int)).max() <= 1


def test_a_transform_that_is_not_applied():
    image = RNG.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    for transform, neutral in ((transforms.CLAHE(p=0.0), {"clip_limit": 0.0}), (transforms.RandomGamma(p=0.0),
                                                                              {"gamma": 1.0})):
        assert transform.params(image, key=0) == neutral
        np.testing.assert_array_equal(transform(image, key=0), image)
        np.testing.assert_array_equal(transform(jnp.asarray(image), key=jax.random.key(0)), image)


def test_gamma():
    image = Image(RNG.random((8, 9, 3)).astype(np.float32))
    transform = transforms.RandomGamma((2.0, 3.0), p=1.0)
    gamma = transform.params(image, key=3)["gamma"]
    assert 2 <= gamma <= 3
    np.testing.assert_allclose(transform(image, key=3).array, image.array**gamma, rtol=1e-5)
    drawn = [transform.params(image, key=key)["gamma"] for key in range(200)]
    assert abs(np.mean(drawn) - 2.5) < 0.1


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: F.clahe(np.zeros((9, 9, 1), np.float32)), TypeError, "takes uint8 and got float32"),
    (lambda: F.clahe(np.zeros((9, 9, 4), np.uint8)), ValueError, "1 or 3 channels"),
    (lambda: F.clahe(np.zeros((9, 9, 1), np.uint8), 0.0), ValueError, "must be above zero"),
    (lambda: F.clahe(np.zeros((4, 4, 1), np.uint8), 1.0, 8), ValueError, "too small for"),
    (lambda: transforms.CLAHE(tile_grid_size=0), ValueError, "must be a positive int"),
    (lambda: transforms.CLAHE((2.0, 1.0)), ValueError, "low <= high"),
    (lambda: transforms.RandomGamma(0.0), ValueError, "above zero"),
    (lambda: transforms.RandomGamma(p=-1), ValueError, "no probability"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
