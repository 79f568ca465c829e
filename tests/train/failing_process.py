"""One process of a run that fails: `python -m tests.train.failing_process PORT NUMBER COUNT HOW`.

It calls what `funcvision train` does, with a small run in place of a recipe's. HOW says what the last process does
instead of loading its third batch: "raise", or "kill" itself; "" is for none.
"""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import jax
import optax

from funcvision import train
from funcvision.cli.train import _train
from funcvision.data import LoadError
from funcvision.train import run as module
from funcvision.train.recipe import Recipe

from .tiny import MLP, batches


class Loader:
    """Six batches, or two and what HOW says."""

    def __init__(self, how: str):
        self.how = how

    def __len__(self) -> int:
        return 6

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(batches(6, 8, (8,))):
            if number == 2 and self.how == "raise":
                raise LoadError("sample 7 could not be loaded")
            if number == 2 and self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch


def run(name: str, recipe: Recipe) -> dict[str, Any]:
    """Trains for an epoch; HOW is the name of the recipe."""
    model, optimizer = MLP(), optax.sgd(0.1)
    mesh = jax.make_mesh((len(jax.devices()),), ("data",))
    state = train.create(model, optimizer, key=jax.random.key(0), mesh=mesh)
    step = train.make_step(model, train.losses.cross_entropy(), optimizer)
    how = name if jax.process_index() == jax.process_count() - 1 else ""
    state = train.fit(state, step, Loader(how), epochs=1, progress=False)
    return {"finished": True, "step": int(state.step)}


if __name__ == "__main__":
    port, number, count = (int(argument) for argument in sys.argv[1:4])
    module.run = run  # pyright: ignore[reportAttributeAccessIssue]
    sys.exit(_train(sys.argv[4], Recipe(coordinator=f"localhost:{port}", num_processes=count, process_id=number)))
