"""A run from its options to its results: what `funcvision train RECIPE` does."""

import functools
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from ..data import DataLoader
from ..vision import models
from . import outputs
from ._position import Position
from .building import trained
from .checkpoints import Checkpoints
from .data_spec import Data, SkipUnreadable, in_memory, open_data
from .evaluation import DEFAULT as LOSS_AND_ACCURACY
from .evaluation import accuracy, evaluate
from .log import JSONLines, Log, TensorBoard
from .loop import fit
from .options import OptionError
from .placement import with_automatic_axes
from .preparation import Preparation, evaluation_loader, prepared_for, train_loader
from .recipe import Recipe
from .state import TrainState, create
from .step import make_step

__all__ = ["evaluate_file", "evaluate_run", "open_for", "run"]


def open_for(recipe: Recipe, spec: str | None = None) -> Data:
    """The data set of a run, in memory if the options say so.

    Args:
        recipe: the options.
        spec: another data set than that of the options.
    """
    data = open_data(spec or recipe.data, download=recipe.download, seed=recipe.seed)
    if recipe.in_memory:
        return in_memory(
            data, resize=recipe.val_resize_size, crop=recipe.val_crop_size, interpolation=recipe.interpolation,
            workers=max(1, recipe.workers), skip_unreadable=recipe.on_unreadable == "skip",
        )
    return data


def run(name: str, recipe: Recipe, *, progress: bool = True) -> dict[str, Any]:
    """Trains, and writes the results into the folder `recipe.out`.

    Args:
        name: of the recipe, or the path of its file. `evaluate_run` finds a recipe again by this.
        recipe: the options.
        progress: show the progress on stderr.

    Returns:
        What was reached: "finished", "step", and the figures of the test set. A run that SIGTERM ended is not finished.

    Raises:
        OptionError: options contradict each other, the data set or the number of devices.
        FloatingPointError: a loss or a gradient is not finite; the message names the step.
    """
    out, started = pathlib.Path(recipe.out), time.perf_counter()
    _check_folder(recipe, out)
    mesh, processes = _mesh(recipe), jax.process_count()
    data = open_for(recipe)
    preparation = prepared_for(recipe, data)
    loader = train_loader(recipe, data, processes=processes)
    model = recipe.build_model(len(data.classes), preparation.channels)
    schedule, average = recipe.build_rate(len(loader)), recipe.build_average(len(loader))
    optimizer = recipe.build_optimizer(model, schedule, len(data.classes), preparation.channels)
    weights_key, run_key = jax.random.split(jax.random.key(recipe.seed))
    params, buffers = recipe.initial_arrays(model, data, preparation, weights_key)
    state = create(
        model, optimizer, key=run_key, ema=average, mesh=mesh, params=params, state=buffers,
        shard=None if mesh is None or recipe.shard == "none" else recipe.shard,
    )
    precision = "bfloat16" if recipe.amp else "float32"
    step = make_step(
        trained(recipe, model), recipe.build_loss(), optimizer, augment=recipe.build_augment(data, preparation),
        ema=average, accumulate=recipe.accumulate, precision=precision, clip=recipe.clip_grad_norm,
        sync_bn=recipe.sync_bn,
    )
    test_loader = evaluation_loader(
        data, preparation, max(1, recipe.batch_size // processes), workers=recipe.workers, kind=recipe.worker_kind,
        skip_unreadable=recipe.on_unreadable == "skip",
    )
    judge = _judge(model, test_loader, preparation, _metrics(len(data.classes)), precision)
    if recipe.test_only or recipe.resume != "auto":
        state = _restored(recipe.resume, out, state)
    if recipe.test_only:
        return {"finished": True, "step": int(state.step), **judge(state)}
    write = functools.partial(outputs.write_result, out, name, recipe, data.classes, preparation)
    _say(f"{type(model).__name__}: {sum(x.size for x in state.params.values()):,} parameters, {len(data.train):,} "
         f"training and {len(data.test):,} test images of {len(data.classes)} classes, {len(jax.devices())} device(s), "
         f"{recipe.epochs} epochs of {len(loader)} steps -> {out}")
    with Checkpoints(out / "checkpoints") as checkpoints:
        if recipe.resume == "auto" and checkpoints.latest is not None:  # or refuse, before the results are replaced
            Position(loader).load_state_dict(checkpoints.position(state))
        write(finished=False, steps_per_epoch=len(loader))
        logs: list[Log] = [JSONLines(out / "metrics.jsonl")]
        logs += [TensorBoard(out)] if recipe.tensorboard else []
        try:
            state = fit(
                state, step, loader, epochs=recipe.epochs, evaluate=judge, checkpoints=checkpoints, logs=logs,
                resume=recipe.resume == "auto", save_every=recipe.save_every or None, on_nan=recipe.on_nan,
                progress=progress,
            )
        finally:
            for log in logs:
                log.close()
        best = checkpoints.best
    figures: dict[str, Any] = {"finished": int(state.step) >= recipe.epochs * len(loader), "step": int(state.step)}
    if recipe.on_unreadable == "skip":
        figures |= _unreadable(data, loader, test_loader)
    if figures["finished"]:
        outputs.save_weights(out, model, state)
        figures |= _last_evaluation(out) | {"best_step": best, "seconds": round(time.perf_counter() - started, 1)}
        soft_labels = bool(recipe.label_smoothing or recipe.mixup_alpha or recipe.cutmix_alpha)
        outputs.draw_curves(out, schedule, soft_labels=soft_labels)
    write(steps_per_epoch=len(loader), **figures)
    return figures


def evaluate_run(
    path: str, spec: str | None = None, *, ema: bool = False, batch_size: int | None = None,
    recipe: str | type[Recipe] | None = None,
) -> dict[str, float]:
    """Loss and accuracy of the model of a run on the test part of a data set.

    Args:
        path: the folder of the run, or a file or checkpoint in it; see `outputs.find_run`.
        spec: the data set; by default that of the run.
        ema: evaluate the average of the model.
        batch_size: images of a batch.
        recipe: the class of the recipe or the path of its file, if the run does not say where it is.

    Raises:
        ValueError: the data set has other classes than the run, or the recipe is not found.
    """
    found = outputs.load_run(path, ema=ema, recipe=recipe)
    data = open_for(found.recipe, spec)
    _check_classes(path, found.classes, data.classes)
    size = batch_size or found.recipe.batch_size
    loader = evaluation_loader(
        data, found.preparation, size, workers=found.recipe.workers, kind=found.recipe.worker_kind,
        skip_unreadable=found.recipe.on_unreadable == "skip",
    )
    precision = "bfloat16" if found.recipe.amp else "float32"
    return evaluate(
        found.model, _state_of(found), loader, _metrics(len(data.classes)), prepare=found.preparation.normalize().batch,
        precision=precision,
    )


def evaluate_file(checkpoint: str, spec: str, *, entry: str | None = None, batch_size: int = 64) -> dict[str, float]:
    """Loss and accuracy of a classifier on the test part of a data set, with its published preparation.

    Args:
        checkpoint: a file of weights, or `NAME:WEIGHTS` for published ones.
        spec: the data set.
        entry: the entry of the file that holds the weights.
        batch_size: images of a batch.

    Raises:
        ValueError: the weights cannot be loaded, or the data set has another number of classes.
    """
    name, colon, weights = checkpoint.partition(":")
    published = bool(colon) and not os.path.exists(checkpoint)
    predictor = models.Predictor.load(
        name if published else None, weights if published else checkpoint, entry=entry, dtype="float32"
    )
    data, prepare = open_data(spec), _Prepared(predictor.preset)
    first, _ = prepare(data.test[0], key=None)
    scores = jax.eval_shape(predictor.model.apply, predictor.params, predictor.state, first[None])[0]
    if len(data.classes) != scores.shape[-1]:
        raise ValueError(f"{checkpoint} has {scores.shape[-1]} classes, and the data set has {len(data.classes)}")
    loader = DataLoader(data.test, batch_size, transform=prepare)
    return evaluate(predictor.model, _state_of(predictor), loader, _metrics(len(data.classes)))


def _check_classes(path: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """Raises ValueError if a run and a data set number their classes differently; says so if the names differ."""
    if len(ours) != len(theirs):
        raise ValueError(f"{path} has {len(ours)} classes, and the data set has {len(theirs)}")
    if ours != theirs and sorted(ours) == sorted(theirs):
        raise ValueError(f"{path} has the classes of the data set in another order")
    if others := [f"{one!r} for {other!r}" for one, other in zip(theirs, ours, strict=True) if one != other]:
        _say(f"{len(others)} classes have other names in the data set than in the run, such as {others[0]}; they are "
             f"taken to be the same")


def _state_of(model: Any) -> TrainState:
    """A state for `evaluate` with the arrays of a run or a predictor."""
    return TrainState(model.params, model.state, (), None, jax.numpy.zeros((), int), jax.random.key(0))


class _Prepared:
    """(image, label) with the image prepared by a preset."""

    def __init__(self, preset: Any):
        self.preset = preset

    def __call__(self, sample: Any, *, key: Any) -> Any:
        image, label = sample
        return self.preset(image), label


def _metrics(classes: int) -> dict[str, Any]:
    """The figures of an evaluation; with many classes also the share of labels among the five highest scores."""
    return LOSS_AND_ACCURACY | ({"accuracy_top5": accuracy(5)} if classes > 20 else {})


def _judge(
    model: Any, loader: DataLoader, preparation: Preparation, metrics: dict[str, Any], precision: str
) -> Callable[[TrainState], Mapping[str, float]]:
    """What evaluates a state on the test set."""
    prepare = preparation.normalize().batch

    def judge(state: TrainState) -> Mapping[str, float]:
        return evaluate(
            model, state, loader, metrics, prepare=prepare, ema=state.ema is not None, precision=precision
        )

    return judge


def _unreadable(data: Data, *loaders: DataLoader) -> dict[str, int]:
    """How many images could not be read, if they are skipped; also says so."""
    parts = [loader.dataset for loader in loaders]
    count = data.unreadable + sum(len(part.skipped) for part in parts if isinstance(part, SkipUnreadable))
    if count:
        _say(f"{count} image(s) could not be read, and others were taken in their place")
    return {"unreadable_images": count}


def _mesh(recipe: Recipe) -> Any:
    """The devices of the run as a mesh; None for one device."""
    count = len(jax.devices())
    if count == 1:  # there is nothing to split
        return None
    if recipe.batch_size % (count * recipe.accumulate):
        parts = f" and accumulate={recipe.accumulate} parts" * (recipe.accumulate > 1)
        raise OptionError(f"batch-size={recipe.batch_size} must divide evenly over {count} devices{parts}")
    return with_automatic_axes(jax.make_mesh((count,), ("data",)))


def _check_folder(recipe: Recipe, out: pathlib.Path) -> None:
    """Refuses to begin anew in the folder of another run."""
    kept = (out / "checkpoints").is_dir() and any((out / "checkpoints").iterdir())
    if recipe.resume != "auto" and kept and not recipe.test_only:
        raise OptionError(f"{out} holds the checkpoints of a run: choose another folder with out=, or continue the run "
                          f"with resume=auto")
    if recipe.resume not in ("auto", "none"):
        outputs.checkpoints_of(recipe.resume)


def _restored(resume: str, out: pathlib.Path, state: TrainState) -> TrainState:
    """The state of the checkpoint that the option `resume` names; the given state if there is none."""
    if resume == "none" or (resume == "auto" and not (out / "checkpoints").is_dir()):
        return state
    folder, number = outputs.checkpoints_of(str(out) if resume == "auto" else resume)
    with Checkpoints(folder, read_only=True) as saved:
        if resume == "auto" and saved.latest is None:
            return state
        return saved.restore(state, step=number)[0]


def _last_evaluation(out: pathlib.Path) -> dict[str, float]:
    """The figures of the last evaluation in the log."""
    if jax.process_index():
        return {}
    with (out / "metrics.jsonl").open(encoding="utf-8") as file:
        rows = [row for line in file if "images_per_second" in (row := json.loads(line))]
    kept = ("val_loss", "val_accuracy", "val_accuracy_top5", "images_per_second", "data_wait", "skipped")
    return {name: rows[-1][name] for name in kept if name in rows[-1]} if rows else {}


def _say(text: str) -> None:
    if jax.process_index() == 0:
        print(text, file=sys.stderr)

