"""Metrics that are sums, against the definitions of torchvision's training scripts (references/)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision.vision import metrics


def batches(count, *arrays):
    return zip(*(np.array_split(array, count) for array in arrays))


def streamed(metric, *arrays, **options):
    """The metrics of arrays in three batches, by a compiled update."""
    update = jax.jit(metric.update)
    state = metric.init()
    for batch in batches(3, *arrays, *options.values()):
        plain, named = batch[: len(arrays)], batch[len(arrays) :]
        state = update(state, *plain, **dict(zip(options, named)))
    return metric.compute(state)


# Classification: references/classification/utils.py


def their_accuracy(logits, labels, topk):
    best = torch.from_numpy(logits).topk(max(topk), dim=1).indices.numpy()
    return [100 * np.mean([label in row[:k] for label, row in zip(labels, best)]) for k in topk]


def test_accuracy():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(48, 9)).astype(np.float32), rng.integers(0, 9, 48)
    expected = their_accuracy(logits, labels, (1, 5))
    assert 0 < expected[0] < expected[1] < 100
    np.testing.assert_allclose(metrics.accuracy(logits, labels, (1, 5)), expected, rtol=1e-6)
    one_hot = np.eye(9, dtype=np.float32)[labels]
    np.testing.assert_allclose(metrics.accuracy(logits, one_hot, (1, 5)), expected, rtol=1e-6)
    found = streamed(metrics.Accuracy(), logits, labels)
    np.testing.assert_allclose([found["acc1"], found["acc5"]], expected, rtol=1e-6)
    valid = np.arange(48) < 31
    expected = their_accuracy(logits[:31], labels[:31], (1, 3))
    np.testing.assert_allclose(metrics.accuracy(logits, labels, (1, 3), valid=valid), expected, rtol=1e-6)
    found = streamed(metrics.Accuracy(topk=(1, 3)), logits, labels, valid=valid)
    np.testing.assert_allclose([found["acc1"], found["acc3"]], expected, rtol=1e-6)


# Segmentation: references/segmentation/utils.py


def their_confusion_matrix(predictions, targets, classes):
    """Labels outside 0..classes - 1 are left out."""
    pairs = torch.from_numpy(targets).flatten() * classes + torch.from_numpy(predictions).flatten()
    known = torch.from_numpy(targets < classes).flatten()
    return torch.bincount(pairs[known], minlength=classes**2).reshape(classes, classes).numpy()


def test_confusion_matrix():
    rng = np.random.default_rng(1)
    targets = rng.choice([0, 1, 2, 3, 4, 255], (6, 20, 31))
    predictions = np.where(rng.random(targets.shape) < 0.6, np.minimum(targets, 4), rng.integers(0, 5, targets.shape))
    expected = their_confusion_matrix(predictions, targets, 5)
    right, rows, columns = expected.diagonal(), expected.sum(1), expected.sum(0)
    pixel_accuracy, accuracy, iou = right.sum() / expected.sum(), right / rows, right / (rows + columns - right)
    metric = metrics.ConfusionMatrix(5)
    state = metric.update(metric.init(), predictions[:4], targets[:4].astype(np.uint8))
    state = metric.merge(state, metric.update(metric.init(), predictions[4:], targets[4:]))
    np.testing.assert_array_equal(metric.matrix(state), expected)
    for found in (metric.compute(state), streamed(metric, predictions, targets)):
        assert found["pixel_accuracy"] == pytest.approx(float(pixel_accuracy), rel=1e-6)
        assert found["mean_iou"] == pytest.approx(float(iou.mean()), rel=1e-6)
        np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-6)
        np.testing.assert_allclose(found["iou"], iou, rtol=1e-6)
    scores = np.eye(5, dtype=np.float32)[predictions]
    matrix = metrics.confusion_matrix(scores, targets, 5)
    np.testing.assert_array_equal(matrix, expected)
    assert metrics.mean_iou(matrix) == pytest.approx(float(iou.mean()), rel=1e-6)
    assert metrics.pixel_accuracy(matrix) == pytest.approx(float(pixel_accuracy), rel=1e-6)
    ignored = metrics.confusion_matrix(predictions, targets, 5, ignore_index=0)
    np.testing.assert_array_equal(ignored, np.where(np.arange(5)[:, None] == 0, 0, expected))
    half = metrics.confusion_matrix(predictions, targets, 5, valid=np.arange(6) < 4)
    np.testing.assert_array_equal(half, metrics.confusion_matrix(predictions[:4], targets[:4], 5))


# Videos: references/video_classification/train.py


@pytest.mark.parametrize("aggregate", ["softmax", "logits"])
def test_video_accuracy(aggregate):
    rng = np.random.default_rng(2)
    labels_of = rng.integers(0, 6, 12)
    videos = rng.permutation(np.repeat(np.arange(12), rng.integers(1, 5, 12)))
    labels = labels_of[videos]
    logits = (rng.normal(size=(len(videos), 6)) * 2 + 1.5 * np.eye(6)[labels]).astype(np.float32)
    sums = torch.zeros(12, 6)
    for video, row in zip(videos, torch.from_numpy(logits)):
        sums[int(video)] += torch.softmax(row, 0) if aggregate == "softmax" else row
    expected = their_accuracy(sums.numpy(), labels_of, (1, 5))
    found = streamed(metrics.VideoAccuracy(12, 6, aggregate=aggregate), logits, labels, videos)
    np.testing.assert_allclose([found["acc1"], found["acc5"]], expected, rtol=1e-6)
    assert 30 < expected[0] < 100

    beyond = np.where(videos < 9, videos, np.where(videos % 2, -1, 99))
    valid = videos < 9  # videos without a clip do not count
    metric = metrics.VideoAccuracy(12, 6, topk=(1,), aggregate=aggregate)
    share = their_accuracy(sums[:9].numpy(), labels_of[:9], (1,))[0]
    assert metric(logits, labels, videos, valid=valid)["acc1"] == pytest.approx(share, rel=1e-6)
    assert metric(logits, labels, beyond)["acc1"] == pytest.approx(share, rel=1e-6)


# Optical flow: references/optical_flow/utils.py


def their_flow_metrics(prediction, target, valid):
    """Means over valid pixels of flows [..., 2], as tensors."""
    distance = torch.linalg.vector_norm(prediction - target, dim=-1)[valid]
    share = distance / torch.linalg.vector_norm(target, dim=-1)[valid]
    found = {f"{limit}px": (distance < limit).float().mean() for limit in (1, 3, 5)}
    found |= {"epe": distance.mean(), "f1": 100 * ((distance > 3) & (share > 0.05)).float().mean()}
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("sparse", [False, True])
def test_endpoint_error(sparse):
    rng = np.random.default_rng(3)
    target = rng.normal(0, 60, (6, 11, 17, 2)).astype(np.float32)
    prediction = target + rng.normal(0, 2.5, target.shape).astype(np.float32)
    target[0, 0, 0] = 0  # a length of zero
    valid = rng.random((6, 11, 17)) < 0.4 if sparse else np.ones((6, 11, 17), bool)
    tensors = [torch.from_numpy(array) for array in (prediction, target, valid)]
    expected = their_flow_metrics(*tensors)
    expected["per_image_epe"] = np.mean([their_flow_metrics(*image)["epe"] for image in zip(*tensors)])
    assert 0 < expected["f1"] < 100
    assert 0 < expected["1px"] < expected["3px"] < expected["5px"] < 1
    unknown = np.where(valid[..., None], target, np.nan)
    found = streamed(metrics.EndpointError(), prediction, unknown, valid=valid)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    np.testing.assert_allclose(
        metrics.endpoint_error(prediction, target), np.linalg.norm(prediction - target, axis=-1), rtol=1e-5, atol=1e-6
    )
    assert float(metrics.EndpointError()(jnp.zeros((4, 5, 2)), jnp.ones((4, 5, 2)))["epe"]) == pytest.approx(2**0.5)
