"""`train.fit`: its overhead over a bare loop, how well data keep up, and recipes against torch and a flax step.

    python -m benchmarks train_loop
    python -m benchmarks.train_loop PART ...      # some of overhead, data, cifar10, photos, flax

- `overhead`: epochs by `fit`, with a log and progress, against a loop that only calls the same compiled step. Their
  parameters are compared. Limit: 1.02.
- `data`: images a second of the loader alone and of the step alone, and the share of time in which the device waits
  for data. JPEG files of CIFAR-10 are measured if FUNCVISION_CIFAR10 names a folder with `train/CLASS/*`,
  `test/CLASS/*`.
- `cifar10`, `photos`: images a second of a recipe, from the data set to the update, against the same recipe in torch
  with torchvision, channels-last. Both augment with their own random numbers, so losses are not compared here; the
  parity tests compare the steps. CIFAR-10 is drawn at random, in memory. The photos are those in
  `../shared/data/imagenet-samples` or in FUNCVISION_PHOTOS, decoded by two workers. Limit: 1.0.
- `flax`: the training step of flax's ImageNet example, rebuilt for `_flax_resnet`: the example itself needs TensorFlow.

With BENCHMARK_CLOCK=cpu there are no workers, because the CPU time of a process does not include theirs.
"""

import contextlib
import functools
import itertools
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._models import MOMENTUM, RATE, batch, prepared, torch_model
from ._recipes import WORKERS, Parts, drawn_data, parts, photo_folder, torch_parts
from .harness import CLOCK, Contender, Prepared, compare

CIFAR10 = {"batch_size": 64, "workers": WORKERS, "lr_warmup_epochs": 0.0}
PHOTOS = {
    "model": "mobilenet_v2", "batch_size": 16, "workers": WORKERS, "lr_warmup_epochs": 0.0, "ra_sampler": False,
    "lr": 0.01, "val_resize_size": 200, "val_crop_size": 176,
}
CIFAR10_IMAGES = 256  # in an epoch of a turn


def _recipe(name: str, options: dict[str, Any]) -> Any:
    from funcvision.train.recipe import find_recipe

    return find_recipe(name)(**options)


def _opened(name: str, options: dict[str, Any], folder: pathlib.Path | None = None) -> tuple[Any, Parts]:
    """The recipe and the parts of its run: on digits, on drawn images of CIFAR-10, or on a folder."""
    from funcvision.train.run import open_for

    recipe = _recipe(name, options)
    if folder is not None:
        data = open_for(recipe, f"folder:{folder}")
    else:
        data = open_for(recipe) if name == "digits" else drawn_data(CIFAR10_IMAGES)
    return recipe, parts(recipe, data)


# The overhead of fit


def epochs(name: str, options: dict[str, Any], count: int, through_fit: bool) -> Prepared:
    """`count` epochs in a turn, by `fit` or by a loop that does nothing but call the step."""
    import jax

    from funcvision import train
    from funcvision.train.log import JSONLines

    (state, step, loader, _), folder, turns = _opened(name, options)[1], tempfile.mkdtemp(), itertools.count()
    held = [state]

    def fit() -> None:
        log = JSONLines(f"{folder}/{next(turns)}.jsonl")
        end = int(held[0].step) // len(loader) + count
        with (
            contextlib.closing(log), open(os.devnull, "w", encoding="utf-8") as stream,
            contextlib.redirect_stderr(stream),
        ):
            held[0] = train.fit(held[0], step, loader, epochs=end, logs=[log])
        jax.block_until_ready(held[0].params)

    def bare() -> None:
        for _ in range(count):
            for each in loader:
                held[0], _ = step(held[0], each)
        jax.block_until_ready(held[0].params)

    run = fit if through_fit else bare
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    return run, np.asarray([float(abs(value).sum()) for value in held[0].params.values()]), seconds


def overhead(rounds: int = 15) -> None:
    """Digits, whose steps take milliseconds, and ResNet-18 at the size of CIFAR-10."""
    for name, options, count, turns in (("digits", {"workers": WORKERS}, 2, rounds), ("cifar10", CIFAR10, 1, 3)):
        shared = {"name": name, "options": options, "count": count}
        compare(f"{name}: fit against a bare loop", [
            Contender("fit", __name__, "epochs", shared | {"through_fit": True}),
            Contender("bare loop", __name__, "epochs", shared | {"through_fit": False}),
        ], rounds=turns, rtol=1e-6)


# The input pipeline


def data(rounds: int = 3) -> None:
    """The loader against the step, and the waiting for data in `fit`."""
    with tempfile.TemporaryDirectory() as folder:
        root = photo_folder(pathlib.Path(folder))
        print(f"\n{'':34} {'loader':>10} {'step':>10} {'fit':>10}   waiting for data")
        cases: list[Any] = [
            ("digits in memory", "digits", {"workers": WORKERS}, None),
            ("CIFAR-10 in memory", "cifar10", CIFAR10, None),
        ]
        if cifar := os.environ.get("FUNCVISION_CIFAR10"):
            files = CIFAR10 | {"in_memory": False}
            cases.append(("CIFAR-10 from JPEG files", "cifar10", files, pathlib.Path(cifar)))
        cases.append(("photos at 176, mobilenet_v2", "imagenet_resnet50", PHOTOS, root))
        for title, name, options, where in cases:
            recipe, made = _opened(name, options, where)
            loaded, stepped, fitted, waited = _pipeline(made, recipe.batch_size, rounds)
            print(f"{title:34} {loaded:10.1f} {stepped:10.1f} {fitted:10.1f}   {waited:.1%}   (images/s)")


class _Rows:
    """A log that keeps what is written."""

    def __init__(self):
        self.rows: list[Any] = []

    def write(self, step: int, values: Any) -> None:
        self.rows.append(values)

    def rewind(self, step: int) -> None: ...

    def close(self) -> None: ...


def _pipeline(made: Parts, size: int, rounds: int) -> list[float]:
    """Medians: images a second of loader, step and `fit`, and the share of time in which the device waits for data."""
    import jax

    from funcvision import train

    state, step, whole, _ = made
    loader = _First(whole, 4)
    first = next(iter(whole))
    state, _ = step(state, first)  # compiles
    figures = []
    for _ in range(rounds):
        start = CLOCK()
        count = sum(1 for _ in loader)
        loaded = size * count / (CLOCK() - start)
        start = CLOCK()
        for _ in range(2):
            state, _ = step(state, first)
        jax.block_until_ready(state.params)
        stepped = 2 * size / (CLOCK() - start)
        log = _Rows()
        state = train.fit(
            state, step, loader, epochs=int(state.step) // len(loader) + 1, logs=[log], progress=False
        )
        figures.append((loaded, stepped, log.rows[-1]["images_per_second"], log.rows[-1]["data_wait"]))
    return [statistics.median(column) for column in zip(*figures, strict=True)]


class _First:
    """The first batches of a loader, as an epoch."""

    def __init__(self, loader: Any, count: int):
        self._loader, self._count = loader, min(count, len(loader))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Any:
        return itertools.islice(iter(self._loader), self._count)


# Recipes against torch


def ours(name: str, options: dict[str, Any], folder: pathlib.Path | None) -> Prepared:
    """An epoch in a turn, by `fit`."""
    import jax

    from funcvision import train

    state, step, loader, _ = _opened(name, options, folder)[1]
    held = [state]

    def run() -> None:
        epoch = int(held[0].step) // len(loader)
        held[0] = train.fit(held[0], step, loader, epochs=epoch + 1, progress=False)
        jax.block_until_ready(held[0].params)

    return _timed(run)


def theirs(name: str, options: dict[str, Any], folder: pathlib.Path | None) -> Prepared:
    """The same in torch."""
    batches, step = torch_parts(_recipe(name, options), CIFAR10_IMAGES if folder is None else folder)

    def run() -> None:
        for each in batches:
            step(each)

    return _timed(run)


def _timed(run: Callable[[], None]) -> Prepared:
    start = time.perf_counter()
    run()
    return run, None, time.perf_counter() - start


def cifar10(rounds: int = 5) -> None:
    """The recipe `cifar10`, drawn images in memory."""
    shared = {"name": "cifar10", "options": CIFAR10, "folder": None}
    _against_torch(f"cifar10, {CIFAR10_IMAGES} images", shared, rounds)


def photos(rounds: int = 5) -> None:
    """The recipe `imagenet_resnet50` on photos, with MobileNetV2, whose steps leave the least time for decoding."""
    with tempfile.TemporaryDirectory() as folder:
        shared = {"name": "imagenet_resnet50", "options": PHOTOS, "folder": photo_folder(pathlib.Path(folder))}
        _against_torch("imagenet_resnet50 with mobilenet_v2, 112 photos", shared, rounds)


def _against_torch(title: str, shared: dict[str, Any], rounds: int) -> None:
    compare(title, [
        Contender("funcvision", __name__, "ours", shared), Contender("torch", __name__, "theirs", shared),
    ], rounds=rounds)


# The step of flax's example


def step_here(size: int) -> Prepared:
    """ResNet-50 by `make_step`, with the optimiser of flax's example."""
    import jax
    import optax

    from funcvision import train
    from funcvision.vision import models

    images, labels = batch("resnet50", size)
    model, (params, buffers) = models.resnet50(), _weights()
    optimizer = optax.chain(
        train.weight_decay(model, 1e-4, norm=0.0, bias=0.0), optax.sgd(RATE, MOMENTUM, nesterov=True)
    )
    state = train.create(model, optimizer, key=jax.random.key(0), params=params, state=buffers)
    step, held = train.make_step(model, train.losses.cross_entropy(), optimizer), [state]

    def run() -> float:
        held[0], metrics = step(held[0], (images, labels))
        jax.block_until_ready(held[0].params)
        return float(metrics["loss"])

    return prepared(run, 2)


def step_of_flax(size: int) -> Prepared:
    """The same step as flax's example writes it: the loss with a penalty, accuracy, and Nesterov's momentum."""
    import jax
    import jax.numpy as jnp
    import optax

    from ._flax_resnet import ResNet50, from_flat

    images, labels = jax.tree.map(jnp.asarray, batch("resnet50", size))
    optimizer = optax.sgd(RATE, MOMENTUM, nesterov=True)

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params: Any, stats: Any, moments: Any, images: Any, labels: Any) -> Any:
        def objective(params: Any) -> Any:
            variables = {"params": params, "batch_stats": stats}
            logits, new = ResNet50().apply(variables, images, train=True, mutable=["batch_stats"])
            loss = optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, 1000)).mean()
            penalty = sum(jnp.square(p).sum() for p in jax.tree.leaves(params) if p.ndim > 1)
            accuracy = (logits.argmax(-1) == labels).mean()
            return loss + 0.5e-4 * penalty, (new["batch_stats"], loss, accuracy)

        gradients, (stats_after, loss, accuracy) = jax.grad(objective, has_aux=True)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), stats_after, moments, loss, accuracy

    params, stats = from_flat(*_weights())
    held = [params, stats, optimizer.init(params)]

    def run() -> float:
        *held[:], loss, _ = step(*held, images, labels)
        jax.block_until_ready(held)
        return float(loss)

    return prepared(run, 2)


def _weights() -> Any:
    """torch's initial weights of a ResNet-50."""
    from funcvision.vision import convert, models

    tensors = {name: tensor.numpy() for name, tensor in torch_model("resnet50").state_dict().items()}
    return convert.from_torch(models.resnet50(), tensors)


def flax(rounds: int = 5, size: int = 8) -> None:
    """A training step of ResNet-50."""
    compare(f"ResNet-50, batch {size}, 224x224, step of a training program", [
        Contender("make_step", __name__, "step_here", {"size": size}),
        Contender("flax's example", __name__, "step_of_flax", {"size": size}),
    ], rounds=rounds, rtol=2e-3)


PARTS = {"overhead": overhead, "data": data, "cifar10": cifar10, "photos": photos, "flax": flax}


def main(chosen: Sequence[str] = tuple(PARTS)) -> None:
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        sys.exit(f"train_loop: no part is named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in chosen:
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:] or tuple(PARTS))
