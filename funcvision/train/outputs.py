"""What a run leaves in its folder: `result.json`, weights, curves. And how these are found and loaded again."""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import platform
import sys
from typing import Any

import jax
import jaxlib.version
import numpy as np
import optax
import PIL

from .. import nn
from ..vision import convert
from .checkpoints import Checkpoints
from .options import OptionError, as_dict, from_dict
from .preparation import Preparation
from .recipe import Recipe, find_recipe, list_recipes
from .state import TrainState, create

__all__ = [
    "Run", "checkpoints_of", "draw_curves", "find_run", "load_run", "save_weights", "versions", "whole", "write_result"
]

RESULT, WEIGHTS, AVERAGE, CURVES = "result.json", "model.safetensors", "model_ema.safetensors", "curves.png"


@dataclasses.dataclass(frozen=True)
class Run:
    """The model of a run, and what belongs to it.

    Attributes:
        recipe: the options.
        model: the description.
        params: its parameters.
        state: its other arrays.
        classes: the names of the classes.
        preparation: of images.
        source: the file or folder that the arrays are from.
    """

    recipe: Recipe
    model: nn.Module
    params: dict[str, jax.Array]
    state: dict[str, jax.Array]
    classes: tuple[str, ...]
    preparation: Preparation
    source: pathlib.Path


def versions() -> dict[str, str]:
    """The versions of what computes; that of funcvision only if it is installed."""
    from importlib import metadata

    found = {
        "jax": jax.__version__, "jaxlib": jaxlib.version.__version__, "optax": optax.__version__,
        "numpy": np.__version__, "pillow": PIL.__version__, "python": platform.python_version(),
    }
    with contextlib.suppress(metadata.PackageNotFoundError):
        found["funcvision"] = metadata.version("funcvision")
    return found


def write_result(
    out: pathlib.Path, name: str, recipe: Recipe, classes: tuple[str, ...], preparation: Preparation, **figures: Any
) -> None:
    """Writes `result.json`: everything that reproduces the run and loads its model. Only the first process writes.

    Args:
        out: the folder of the run.
        name: of the recipe, or the path of its file.
        recipe: the options.
        classes: the names of the classes.
        preparation: of images.
        **figures: what was reached.
    """
    if jax.process_index():
        return
    result = {
        **_name_and_file(name, recipe), **figures, "options": as_dict(recipe), "classes": list(classes),
        "preparation": dataclasses.asdict(preparation), "versions": versions(),
        "devices": [f"{len(jax.devices())} x {jax.devices()[0].device_kind}"], "processes": jax.process_count(),
    }
    out.mkdir(parents=True, exist_ok=True)
    other = out / (RESULT + ".tmp")
    other.write_text(json.dumps(_finite(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    other.replace(out / RESULT)


def _name_and_file(name: str, recipe: Recipe) -> dict[str, str | None]:
    """How the class of a recipe is found again: by name, by file, or, if both are None, not at all."""
    if name.endswith(".py"):
        path = pathlib.Path(name).resolve()
        return {"recipe": path.stem, "recipe_file": str(path)}
    named = name in list_recipes() and type(recipe) is find_recipe(name)
    return {"recipe": name if named else None, "recipe_file": None}


def _kind_of_recipe(out: pathlib.Path, result: dict[str, Any]) -> type[Recipe]:
    """The class of the recipe of a run, if it is one of this library.

    A recipe in a file is a program, and `result.json` may come from someone else: only the user names such a file.

    Raises:
        OptionError: the recipe is not one of this library.
    """
    file, name = result.get("recipe_file"), result["recipe"]
    if file is not None:
        raise OptionError(f"{out} was trained by the recipe {file}, a program that runs only if you name it: give "
                          f"--recipe FILE")
    if name not in list_recipes():
        raise OptionError(f"{out} was trained by a class that is in no file: give the recipe, --recipe FILE")
    return find_recipe(name)


def _finite(value: Any) -> Any:
    """The same value with None in place of numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def whole(arrays: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Arrays that are split over devices, with a copy of each on every device."""
    sharding = next(iter(arrays.values())).sharding if arrays else None
    if not isinstance(sharding, jax.sharding.NamedSharding):
        return arrays
    place = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec())
    return jax.jit(lambda arrays: arrays, out_shardings=place)(arrays)


def save_weights(out: pathlib.Path, model: nn.Module, state: TrainState) -> None:
    """Writes `model.safetensors`, and `model_ema.safetensors` if there is an average, with torch's names."""
    chosen = {WEIGHTS: state} | ({AVERAGE: state.averaged()} if state.ema is not None else {})
    for name, one in chosen.items():
        params, buffers = whole(one.params), whole(one.state)  # all processes take part in this
        if jax.process_index() == 0:
            host = ({key: np.asarray(value) for key, value in arrays.items()} for arrays in (params, buffers))
            convert.save(out / name, model, *host, overwrite=True)


def draw_curves(
    out: pathlib.Path, rate: optax.Schedule, *, soft_labels: bool = False
) -> pathlib.Path | None:
    """Draws loss, accuracy and learning rate of a run into `curves.png`; only the first process does.

    It needs matplotlib.

    Args:
        out: the folder of the run, with its `metrics.jsonl`.
        rate: the learning rate by step.
        soft_labels: whether the labels of the training images are smoothed or mixed, so that their loss is higher.

    Returns:
        The path of the picture; None without matplotlib, which a sentence on stderr says, or without any step.
    """
    if jax.process_index():
        return None
    try:
        from matplotlib import ticker
        from matplotlib.figure import Figure
    except ImportError:
        print(f'no {CURVES}: drawing needs matplotlib, pip install "funcvision[examples]"', file=sys.stderr)
        return None
    with (out / "metrics.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    steps = [row for row in rows if "loss" in row]
    epochs = [row for row in rows if "val_accuracy" in row]
    if not steps:
        return None
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    numbers = np.array([row["step"] for row in steps])
    losses = [row["loss"] for row in steps if row["loss"]]  # neither None nor 0
    _curve(left, numbers, steps, "loss", "navy", "training, soft labels" if soft_labels else "training")
    left.plot([r["step"] for r in epochs], [r["val_loss"] for r in epochs], ".-", color="darkgreen", label="test")
    left.set(xlabel="step", ylabel="loss")
    if losses and min(losses) > 0 and max(losses) > 4 * min(losses):
        left.set(yscale="log")
        left.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))  # 0.1, 0.2, 0.5, 1, and not powers of ten only
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter(ticker.NullFormatter())
    if "accuracy" in steps[0]:
        _curve(middle, numbers, steps, "accuracy", "navy", "training, augmented")
    middle.plot([r["step"] for r in epochs], [r["val_accuracy"] for r in epochs], ".-", color="darkgreen", label="test")
    last = f"{epochs[-1]['val_accuracy']:.2%} of the test images at the end" if epochs else ""
    middle.set(xlabel="step", ylabel="accuracy", title=last, ylim=(None, 1.02))
    right.plot(numbers, np.asarray(jax.vmap(rate)(numbers - 1)), color="navy")
    right.set(xlabel="step", ylabel="learning rate")
    for axes in (left, middle):
        axes.legend()
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(out / CURVES, dpi=110)
    return out / CURVES


def _curve(axes: Any, numbers: np.ndarray, rows: list[dict[str, Any]], name: str, color: str, label: str) -> None:
    """A figure of each step, pale, and its moving mean."""
    values = np.array([np.nan if row.get(name) is None else row[name] for row in rows], float)
    width = max(1, min(50, len(values) // 10))
    axes.plot(numbers, values, color=color, alpha=0.2, linewidth=0.6)
    mean = np.convolve(values, np.ones(width) / width, mode="valid")
    axes.plot(numbers[width // 2 :][: len(mean)], mean, color=color, label=label)


def find_run(path: str | os.PathLike[str]) -> tuple[pathlib.Path, str] | None:
    """The folder of a run and the part of it that a path names; None if the path is of no run.

    Args:
        path: the folder of a run; or in it `model.safetensors`, `model_ema.safetensors`, `result.json`, `checkpoints`
            or `checkpoints/STEP`.
    """
    given = pathlib.Path(path)
    if (given / RESULT).is_file():
        return given, ""
    if given.name in (WEIGHTS, AVERAGE, RESULT, "checkpoints") and (given.parent / RESULT).is_file():
        return given.parent, "" if given.name == RESULT else given.name
    if given.name.isdigit() and given.parent.name == "checkpoints" and (given.parent.parent / RESULT).is_file():
        return given.parent.parent, given.name
    return None


def load_run(
    path: str | os.PathLike[str], *, ema: bool = False, recipe: str | type[Recipe] | None = None
) -> Run:
    """The model of a run.

    Args:
        path: as for `find_run`. For the folder it is the model at the end, or that of the newest checkpoint if the run
            has not ended.
        ema: load the average of the model.
        recipe: the class of the recipe, or the path of its file, which is executed. It is needed if the recipe is not
            one of this library.

    Raises:
        ValueError: the path is of no run, or the run has no average, or its recipe must be given.
        FileNotFoundError: the run has neither weights nor a checkpoint yet.
    """
    found = find_run(path)
    if found is None:
        raise ValueError(f"{os.fspath(path)} is no run: there is no {RESULT}")
    out, part = found
    try:
        options, preparation, classes, steps_per_epoch = _read_result(out, recipe)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{out / RESULT} is damaged ({type(error).__name__}: {error})") from error
    model = options.build_model(len(classes), preparation.channels)
    if part == "" and (out / WEIGHTS).is_file():
        part = WEIGHTS
    if part == WEIGHTS and ema:
        part = AVERAGE
    if part in (WEIGHTS, AVERAGE):
        if not (out / part).is_file():
            raise ValueError(f"{out} has no {part}: train with model-ema=true")
        params, state = convert.from_torch(model, convert.read(out / part))
        return Run(options, model, params, state, classes, preparation, out / part)
    average, schedule = options.build_average(steps_per_epoch), options.build_rate(steps_per_epoch)
    optimizer = options.build_optimizer(model, schedule, len(classes), preparation.channels)
    like = create(model, optimizer, key=jax.random.key(0), ema=average)
    with Checkpoints(out / "checkpoints", read_only=True) as checkpoints:  # the run may still be saving into it
        restored, _ = checkpoints.restore(like, step=int(part) if part.isdigit() else None)
    if ema:
        restored = restored.averaged()
    source = out / "checkpoints" / str(int(restored.step))
    return Run(options, model, restored.params, restored.state, classes, preparation, source)


def _read_result(
    out: pathlib.Path, recipe: str | type[Recipe] | None
) -> tuple[Recipe, Preparation, tuple[str, ...], int]:
    """Options, preparation, names of the classes and steps of an epoch, as `result.json` says."""
    result = json.loads((out / RESULT).read_text(encoding="utf-8"))
    if recipe is None:
        kind = _kind_of_recipe(out, result)
    else:
        kind = find_recipe(recipe) if isinstance(recipe, str) else recipe
    saved: dict[str, Any] = result["preparation"]
    fields: dict[str, Any] = saved | {name: tuple(saved[name]) for name in ("mean", "std")}
    options, classes = from_dict(kind, result["options"]), tuple(result["classes"])
    return options, Preparation(**fields), classes, result["steps_per_epoch"]


def checkpoints_of(path: str) -> tuple[pathlib.Path, int | None]:
    """The folder of checkpoints that a path names, and the step if it names one.

    Raises:
        OptionError: there is none.
    """
    given = pathlib.Path(path)
    if given.name.isdigit() and given.parent.is_dir():
        return given.parent, int(given.name)
    for folder in (given / "checkpoints", given):
        if folder.is_dir():
            return folder, None
    raise OptionError(f"resume={path!r} is no folder of a run, and neither auto nor none")
