"""Boxes, their overlap and their losses against torchvision's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.ops

from funcvision.vision import ops
from tests.parity.reference import assert_close, assert_same_with_gradients, back, random, same

UPRIGHT, ROTATED = ("xyxy", "xywh", "cxcywh"), ("xywhr", "cxcywhr", "xyxyxyxy")


def boxes(seed, *shape, dtype="float64", low=-20.0, high=40.0):
    """xyxy boxes, some with negative coordinates."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(low, high, (*shape, 2)), rng.uniform(0.5, 30, (*shape, 2))
    return np.concatenate([corner, corner + size], -1).astype(dtype)


def rotated(seed, *shape, dtype="float64"):
    """cxcywhr boxes of every angle."""
    xyxy = boxes(seed, *shape)
    sizes = xyxy[..., 2:] - xyxy[..., :2]
    angles = np.random.default_rng(seed + 100).uniform(-400, 400, (*shape, 1))
    return np.concatenate([xyxy[..., :2], sizes, angles], -1).astype(dtype)


def adversarial():
    """Equal, touching, nested, degenerate, inverted and infinite boxes."""
    return np.array([
        [0, 0, 10, 10], [0, 0, 10, 10], [10, 0, 20, 10], [2, 2, 4, 4], [5, 5, 5, 9], [3, 3, 3, 3], [8, 8, 2, 2],
        [-10, -10, -5, -5], [-7, -7, 7, 7], [0, 0, np.inf, 10], [1e6, 1e6, 1e6 + 1, 1e6 + 1],
    ])


@pytest.mark.parametrize(
    ("source", "target"), [*itertools.product(UPRIGHT, UPRIGHT), *itertools.product(ROTATED, ROTATED)]
)
def test_box_convert(source, target):
    with jax.enable_x64(True):
        start = torch.from_numpy(boxes(0, 2, 7) if source in UPRIGHT else rotated(0, 2, 7))
        x = torchvision.ops.box_convert(start, "xyxy" if source in UPRIGHT else "cxcywhr", source).numpy()
        assert_same_with_gradients(
            lambda b: ops.box_convert(b, source, target), lambda b: torchvision.ops.box_convert(b, source, target), [x],
            to_torch=[same], from_torch=[back], out=back,
        )


@pytest.mark.parametrize(
    ("source", "target"), [*itertools.permutations(UPRIGHT, 2), *itertools.permutations(ROTATED, 2)]
)
def test_box_convert_of_integers(source, target):
    start = boxes(3, 9) if source in UPRIGHT else rotated(3, 9)
    x = torchvision.ops.box_convert(torch.from_numpy(start), "xyxy" if source in UPRIGHT else "cxcywhr", source)
    x = x.round().to(torch.int32)
    expected = torchvision.ops.box_convert(x, source, target)
    assert_close(ops.box_convert(jnp.asarray(x.numpy()), source, target), expected)


def test_upright_boxes_become_rotated_ones():
    x = jnp.asarray(boxes(0, 5, dtype="float32"))
    for fmt in ROTATED:
        there = ops.box_convert(x, "xyxy", fmt)
        assert_close(ops.box_iou(there, there, fmt), np.asarray(ops.box_iou(x, x)), rtol=1e-5)
    with pytest.raises(ValueError, match="cannot hold an angle"):
        ops.box_convert(there, "xyxyxyxy", "xyxy")
    with pytest.raises(ValueError, match="the format 'yxyx' is not one of xyxy, xywh"):
        ops.box_convert(x, "yxyx", "xyxy")
    with pytest.raises(ValueError, match="out_fmt='yxyx'"):
        ops.box_convert(x, "xyxy", "yxyx")
    with pytest.raises(ValueError, match=r"takes cxcywhr boxes \[\.\.\., 5\] and got an array of \(5, 4\)"):
        ops.box_convert(x, "cxcywhr", "xywhr")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32", "int8", "uint8"])
@pytest.mark.parametrize("fmt", UPRIGHT)
def test_box_area(fmt, dtype):
    with jax.enable_x64(True):
        x = boxes(0, 3, 4, low=0, high=60).astype(dtype)
        assert_close(ops.box_area(jnp.asarray(x), fmt), torchvision.ops.box_area(torch.from_numpy(x), fmt))


def test_box_area_takes_upright_boxes_only():
    with pytest.raises(ValueError, match="the format 'cxcywhr' is not one of xyxy, xywh, cxcywh"):
        ops.box_area(jnp.zeros((2, 5)), "cxcywhr")


@pytest.mark.parametrize("fmt", UPRIGHT)
def test_box_iou(fmt):
    with jax.enable_x64(True):
        pair = [boxes(0, 2, 6), boxes(1, 2, 5)]
        pair = [torchvision.ops.box_convert(torch.from_numpy(b), "xyxy", fmt).numpy() for b in pair]
        assert_same_with_gradients(
            lambda a, b: ops.box_iou(a, b, fmt), lambda a, b: torchvision.ops.box_iou(a, b, fmt), pair,
            to_torch=[same] * 2, from_torch=[back] * 2, out=back,
        )


@pytest.mark.parametrize("name", ["generalized_box_iou", "distance_box_iou", "complete_box_iou"])
def test_variants_of_iou(name):
    with jax.enable_x64(True):
        assert_same_with_gradients(
            getattr(ops, name), getattr(torchvision.ops, name), [boxes(0, 2, 6), boxes(1, 2, 5)],
            to_torch=[same] * 2, from_torch=[back] * 2, out=back,
        )


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "int64"])
def test_iou_of_adversarial_boxes(name, dtype):
    with jax.enable_x64(True):
        x = adversarial()
        x = x[np.isfinite(x).all(-1)][:8].astype(dtype) if "int" in dtype else x.astype(dtype)
        expected = getattr(torchvision.ops, name)(torch.from_numpy(x), torch.from_numpy(x)).numpy()
        ours = getattr(ops, name)(jnp.asarray(x), jnp.asarray(x))
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
        assert name != "box_iou" or np.isnan(expected).any()


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
def test_iou_of_no_boxes(name):
    assert getattr(ops, name)(jnp.zeros((0, 4)), jnp.ones((3, 4))).shape == (0, 3)
    assert getattr(ops, name)(jnp.zeros((2, 4)), jnp.ones((0, 4))).shape == (2, 0)


def test_iou_of_half_types_is_computed_in_float32():
    x = np.array([[0, 0, 400, 400], [1, 1, 400, 401], [100, 3, 499, 300]], "float16")  # areas overflow float16
    assert_close(ops.box_iou(jnp.asarray(x), jnp.asarray(x)), torchvision.ops.box_iou(*[torch.from_numpy(x)] * 2))
    assert ops.box_iou(jnp.asarray(x, jnp.bfloat16), jnp.asarray(x, jnp.bfloat16)).dtype == jnp.float32


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fmt", ROTATED)
def test_rotated_iou(fmt, dtype):
    with jax.enable_x64(True):
        pair = [torch.from_numpy(rotated(seed, n)) for seed, n in ((0, 60), (1, 50))]
        pair = [torchvision.ops.box_convert(b, "cxcywhr", fmt).to(getattr(torch, dtype)) for b in pair]
        expected = torchvision.ops.box_iou(*pair, fmt)
        assert 0.1 < (expected > 0).float().mean() < 0.9
        ours = jax.jit(lambda a, b: ops.box_iou(a, b, fmt))(*(jnp.asarray(b.numpy()) for b in pair))
        assert ours.dtype == dtype
        assert_close(ours.astype("float32"), expected, rtol=1e-5)  # torchvision returns float32 in both cases


def test_rotated_iou_of_special_rectangles():
    x = np.array([
        [0, 0, 4, 2, 0], [0, 0, 4, 2, 180], [0, 0, 2, 4, 90], [0, 0, 4, 2, 1e-4], [4, 0, 4, 2, 0], [0, 0, 8, 8, 45],
        [1, 0, 2, 2, 0], [0, 0, 0, 3, 10], [0, 0, 3, 0, 0], [50, 50, 4, 2, 30], [0, 0, 100, 0.01, 30],
    ])
    with jax.enable_x64(True):
        expected = torchvision.ops.box_iou(torch.from_numpy(x), torch.from_numpy(x), "cxcywhr")
        assert_close(ops.box_iou(jnp.asarray(x), jnp.asarray(x), "cxcywhr").astype("float32"), expected, rtol=1e-5)
        shared = ops.box_iou(jnp.asarray(x[:3]), jnp.asarray(x[:3]), "cxcywhr")
        assert_close(shared, np.ones((3, 3)), rtol=1e-12)
        upright = np.asarray(ops.box_convert(jnp.asarray(boxes(0, 9)), "xyxy", "cxcywhr"))
        plain = ops.box_iou(jnp.asarray(boxes(0, 9)), jnp.asarray(boxes(0, 9)))
        assert_close(ops.box_iou(jnp.asarray(upright), jnp.asarray(upright), "cxcywhr"), np.asarray(plain), rtol=1e-12)


def test_rotated_iou_has_gradients():
    from jax.test_util import check_grads

    with jax.enable_x64(True):
        a, b = jnp.asarray(rotated(0, 4)), jnp.asarray(rotated(1, 4))
        check_grads(lambda a, b: ops.box_iou(a, b, "cxcywhr"), (a, b), 1, modes=["rev"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
def test_clip_boxes_to_image(dtype):
    with jax.enable_x64(True):
        x = np.concatenate([boxes(0, 3, 9), [[[0, 0, 37, 25]]] * 3], 1).astype(dtype)
        ours = lambda b: ops.clip_boxes_to_image(b, (25, 37))
        theirs = lambda b: torchvision.ops.clip_boxes_to_image(b, (25, 37))
        if dtype == "int32":
            assert_close(ours(x), theirs(torch.from_numpy(x)))
        else:
            assert_same_with_gradients(ours, theirs, [x], to_torch=[same], from_torch=[back], out=back)
    assert np.isnan(ops.clip_boxes_to_image(jnp.array([np.nan, 0, 1, 2]), (4, 4))[0])


def test_clip_boxes_to_the_size_of_each_image():
    x = jnp.asarray(boxes(0, 2, 5, dtype="float32"))
    sizes = jnp.array([[10, 20], [30, 15]])
    both = ops.clip_boxes_to_image(x, (sizes[:, 0], sizes[:, 1]))
    for i in range(2):
        assert_close(both[i], np.asarray(ops.clip_boxes_to_image(x[i], (int(sizes[i, 0]), int(sizes[i, 1])))))


def test_remove_small_boxes():
    x = np.concatenate([boxes(0, 30, dtype="float32"), [[0, 0, 5, 5], [0, 0, np.nan, 9]]]).astype("float32")
    expected = torchvision.ops.remove_small_boxes(torch.from_numpy(x), 5.0).numpy()
    assert 3 < len(expected) < 30
    np.testing.assert_array_equal(ops.remove_small_boxes(jnp.asarray(x), 5.0), expected)
    indices, valid = jax.jit(lambda b: ops.remove_small_boxes(b, 5.0))(x)
    assert indices.shape == (32,)
    np.testing.assert_array_equal(indices[valid], expected)
    indices, valid = ops.remove_small_boxes(jnp.asarray(x), 5.0, 3, jnp.arange(32) != expected[1])
    np.testing.assert_array_equal(indices, expected[[0, 2, 3]])
    assert valid.all()
    with pytest.raises(ValueError, match=r"takes \[n, 4\]"):
        ops.remove_small_boxes(jnp.zeros((2, 3, 4)), 1)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_masks_to_boxes(dtype):
    masks = np.random.default_rng(0).random((6, 9, 13)) < np.array([0, 0.01, 0.02, 0.1, 0.5, 1])[:, None, None]
    masks[1, 3, 4:6] = True
    masks = masks.astype(dtype)
    assert_close(ops.masks_to_boxes(jnp.asarray(masks)), torchvision.ops.masks_to_boxes(torch.from_numpy(masks)))
    assert ops.masks_to_boxes(jnp.zeros((0, 3, 3))).shape == (0, 4)
    with pytest.raises(ValueError, match=r"\[\.\.\., height, width\]"):
        ops.masks_to_boxes(jnp.zeros(3))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"])
def test_box_losses(name, reduction):
    with jax.enable_x64(True):
        a = np.concatenate([boxes(0, 20), boxes(2, 4)])
        b = np.concatenate([boxes(1, 20), boxes(2, 4)])  # the last four have their own twin
        assert_same_with_gradients(
            lambda a, b: getattr(ops, name)(a, b, reduction, 1e-5),
            lambda a, b: getattr(torchvision.ops, name)(a, b, reduction, 1e-5), [a, b],
            to_torch=[same] * 2, from_torch=[back] * 2, out=back,
        )
    assert getattr(ops, name)(jnp.zeros((0, 4)), jnp.zeros((0, 4)), "mean") == 0
    assert getattr(ops, name)(jnp.zeros((2, 4), jnp.float16), jnp.ones((2, 4), jnp.float16)).dtype == jnp.float32
    with pytest.raises(ValueError, match=r"box by box and got \(2, 4\) and \(3, 4\)"):
        getattr(ops, name)(jnp.zeros((2, 4)), jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match="reduction='all'"):
        getattr(ops, name)(jnp.zeros((2, 4)), jnp.zeros((2, 4)), "all")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2), (-1, 2), (0.6, 1.5), (0, 0), (0.5, 3)])
def test_sigmoid_focal_loss(alpha, gamma, reduction):
    with jax.enable_x64(True):
        logits = random(0, 4, 7, dtype="float64") * 4
        targets = (random(1, 4, 7) > 0).astype("float64")
        assert_same_with_gradients(
            lambda x: ops.sigmoid_focal_loss(x, jnp.asarray(targets), alpha, gamma, reduction),
            lambda x: torchvision.ops.sigmoid_focal_loss(x, torch.from_numpy(targets), alpha, gamma, reduction),
            [logits], to_torch=[same], from_torch=[back], out=back,
        )
    with pytest.raises(ValueError, match="alpha=2"):
        ops.sigmoid_focal_loss(logits, targets, 2)
