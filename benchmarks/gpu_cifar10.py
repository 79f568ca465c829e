"""CIFAR-10 on an accelerator: the seconds in which the recipe `cifar10_fast` reaches 94%.

    python -m benchmarks.gpu_cifar10 cifar10:ROOT                # the published files
    python -m benchmarks.gpu_cifar10 folder:ROOT epochs=12       # train/CLASS/*, test/CLASS/*; and options

The images are decoded into memory before anything is timed. The recipe then runs twice in bfloat16: the first run
compiles, the second one does not. The time of an epoch includes the loader and the copies to the device; evaluations
are timed apart. Without a data set (`python -m benchmarks gpu_cifar10`) the images are drawn at random: then only the
seconds mean something, and the output says so.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ._recipes import drawn_data, parts

GOAL = 0.94


class Run(NamedTuple):
    """What a run took.

    Attributes:
        training: seconds of the epochs, with compilation in the first run.
        evaluation: seconds of the evaluations.
        accuracies: of the test images, after each epoch.
        reached: seconds of training after which the accuracy was `GOAL` for the first time; None if it never was.
    """

    training: float
    evaluation: float
    accuracies: list[float]
    reached: float | None


def main(spec: str = "", options: Sequence[str] = (), images: int = 50_000) -> None:
    import jax

    from funcvision.train.options import parse
    from funcvision.train.recipe import find_recipe
    from funcvision.train.run import open_for

    recipe = parse(find_recipe("cifar10_fast"), ["amp=true", "workers=8", *options])
    start = time.perf_counter()
    data = open_for(recipe, spec) if spec else drawn_data(images)
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {len(data.train):,} training images in memory after "
          f"{time.perf_counter() - start:.1f} s, {recipe.epochs} epochs of batches of {recipe.batch_size}")
    if not spec:
        print("no data set was given: images and labels are RANDOM, and the accuracy means nothing")
    made = parts(recipe, data)
    for title in ("first run, with compilation", "second run"):
        run = _run(made, recipe.epochs)
        reached = "not reached" if run.reached is None else f"reached after {run.reached:.2f} s of training"
        print(f"{title}: {run.training:.2f} s of training, {run.evaluation:.2f} s of evaluation, "
              f"{recipe.epochs * len(made.loader) * recipe.batch_size / run.training:.0f} images/s, accuracy "
              f"{run.accuracies[-1]:.2%}; {GOAL:.0%} {reached}")
        print("  after each epoch: " + ", ".join(f"{accuracy:.2%}" for accuracy in run.accuracies))


def _run(made: Any, epochs: int) -> Run:
    """Trains a copy of the initial state."""
    import jax
    import jax.numpy as jnp

    from funcvision import train

    state = jax.tree.map(jnp.copy, made.state)  # steps donate it
    training, evaluation, accuracies, reached = 0.0, 0.0, [], None
    for epoch in range(epochs):
        start = time.perf_counter()
        state = train.fit(state, made.step, made.loader, epochs=epoch + 1, progress=False)
        jax.block_until_ready(state.params)
        middle = time.perf_counter()
        accuracies.append(made.evaluate(state)["accuracy"])
        training, evaluation = training + middle - start, evaluation + time.perf_counter() - middle
        if reached is None and accuracies[-1] >= GOAL:
            reached = training
    return Run(training, evaluation, accuracies, reached)


if __name__ == "__main__":
    main(*sys.argv[1:2], options=sys.argv[2:])
