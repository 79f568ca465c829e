"""Evaluation: each sample counts once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcvision import functional as F
from funcvision import train
from funcvision.data import ArrayDataset, DataLoader
from funcvision.train.evaluation import _counted

from .tiny import MLP, batches

MODEL = MLP()
STATE = train.create(MODEL, optax.sgd(0.1), key=jax.random.key(0), ema=train.EMA(0.5))
IMAGES, LABELS = batches(1, 21, (8,))[0]


def expected(state=STATE) -> dict[str, float]:
    output, _ = MODEL.apply(state.params, state.state, jnp.asarray(IMAGES))
    hits = np.asarray(output).argmax(-1) == LABELS
    return {"loss": float(F.cross_entropy(output, jnp.asarray(LABELS))), "accuracy": float(hits.mean())}


@pytest.mark.parametrize("size", [8, 21, 64])
@pytest.mark.parametrize("sharded", [False, True])
def test_a_short_last_batch_counts_once(size, sharded):
    state = STATE
    if sharded:
        state = train.create(
            MODEL, optax.sgd(0.1), key=jax.random.key(0), mesh=jax.make_mesh((2,), ("data",)), params=STATE.params,
            state=STATE.state,
        )
    loader = DataLoader(ArrayDataset((IMAGES, LABELS)), size)
    assert train.evaluate(MODEL, state, loader) == pytest.approx(expected(), rel=1e-5)


@pytest.mark.parametrize("size", [4, 7, 8])
def test_samples_that_processes_repeat_count_once(size):
    """Goes through the loaders of three processes one after another; together they count each sample once."""
    numbers, repeated = [], 0
    for index in range(3):
        loader = DataLoader(ArrayDataset((np.arange(len(LABELS)),)), size, shard=(index, 3), seed=1, shuffle=True)
        for (batch,), counted in _counted(loader):
            numbers += batch[counted].tolist()
            repeated += int((~counted).sum())
    assert sorted(numbers) == list(range(len(LABELS)))
    assert repeated == -len(LABELS) % 3


def test_what_is_not_counted_does_not_change_the_mean():
    loader = DataLoader(ArrayDataset((IMAGES[:4], LABELS[:4])), 2, shard=(2, 3), num_workers=0)
    (_, labels), counted = next(_counted(loader))
    np.testing.assert_array_equal(counted, [False, False])  # samples 4 and 5 of 4 are the first two again
    np.testing.assert_array_equal(labels, LABELS[:2])


def test_own_metrics_preparation_and_the_average():
    output, _ = MODEL.apply(STATE.params, STATE.state, jnp.asarray(IMAGES) / 2)
    top2 = np.mean([label in np.argsort(-row)[:2] for row, label in zip(np.asarray(output), LABELS, strict=True)])
    found = train.evaluate(
        MODEL, STATE, [(IMAGES * 2, LABELS)], {"top2": train.accuracy(2)}, prepare=lambda images: images / 4
    )
    assert found == pytest.approx({"top2": top2})
    step = train.make_step(MODEL, train.losses.cross_entropy(), optax.sgd(0.5), ema=train.EMA(0.5))
    state = train.create(MODEL, optax.sgd(0.5), key=jax.random.key(0), ema=train.EMA(0.5))
    for _ in range(4):
        state, _ = step(state, (IMAGES, LABELS))
    loader = [(IMAGES, LABELS)]
    averaged, current = train.evaluate(MODEL, state, loader, ema=True), train.evaluate(MODEL, state, loader)
    assert averaged == pytest.approx(expected(state.averaged()), rel=1e-5)
    assert averaged["loss"] != current["loss"]


def test_what_cannot_be_evaluated():
    with pytest.raises(ValueError, match="no batch"):
        train.evaluate(MODEL, STATE, [])
    with pytest.raises(ValueError, match="k=0"):
        train.accuracy(0)
    with pytest.raises(ValueError, match="a number for each sample"):
        train.evaluate(MODEL, STATE, [(IMAGES, LABELS)], {"mean": F.cross_entropy})
    plain = train.create(MODEL, optax.sgd(0.1), key=jax.random.key(0))
    with pytest.raises(ValueError, match="has no average"):
        train.evaluate(MODEL, plain, [(IMAGES, LABELS)], ema=True)
