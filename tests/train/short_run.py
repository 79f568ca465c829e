"""A short run, for the tests that kill it: `python -m tests.train.short_run OUT`."""

import pathlib
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
import optax

from funcvision import train
from funcvision.data import DataLoader

from .tiny import ConvNet, batches

EPOCHS, STEPS = 5, 12


class Images:
    """48 images. `on_load` is called before one is loaded."""

    def __init__(self, on_load: Callable[[int], None]):
        self.on_load = on_load
        self.images, self.labels = batches(1, 48, (8, 8, 3))[0]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.on_load(index)
        return self.images[index], self.labels[index]


def noisy(batch, *, key):
    images, labels = batch
    return images + 0.1 * jax.random.normal(key, images.shape), labels


def run(out: pathlib.Path, on_load: Callable[[int], None] = lambda index: None) -> train.TrainState:
    """Trains with everything that has to come back after a kill: moments, average, shuffling, random numbers."""
    model, rule = ConvNet(), train.EMA(0.9, every=2)
    optimizer = optax.adamw(train.schedules.cosine(1e-2, epochs=EPOCHS, steps_per_epoch=STEPS, warmup_epochs=1))
    state = train.create(model, optimizer, key=jax.random.key(1), ema=rule)
    step = train.make_step(model, train.losses.cross_entropy(), optimizer, augment=noisy, ema=rule)
    loader = DataLoader(Images(on_load), 4, shuffle=True, num_workers=0)
    test = [(loader.dataset.images, loader.dataset.labels)]  # pyright: ignore
    return train.fit(
        state, step, loader, epochs=EPOCHS, evaluate=lambda state: train.evaluate(model, state, test, ema=True),
        out=out, save_every=5,
    )


def bits(state: train.TrainState) -> list[bytes]:
    """All arrays of a state."""
    leaves = jax.tree.leaves((state.params, state.state, state.opt_state, state.ema, state.step))
    return [np.asarray(leaf).tobytes() for leaf in (*leaves, jax.random.key_data(state.key))]


if __name__ == "__main__":
    final = run(pathlib.Path(sys.argv[1]), lambda index: time.sleep(0.001))  # so that there is time to kill it
    pathlib.Path(sys.argv[1], "final").write_bytes(b"".join(bits(final)))
