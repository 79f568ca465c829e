"""What all metrics that are sums promise: exact totals, merging, devices, padding, clear errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from funcvision.vision import metrics
from funcvision.vision.metrics import _totals


def test_counts_beyond_int32():
    add = jax.jit(_totals.add_count)
    total, expected = _totals.new_count(2), np.zeros(2, np.int64)
    for more in np.random.default_rng(0).integers(0, 2**31 - 1, (20, 2)):
        total, expected = add(total, jnp.asarray(more, jnp.int32)), expected + more
    assert expected.min() > 2**32
    np.testing.assert_array_equal(_totals.exact_counts(total), expected)
    np.testing.assert_array_equal(_totals.exact_counts(1000 * total), 1000 * expected)  # of 1000 devices
    np.testing.assert_allclose(_totals.count_value(total), expected, rtol=1e-7)


def test_sums_of_small_terms():
    """A plain sum in float32 would stop at 2**24."""
    def step(total, _):
        return _totals.add_sum(total, jnp.ones((), jnp.float32)), None

    start = _totals.add_sum(_totals.new_sum(), jnp.full((), 2.0**24))
    total = jax.jit(lambda start: jax.lax.scan(step, start, length=4000)[0])(start)
    assert float(_totals.sum_value(total)) == 2**24 + 4000


def batch(seed, count=8):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, (count, 6, 5))
    return jnp.asarray(rng.normal(size=(count, 6, 5, 4)), jnp.float32), jnp.asarray(targets)


CASES = {
    "accuracy": (metrics.Accuracy(topk=(1, 2)), lambda x, y: (x[:, 0, 0], y[:, 0, 0])),
    "segmentation": (metrics.ConfusionMatrix(4, ignore_index=1), lambda x, y: (x, y)),
    "flow": (metrics.EndpointError(), lambda x, y: (4 * x[..., :2], x[..., 2:])),
    "video": (
        metrics.VideoAccuracy(3, 4, topk=(1, 2)),
        lambda x, y: (x[:, 0, 0], jnp.arange(8) % 3, jnp.arange(8) % 3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_devices_parts_and_padding(name):
    metric, arguments = CASES[name]
    inputs = arguments(*batch(0))
    whole = metric(*inputs)
    assert all(np.isfinite(value).all() for key, value in whole.items() if key not in ("accuracy", "iou"))

    parts = [metric.update(metric.init(), *(array[rows] for array in inputs)) for rows in (slice(3), slice(3, 8))]
    merged = metrics.sum_over_processes(metric.merge(*parts))

    padded = [jnp.concatenate([array, array[:3]]) for array in inputs]
    padding = metric(*padded, valid=jnp.arange(11) < 8)

    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.device_put(inputs, NamedSharding(mesh, PartitionSpec("data")))
    sharded = jax.jit(metric.update)(metric.init(), *spread)

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec())
    def summed(*inputs):
        return jax.lax.psum(metric.update(metric.init(), *inputs), "data")

    results = [metric.compute(merged), padding, metric.compute(sharded), metric.compute(jax.jit(summed)(*spread))]
    for result in results:
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), result, whole)


def test_a_class_that_does_not_occur_and_predictions_of_no_class():
    targets = np.array([0, 0, 0, 1])
    predictions = np.array([0, -1, 7, 1])
    found = metrics.ConfusionMatrix(3)(predictions, targets)
    np.testing.assert_allclose(found["iou"], [1 / 3, 1, np.nan], rtol=1e-6)
    assert found["pixel_accuracy"] == 0.5
    assert found["mean_iou"] == pytest.approx(2 / 3)
    assert metrics.confusion_matrix(predictions, targets, 3).sum() == 2


def test_nothing_is_nan():
    assert np.isnan(metrics.Accuracy().compute(metrics.Accuracy().init())["acc1"])
    assert np.isnan(metrics.EndpointError().compute(metrics.EndpointError().init())["epe"])
    assert np.isnan(metrics.accuracy(np.zeros((2, 3)), np.zeros(2, int), valid=np.zeros(2, bool))[0])


@pytest.mark.parametrize(("call", "message"), [
    (lambda: metrics.accuracy(np.zeros((4, 3)), np.zeros(3, int)), r"labels of the shape \(4,\)"),
    (lambda: metrics.accuracy(np.zeros((4, 3)), np.zeros(4, int), (1, 5)), "3 classes"),
    (lambda: metrics.accuracy(np.zeros((4, 3)), np.zeros(4, int), valid=np.ones(3, bool)), "valid has the shape"),
    (lambda: metrics.confusion_matrix(np.zeros((2, 5, 4)), np.zeros((2, 5), int), 3), "predictions of the same shape"),
    (lambda: metrics.confusion_matrix(np.zeros((2, 5)), np.zeros((2, 5), int), 3), "integers; got float"),
    (lambda: metrics.confusion_matrix(np.zeros(2, int), np.zeros(2, int), 0), "num_classes=0"),
    (lambda: metrics.endpoint_error(np.zeros((4, 5, 2)), np.zeros((4, 5, 3))), "two flows"),
    (lambda: metrics.EndpointError()(np.zeros((5, 2)), np.zeros((5, 2))), "has the axes"),
    (lambda: metrics.VideoAccuracy(3, 2, aggregate="max"), "got 'max'"),
    (lambda: metrics.VideoAccuracy(3, 2)(np.zeros((4, 3)), np.zeros(4, int)), "expected logits"),
])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
