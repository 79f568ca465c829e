"""Checkpoints: what comes back, which ones stay, other numbers of devices."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcvision import train
from funcvision.data import ArrayDataset, DataLoader
from funcvision.train._position import Position

from .short_run import bits
from .tiny import MLP

MODEL = MLP()
OPTIMIZER = optax.adamw(1e-3)


def state_at(step: int, seed: int = 0, **options) -> train.TrainState:
    state = train.create(MODEL, OPTIMIZER, key=jax.random.key(seed), ema=train.EMA(0.9), **options)
    number = jnp.full_like(state.step, step)
    return dataclasses.replace(state, step=number)


def test_everything_comes_back(tmp_path):
    saved, position = state_at(7, seed=3), {"epoch": 1, "batch": 2, "loader": {"order": None, "shard": [0, 1]}}
    with train.Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(saved, position=position)
    with train.Checkpoints(tmp_path / "c") as checkpoints:
        found, place = checkpoints.restore(state_at(0))
    assert bits(found) == bits(saved)
    assert place == position
    assert jax.random.key_impl(found.key) == jax.random.key_impl(saved.key)
    assert jax.tree.structure(found) == jax.tree.structure(saved)


def test_an_optimizer_without_arrays(tmp_path):
    plain = train.create(MODEL, optax.sgd(0.1), key=jax.random.key(0))
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(plain)
        found, position = checkpoints.restore(plain)
    assert position is None
    assert bits(found) == bits(plain)


def test_the_last_and_the_best_stay(tmp_path):
    with train.Checkpoints(tmp_path, last=2, best=1) as checkpoints:
        for step, accuracy in enumerate([0.3, 0.9, None, 0.5, float("nan"), 0.4]):
            checkpoints.save(state_at(step), metrics=None if accuracy is None else {"accuracy": accuracy})
        checkpoints.wait()
        assert checkpoints.steps == [1, 4, 5]
        assert (checkpoints.latest, checkpoints.best) == (5, 1)
        assert int(checkpoints.restore(state_at(0), step=1)[0].step) == 1
        checkpoints.save(state_at(5))  # it is there already
        with pytest.raises(FileNotFoundError, match="has no checkpoint 3: there are 1, 4, 5"):
            checkpoints.restore(state_at(0), step=3)
    with train.Checkpoints(tmp_path / "low", last=1, metric="loss", mode="min") as checkpoints:
        for step, loss in enumerate([0.3, 0.9, 0.2, 0.5]):
            checkpoints.save(state_at(step), metrics={"loss": loss})
        checkpoints.wait()
        assert checkpoints.steps == [2, 3]


@pytest.mark.parametrize("shard", [None, "params"])
def test_another_number_of_devices(tmp_path, shard):
    mesh = jax.make_mesh((2,), ("data",))
    one = state_at(4)
    two = state_at(0, seed=9, mesh=mesh, shard=shard, min_shard_size=16)
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(one)
        found, _ = checkpoints.restore(two)
        jax.tree.map(lambda a, b: (a.sharding == b.sharding) or pytest.fail(str(a.sharding)), found, two)
        assert bits(found) == bits(one)
        checkpoints.save(dataclasses.replace(found, step=found.step + 1))
        back, _ = checkpoints.restore(one)
    assert bits(dataclasses.replace(back, step=one.step)) == bits(one)
    assert len(back.params["fc1.weight"].devices()) == 1


def test_a_mesh_of_one_device(tmp_path):
    """The restored state lies where the given one does, and can be given to a step."""
    like = state_at(0, mesh=jax.make_mesh((1,), ("data",), devices=jax.devices()[:1]))
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state_at(4))
        found, _ = checkpoints.restore(like)
    jax.tree.map(lambda a, b: (a.sharding == b.sharding) or pytest.fail(str(a.sharding)), found, like)
    assert bits(found) == bits(state_at(4))


def test_the_state_may_be_donated_while_it_is_saved(tmp_path):
    step = train.make_step(MODEL, train.losses.cross_entropy(), OPTIMIZER, ema=train.EMA(0.9))
    state, batch = state_at(0), (np.ones((4, 8), np.float32), np.arange(4))
    wanted = bits(state)
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state)
        for _ in range(3):
            state, _ = step(state, batch)
        assert bits(checkpoints.restore(state)[0]) == wanted


def test_a_checkpoint_of_another_model(tmp_path):
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state_at(1))
        other = train.create(MLP(hidden=4), OPTIMIZER, key=jax.random.key(0), ema=train.EMA(0.9))
        with pytest.raises(ValueError, match=r"ema/params/fc1.bias is float32\[16\] there and float32\[4\] here"):
            checkpoints.restore(other)


def test_what_is_not_complete_is_ignored(tmp_path):
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state_at(1))
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    with train.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps == [1]


def test_a_reader_leaves_the_folder_as_it_is(tmp_path):
    """So that a run which saves at the same time goes on."""
    with train.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state_at(1), position="here")
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    with train.Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.restore(state_at(0))[1] == checkpoints.position(state_at(0)) == "here"
        with pytest.raises(ValueError, match="read_only=True"):
            checkpoints.save(state_at(3))
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2.orbax-checkpoint-tmp"}
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        train.Checkpoints(tmp_path / "other", read_only=True)
    assert not (tmp_path / "other").exists()


def test_orbax_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[train\]"'):
        train.Checkpoints(tmp_path)


def test_a_position_fits_another_number_of_processes():
    data = ArrayDataset((np.arange(24),))

    def loader(size, shard):
        return DataLoader(data, size, shuffle=True, drop_last=True, shard=shard)

    two = Position(loader(4, (0, 2)))
    batches = two.batches()
    next(batches), next(batches)
    one_loader = loader(8, (0, 1))
    one = Position(one_loader)
    one.load_state_dict(two.state_dict())
    assert (one.epoch, one.batch) == (0, 2)
    whole = [x for (x,) in loader(8, (0, 1))]
    np.testing.assert_array_equal(next(one.batches())[0], whole[2])
    with pytest.raises(ValueError, match="another loader"):
        Position(DataLoader(data, 8, drop_last=True)).load_state_dict(two.state_dict())
    with pytest.raises(ValueError, match="3 steps in an epoch, and this loader has 6"):
        Position(loader(4, (0, 1))).load_state_dict(two.state_dict())
