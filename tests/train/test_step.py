"""The training step: devices, accumulation, precision, and steps whose loss is not finite."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from funcvision import nn, train
from funcvision.vision import transforms

from .tiny import MLP, ConvNet, batches

KEY = jax.random.key(0)
BATCHES = batches(4, 8, (8, 8, 3))
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def run(model, given=BATCHES, *, optimizer=OPTIMIZER, mesh=None, shard=None, ema=None, min_shard_size=0, **options):
    """The state after one step for each batch, and the metrics of all steps."""
    state = train.create(
        model, optimizer, key=KEY, ema=ema, mesh=mesh, shard=shard, min_shard_size=min_shard_size
    )
    step, seen = train.make_step(model, train.losses.cross_entropy(), optimizer, ema=ema, **options), []
    for batch in given:
        state, metrics = step(state, batch)
        seen.append(jax.device_get(metrics))
    return state, seen


def arrays(state: train.TrainState) -> train.TrainState:
    plain = dataclasses.replace(state, key=jax.random.key_data(state.key))
    return jax.tree.map(np.asarray, plain)


def assert_close(one, other, rtol=1e-4, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol, atol), arrays(one), arrays(other))


@pytest.fixture(scope="module")
def on_one_device():
    return run(ConvNet(), ema=train.EMA(0.9))


def test_a_step_learns_and_reports(on_one_device):
    state, metrics = on_one_device
    assert int(state.step) == 4
    assert set(metrics[0]) == {"loss", "accuracy", "gradient_norm"}
    assert int(state.state["bn1.num_batches_tracked"]) == 4
    _, metrics = run(MLP(), batches(1, 8, (8,)) * 40)
    assert metrics[-1]["accuracy"] == 1.0
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]


@pytest.mark.parametrize("shard", [None, "params"])
def test_two_devices_compute_what_one_does(on_one_device, shard):
    mesh = jax.make_mesh((2,), ("data",))
    state, metrics = run(ConvNet(), ema=train.EMA(0.9), mesh=mesh, shard=shard)
    assert_close(state, on_one_device[0])
    np.testing.assert_allclose([m["loss"] for m in metrics], [m["loss"] for m in on_one_device[1]], rtol=1e-5)
    expected = PartitionSpec(None, None, None, "data") if shard else PartitionSpec()
    moments = [x for x in jax.tree.leaves(state.opt_state) if x.shape == (3, 3, 3, 8)]
    assert state.ema is not None
    for array in (state.params["conv1.weight"], state.ema.params["conv1.weight"], *moments):
        assert array.sharding.spec == expected
    assert moments


@pytest.mark.parametrize("accumulate", [1, 2])
def test_batch_norm_per_device(accumulate):
    """Each device normalises its half; gradients and running statistics are the means over both."""
    model, loss, given = ConvNet(), train.losses.cross_entropy(), batches(1, 32, (8, 8, 3))
    state, _ = run(
        model, given, mesh=jax.make_mesh((2,), ("data",)), sync_bn=False, accumulate=accumulate,
        optimizer=optax.sgd(0.1),
    )
    start = train.create(model, optax.sgd(0.1), key=KEY)
    gradient = jax.jit(jax.grad(lambda params, buffers, x, y: (
        (output := model.apply(params, buffers, x, train=True)) and (loss(output[0], y), output[1])), has_aux=True))
    images, labels = given[0]
    buffers, total = start.state, jax.tree.map(jnp.zeros_like, start.params)
    for x, y in zip(np.split(images, accumulate), np.split(labels, accumulate), strict=True):
        halves = [gradient(start.params, buffers, *half) for half in zip(np.split(x, 2), np.split(y, 2), strict=True)]
        found, buffers = jax.tree.map(lambda a, b: (a + b) / 2 if a.dtype == jnp.float32 else a, *halves)
        total = jax.tree.map(lambda a, b: a + b / accumulate, total, found)
    for name, gradient in total.items():
        np.testing.assert_allclose(state.params[name], start.params[name] - 0.1 * gradient, rtol=1e-4, atol=1e-5)
    for name, buffer in buffers.items():
        np.testing.assert_allclose(state.state[name], buffer, rtol=1e-5, atol=1e-6)
    if accumulate > 1:
        return
    together, _ = run(model, given, mesh=jax.make_mesh((2,), ("data",)), optimizer=optax.sgd(0.1))
    assert np.abs(together.params["conv1.weight"] - state.params["conv1.weight"]).max() > 1e-3


def test_dropout_per_device_differs_between_devices():
    model = nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.5))
    seen = []

    def loss(output, labels):
        jax.debug.callback(lambda rows: seen.append(np.asarray(rows) == 0), output)
        return jnp.square(output).mean()

    optimizer = optax.sgd(0.1)
    state = train.create(model, optimizer, key=KEY, mesh=jax.make_mesh((2,), ("data",)))
    train.make_step(model, loss, optimizer, sync_bn=False)(state, (np.ones((2, 8), np.float32), np.arange(2)))
    jax.effects_barrier()
    first, second = seen
    assert first.shape == (1, 64)
    assert (first != second).any()


def test_explicit_axes_in_the_context_are_no_obstacle(on_one_device):
    mesh = jax.make_mesh((2,), ("data",))
    with jax.set_mesh(mesh):
        sharding = jax.NamedSharding(mesh, PartitionSpec("data"))
        state, _ = run(ConvNet(), jax.device_put(BATCHES, sharding), ema=train.EMA(0.9), mesh=mesh)
    assert_close(state, on_one_device[0])


def test_accumulation_equals_the_big_batch():
    flat = batches(3, 8, (8,))
    one, once = run(MLP(), flat)
    cut, parts = run(MLP(), flat, accumulate=4)
    assert_close(one, cut)
    for a, b in zip(once, parts, strict=True):
        np.testing.assert_allclose([a["loss"], a["accuracy"]], [b["loss"], b["accuracy"]], rtol=1e-5)
    split, _ = run(MLP(), flat, accumulate=2, mesh=jax.make_mesh((2,), ("data",)))
    assert_close(one, split)


def test_batch_norm_sees_the_runs_of_a_batch_in_order():
    model = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 4))
    images, labels = batches(1, 8, (8,))[0]
    state, _ = run(model, [(images, labels)], accumulate=2)
    mean = np.zeros(8)
    for part in (images[:4], images[4:]):
        mean = 0.9 * mean + 0.1 * part.mean(0)
    np.testing.assert_allclose(state.state["0.running_mean"], mean, rtol=1e-5, atol=1e-6)
    assert int(state.state["0.num_batches_tracked"]) == 2


def test_the_random_key_decides_the_augmentation():
    seen = []

    def augment(batch, *, key):
        images, labels = batch
        jax.debug.callback(lambda data: seen.append(data.tolist()), jax.random.key_data(key))
        return transforms.MixUp(num_classes=4)((images[..., None, None], labels), key=key)

    model = nn.Sequential(nn.Flatten(), MLP())
    _, first = run(model, batches(3, 8, (8,)), augment=augment)
    jax.effects_barrier()
    assert len({tuple(key) for key in seen}) == 3
    _, second = run(model, batches(3, 8, (8,)), augment=augment)
    assert first == second


def test_bfloat16_computes_narrow_and_keeps_wide_parameters(on_one_device):
    dtypes = []

    class Seen(ConvNet):
        def forward(self, x):
            dtypes.append(x.dtype)
            return super().forward(x)

    state, metrics = run(Seen(), BATCHES[:1], precision="bfloat16")
    assert dtypes[0] == jnp.bfloat16
    assert {x.dtype for x in state.params.values()} == {np.dtype("float32")}
    assert metrics[0]["loss"].dtype == np.float32
    assert abs(metrics[0]["loss"] - on_one_device[1][0]["loss"]) < 0.05


def test_a_step_that_is_not_finite_changes_nothing_but_its_number():
    good, bad = batches(2, 8, (8,))
    bad[0][0, 0] = np.nan
    before, _ = run(MLP(), [good], ema=train.EMA(0.5))
    after, metrics = run(MLP(), [good, bad], ema=train.EMA(0.5))
    assert np.isnan(metrics[1]["loss"])
    assert int(after.step) == 2
    jax.tree.map(np.testing.assert_array_equal, arrays(dataclasses.replace(after, step=before.step)), arrays(before))


def test_given_parameters_are_not_donated():
    model = MLP()
    params, buffers = model.init(KEY)
    state = train.create(model, OPTIMIZER, key=KEY, params=params, state=buffers)
    train.make_step(model, train.losses.cross_entropy(), OPTIMIZER)(state, batches(1, 8, (8,))[0])
    assert not any(x.is_deleted() for x in params.values())


def test_what_does_not_fit_is_refused():
    model, loss = MLP(), train.losses.cross_entropy()
    with pytest.raises(ValueError, match="jax_enable_x64"):
        train.make_step(model, loss, OPTIMIZER, precision="float64")
    with pytest.raises(ValueError, match="precision='half'"):
        train.make_step(model, loss, OPTIMIZER, precision="half")  # pyright: ignore
    with pytest.raises(ValueError, match="accumulate=3 runs"):
        run(model, batches(1, 8, (8,)), accumulate=3)
    with pytest.raises(ValueError, match="both create and make_step"):
        train.make_step(model, loss, OPTIMIZER, ema=train.EMA(0.9))(
            train.create(model, OPTIMIZER, key=KEY), batches(1, 8, (8,))[0]
        )
    state, (images, labels) = train.create(model, OPTIMIZER, key=KEY), batches(1, 8, (8,))[0]
    with pytest.raises(ValueError, match=r"a batch \(images, labels\), and it got one array"):
        train.make_step(model, loss, OPTIMIZER)(state, images)
    with pytest.raises(ValueError, match=r"must return a scalar, the mean over the batch; its shape is \(8,\)"):
        train.make_step(model, lambda output, labels: output.mean(-1), OPTIMIZER)(state, (images, labels))
    with pytest.raises(ValueError, match="does not divide evenly over 2 devices"):
        run(model, batches(1, 7, (8,)), mesh=jax.make_mesh((2,), ("data",)))
    with pytest.raises(ValueError, match="one axis"):
        train.create(model, OPTIMIZER, key=KEY, mesh=jax.make_mesh((1, 2), ("a", "b")))
    with pytest.raises(ValueError, match="needs mesh="):
        train.create(model, OPTIMIZER, key=KEY, shard="params")
