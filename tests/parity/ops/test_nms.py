"""Suppression of boxes: torchvision's `nms` to the letter, and plain loops where torchvision has nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.ops

from funcvision.vision import ops
from tests.parity.ops.test_boxes import boxes, rotated


def crowd(seed, n, dtype="float32", size=60):
    """Boxes that overlap much, some with negative coordinates."""
    return boxes(seed, n, dtype=dtype, low=-size / 2, high=size)


def theirs(boxes, scores, threshold):
    return torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()


def plain(iou, scores, threshold, valid=None, classes=None):
    """The greedy loop."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        same = [j for j in kept if classes is None or classes[i] == classes[j]]
        if (valid is None or valid[i]) and not any(iou[j, i] > threshold for j in same):
            kept.append(i)
    return np.array(kept, int)


@functools.cache
def jitted(name):
    return jax.jit(getattr(ops, name), static_argnames=("max_output", "fmt"))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.95, 1.0])
@pytest.mark.parametrize(("n", "size"), [(1, 60), (5, 60), (127, 20), (128, 60), (129, 60), (1500, 400), (1500, 5)])
def test_nms(n, size, threshold):
    x, scores = crowd(n, n, size=size), np.random.default_rng(n).random(n).astype("float32")
    expected = theirs(x, scores, threshold)
    assert n < 20 or threshold >= 0.95 or len(expected) < n
    np.testing.assert_array_equal(ops.nms(jnp.asarray(x), jnp.asarray(scores), threshold), expected)
    indices, valid = jitted("nms")(x, scores, threshold)
    assert indices.shape == valid.shape == (n,)
    np.testing.assert_array_equal(indices[valid], expected)
    np.testing.assert_array_equal(valid, np.arange(n) < len(expected))
    np.testing.assert_array_equal(indices[~valid], 0)


@pytest.mark.parametrize("seed", range(12))
def test_nms_of_adversarial_boxes(seed):
    """Ties in scores, equal boxes, IoUs that equal the threshold, NaN, infinities, signed zeros, inverted boxes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 8, (100, 4)).astype("float32")
    x[:, 2:] = x[:, :2] + rng.integers(-1, 9, (100, 2))
    if seed % 2:
        x[rng.random(x.shape) < 0.03] = np.nan
        x[rng.random(x.shape) < 0.03] = np.inf
    scores = rng.choice(np.array([0.25, 0.5, -0.5, 0.0, -0.0, np.nan, np.inf, -np.inf], "float32"), 100)
    for threshold in (0.1, 0.2, 0.3, 1 / 3, 0.5, 0.6, float(np.float32(0.1)), float(np.float32(1 / 3))):
        expected = theirs(x, scores, threshold)
        np.testing.assert_array_equal(ops.nms(jnp.asarray(x), jnp.asarray(scores), threshold), expected)


def test_an_iou_that_equals_the_threshold_does_not_suppress():
    x, scores = np.array([[0, 0, 2, 2], [0, 0, 2, 1], [-4, -4, -2, -2]], "float32"), np.array([3, 2, 1], "float32")
    assert ops.nms(x, scores, 0.5).tolist() == [0, 1, 2]
    assert ops.nms(x, scores, 0.499).tolist() == [0, 2]
    assert jitted("nms")(x, scores, jnp.float32(0.5))[1].sum() == 3


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_nms_of_other_dtypes(dtype):
    """Half types are compared in float32, which holds them exactly; torchvision refuses them on a CPU."""
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(crowd(0, 300, "float64")).astype(dtype)
        scores = jnp.asarray(np.random.default_rng(0).random(300)).astype(dtype)
        wide = "float64" if dtype == "float64" else "float32"
        expected = theirs(np.array(x.astype(wide)), np.array(scores.astype(wide)), 0.4)
        np.testing.assert_array_equal(ops.nms(x, scores, 0.4), expected)


def test_nms_with_options():
    x, scores = crowd(0, 400), np.random.default_rng(0).random(400).astype("float32")
    usable = np.random.default_rng(1).random(400) < 0.5
    expected = np.flatnonzero(usable)[theirs(x[usable], scores[usable], 0.4)]
    np.testing.assert_array_equal(ops.nms(x, scores, 0.4, None, usable), expected)
    indices, valid = ops.nms(x, scores, 0.4, 7, usable)
    np.testing.assert_array_equal(indices, expected[:7])
    assert valid.all()
    indices, valid = jitted("nms")(x, scores, 0.4, max_output=500, valid=usable)
    assert indices.shape == (500,)
    np.testing.assert_array_equal(indices[valid], expected)
    assert not ops.nms(x, scores, 0.4, 5, np.zeros(400, bool))[1].any()
    xywh = ops.box_convert(jnp.asarray(x), "xyxy", "xywh")
    np.testing.assert_array_equal(ops.nms(xywh, scores, 0.4, fmt="xywh"), theirs(x, scores, 0.4))


def test_a_batch_of_images_is_one_program():
    x = np.stack([crowd(seed, 200, size=size) for seed, size in enumerate((10, 60, 200))])
    scores = np.random.default_rng(0).random((3, 200)).astype("float32")
    indices, valid = jax.jit(jax.vmap(lambda b, s: ops.nms(b, s, 0.5, 150)))(x, scores)
    for i in range(3):
        np.testing.assert_array_equal(indices[i][valid[i]], theirs(x[i], scores[i], 0.5)[:150])
    assert len(set(np.asarray(valid.sum(1)).tolist())) > 1
    classes = np.random.default_rng(1).integers(0, 3, (3, 200))
    indices, valid = jax.jit(jax.vmap(lambda b, s, c: ops.batched_nms(b, s, c, 0.5)))(x, scores, classes)
    for i in range(3):
        np.testing.assert_array_equal(indices[i][valid[i]], ops.batched_nms(x[i], scores[i], classes[i], 0.5))


@pytest.mark.parametrize("name", ["nms", "batched_nms"])
def test_no_boxes(name):
    classes = [jnp.zeros(0, jnp.int32)] if name == "batched_nms" else []
    arrays = jnp.zeros((0, 4)), jnp.zeros(0), *classes
    assert getattr(ops, name)(*arrays, 0.5).shape == (0,)
    indices, valid = getattr(ops, name)(*arrays, 0.5, 4)
    assert indices.shape == (4,)
    assert not valid.any()


@pytest.mark.parametrize("n", [50, 1500])
def test_batched_nms(n):
    x, scores = crowd(0, n, size=40), np.random.default_rng(0).permutation(n).astype("float32")
    classes = np.random.default_rng(1).integers(0, 7, n)
    tensors = [torch.from_numpy(a) for a in (x - x.min() + 1, scores, classes)]  # theirs fails at negative coordinates
    expected = torchvision.ops.batched_nms(*tensors, 0.3).numpy()
    np.testing.assert_array_equal(ops.batched_nms(x - x.min() + 1, scores, classes, 0.3), expected)
    indices, valid = jitted("batched_nms")(x - x.min() + 1, scores, classes, 0.3)
    np.testing.assert_array_equal(indices[valid], expected)
    indices, valid = ops.batched_nms(x - x.min() + 1, scores, classes, 0.3, 20)
    np.testing.assert_array_equal(indices, expected[:20])


def test_batched_nms_is_exact_for_any_class_and_coordinate():
    x, scores = crowd(0, 300), np.random.default_rng(0).integers(0, 30, 300).astype("float32")
    x[150:] = x[:150]
    x -= 1000
    classes = np.random.default_rng(1).choice([-5, 0, 2**31 - 1, -(2**31)], 300).astype("int32")
    usable = np.random.default_rng(2).random(300) < 0.8
    iou = np.asarray(ops.box_iou(x, x))
    expected = plain(iou, scores, 0.2, usable, classes)
    assert 50 < len(expected) < 200
    np.testing.assert_array_equal(ops.batched_nms(x, scores, classes, 0.2, None, usable), expected)


def test_batched_nms_with_one_class_is_nms():
    x, scores = crowd(0, 700, size=200), np.random.default_rng(0).random(700).astype("float32")
    np.testing.assert_array_equal(ops.batched_nms(x, scores, np.full(700, 3), 0.5), theirs(x, scores, 0.5))


@pytest.mark.parametrize("fmt", ["cxcywhr", "xywhr", "xyxyxyxy"])
def test_rotated_nms(fmt):
    x = ops.box_convert(jnp.asarray(rotated(0, 200, dtype="float32")), "cxcywhr", fmt)
    scores = np.random.default_rng(0).random(200).astype("float32")
    iou = torchvision.ops.box_iou(*[torch.from_numpy(np.array(x))] * 2, fmt).numpy()
    expected = plain(iou, scores, 0.25)
    assert 20 < len(expected) < 180
    np.testing.assert_array_equal(ops.nms(x, scores, 0.25, fmt=fmt), expected)
    indices, _ = jitted("nms")(x, scores, 0.25, fmt=fmt, max_output=10)
    np.testing.assert_array_equal(indices, expected[:10])


@pytest.mark.parametrize("method", ["gaussian", "linear"])
def test_soft_nms(method):
    x, scores = crowd(0, 80), np.random.default_rng(0).random(80).astype("float32")
    iou, left, expected = np.asarray(ops.box_iou(x, x), np.float64), scores.astype(np.float64), []
    usable = np.random.default_rng(1).random(80) < 0.9
    left[~usable] = -1
    while left.max() >= 0.05:
        best = int(left.argmax())
        expected.append((best, left[best]))
        left *= np.exp(-(iou[best] ** 2) / 0.4) if method == "gaussian" else np.where(iou[best] > 0.2, 1 - iou[best], 1)
        left[best] = -1
    options = {"iou_threshold": 0.2, "sigma": 0.4, "score_threshold": 0.05, "valid": usable, "method": method}
    indices, lowered = ops.soft_nms(x, scores, **options)
    assert 10 < len(expected) < usable.sum()
    np.testing.assert_array_equal(indices, [i for i, _ in expected])
    np.testing.assert_allclose(lowered, [s for _, s in expected], rtol=1e-4)
    run = jax.jit(jax.vmap(lambda b, s: ops.soft_nms(b, s, max_output=6, **options)))
    indices, lowered, valid = run(x[None], scores[None])
    np.testing.assert_array_equal(indices[0], [i for i, _ in expected][:6])
    assert valid.all()
    with pytest.raises(ValueError, match="method='hard'"):
        ops.soft_nms(x, scores, method="hard")


def fused(boxes, scores, labels, weights, threshold, skip):
    """Weighted box fusion, as the paper's section 3 tells it."""
    entries = [
        (s * w, s, box, label) for b, c, k, w in zip(boxes, scores, labels, weights, strict=True)
        for box, s, label in zip(b, c, k, strict=True) if s >= skip
    ]
    clusters = []
    for score, _, box, label in sorted(entries, key=lambda entry: -entry[0]):
        best, most = None, threshold
        for cluster in clusters:
            iou = float(torchvision.ops.box_iou(torch.tensor(cluster["box"])[None], torch.tensor(box)[None]))
            if cluster["label"] == label and iou > most:
                best, most = cluster, iou
        if best is None:
            best = {"label": label, "members": []}
            clusters.append(best)
        best["members"].append((score, box))
        total = sum(s for s, _ in best["members"])
        best["box"] = sum(s * b for s, b in best["members"]) / total
    found = [
        (sum(s for s, _ in c["members"]) / len(c["members"]) * min(len(c["members"]), len(weights)) / sum(weights), c)
        for c in clusters
    ]
    return sorted(found, key=lambda pair: -pair[0])


def test_weighted_box_fusion():
    rng = np.random.default_rng(0)
    first = crowd(0, 30, "float64", size=100)
    boxes = [first, first[:25] + rng.normal(size=(25, 4)), first[5:] + rng.normal(size=(25, 4))]
    scores = [rng.random(len(b)) for b in boxes]
    labels = [rng.integers(0, 2, 30)]
    labels += [labels[0][:25], labels[0][5:]]
    expected = fused(boxes, scores, labels, [2, 1, 1.5], 0.5, 0.1)
    with jax.enable_x64(True):
        ours = ops.weighted_box_fusion(boxes, scores, labels, [2, 1, 1.5], 0.5, 0.1)
        jitted = jax.jit(lambda *a: ops.weighted_box_fusion(*a, [2, 1, 1.5], 0.5, 0.1))(boxes, scores, labels)
    assert 20 < len(expected) < 60
    for result in (ours, [part[jitted[3]] for part in jitted[:3]]):
        np.testing.assert_allclose(result[0], [c["box"] for _, c in expected], rtol=1e-10)
        np.testing.assert_allclose(result[1], [s for s, _ in expected], rtol=1e-10)
        np.testing.assert_array_equal(result[2], [c["label"] for _, c in expected])
    with pytest.raises(ValueError, match="one entry a model: 3 boxes, 1 scores"):
        ops.weighted_box_fusion(boxes, scores[:1], labels)


def test_errors():
    x, scores = jnp.zeros((3, 4)), jnp.zeros(3)
    with pytest.raises(ValueError, match=r"one image.*got \(2, 3, 4\): use jax.vmap"):
        ops.nms(jnp.zeros((2, 3, 4)), scores, 0.5)
    with pytest.raises(ValueError, match=r"scores must have one number a box, \(3,\), not \(2,\)"):
        ops.nms(x, scores[:2], 0.5)
    with pytest.raises(ValueError, match="idxs are integers"):
        ops.batched_nms(x, scores, scores, 0.5)
    with pytest.raises(ValueError, match=r"takes cxcywhr boxes \[\.\.\., 5\]"):
        ops.nms(x, scores, 0.5, fmt="cxcywhr")
