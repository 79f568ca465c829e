"""Writes a model to a file that runs without the code of the model, by `funcvision.export.load`.

The model is given by its name, by a checkpoint, or by the folder of a run of `funcvision train`. It may be one for
classification, detection or segmentation. The file takes prepared images. With --with-preparation that of a classifier
takes uint8 images of one size and returns probabilities. A file whose name ends in .onnx is an ONNX file, with images
[batch, channels, height, width].
"""

import argparse
import os

from ._inputs import is_run, load_run, read_names

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "write a model to a file that runs without its code"

_DTYPES = ("float32", "bfloat16", "float16", "float64")
_TASKS = ("classification", "detection", "segmentation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision export`."""
    parser.add_argument(
        "model", metavar="NAME|CHECKPOINT|RUN", help="the name of a model, a file of weights, or the folder of a run"
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="the file to write, as resnet50.fv")
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="of a model that is given by its name: published weights, or a file of weights (default: DEFAULT)",
    )
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument("--recipe", metavar="FILE", help="the file of the recipe of a run, if it is your own")
    parser.add_argument(
        "--image-size", metavar="SIZE",
        help="height and width in pixels, as 224 or 224x320; several, as 224,320; or symbolic (default: as published)",
    )
    parser.add_argument(
        "--with-preparation", metavar="HxW", help="take uint8 images of this size, and prepare them in the program"
    )
    parser.add_argument(
        "--batch", metavar="SIZES",
        help="numbers of images with a program for each; symbolic is for all others (default: 1,symbolic; for a "
        "detector or segmenter 1)",
    )
    parser.add_argument(
        "--classes", metavar="FILE", help="the names of the classes, one a line (default: those of the weights)"
    )
    parser.add_argument(
        "--dtype", choices=_DTYPES, default="float32", help="of images and parameters (default: float32)"
    )
    parser.add_argument(
        "--platforms", metavar="NAMES", default="cpu,cuda,tpu", help="where it shall run (default: cpu,cuda,tpu)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Exports one model and prints what the file holds."""
    from .. import export
    from . import _onnx

    found = _run(arguments) if is_run(arguments.model) else _published(arguments)
    task, preset = found["task"], found["preset"]
    if arguments.with_preparation:
        if arguments.image_size:
            raise ValueError("the preparation in the program decides on the image size: leave out --image-size")
        size: Any = {"prepare_from": _size(arguments.with_preparation)}
    elif arguments.image_size:
        size = {"image_size": _sizes(arguments.image_size)}
        if task == "classification" and arguments.image_size != "symbolic":
            preset = _cropping(preset, size["image_size"][0])
    else:
        size = {"image_size": _usual_sizes(task, found["model"], preset)}
    batch = _batches(arguments.batch or ("1,symbolic" if task == "classification" else "1"))
    if arguments.out.endswith(".onnx"):
        return _onnx.save(arguments, found | {"preset": preset}, size, batch)
    params, state = found["params"], found["state"]
    export.save(
        arguments.out, found["model"], params, state, **size, preset=preset, task=task, categories=found["categories"],
        batch=batch, dtype=arguments.dtype, platforms=arguments.platforms.split(","), name=found["name"],
        license=found["license"], in_channels=found["channels"], overwrite=arguments.force,
    )
    arrays = sum(array.nbytes for array in (*params.values(), *state.values()))
    total = os.path.getsize(arguments.out)
    print(
        f"{found['name']}: {arrays / 2**20:.1f} MiB of arrays, {(total - arrays) / 2**20:.2f} MiB of programs "
        f"-> {arguments.out}"
    )


def _published(arguments: argparse.Namespace) -> "dict[str, Any]":
    """A model by its name with its weights, or by a checkpoint."""
    from ..vision.models._zoo.prepared import load_prepared

    is_file = os.path.exists(arguments.model)
    if is_file and arguments.weights != "DEFAULT":
        raise ValueError("give the name of a model together with --weights, or a file of weights alone")
    found = load_prepared(
        None if is_file else arguments.model, arguments.model if is_file else arguments.weights, _TASKS,
        who="funcvision export", entry=arguments.entry, dtype=arguments.dtype,
        categories=read_names(arguments.classes) if arguments.classes else None,
    )
    return {
        "name": found.name, "task": found.task, "model": found.model, "params": found.params,
        "state": found.state, "preset": found.preset, "categories": found.categories, "channels": 3,
        "license": found.weights.license if found.weights else None,
    }


def _run(arguments: argparse.Namespace) -> "dict[str, Any]":
    """The model of a run of `funcvision train`, whose result says how images are prepared."""
    if arguments.weights != "DEFAULT":
        raise ValueError(f"{arguments.model} is a run, which has weights of its own: leave out --weights")
    found = load_run(arguments, arguments.model)
    return {
        "name": found.recipe.model, "task": "classification", "model": found.model, "params": found.params,
        "state": found.state, "preset": found.preparation.preset(), "channels": found.preparation.channels,
        "categories": read_names(arguments.classes) if arguments.classes else found.classes, "license": None,
    }


def _usual_sizes(task: str, model: "Any", preset: "Any") -> "Any":
    """What `export.save` takes as `image_size`, where the user gives none.

    A classifier gets the published size. A detector gets a canvas for wide and one for high images, which hold every
    image as published. A segmenter gets the published length of the shorter side with ratios of 1:1, 4:3 and 3:4.
    """
    if task == "detection":
        if (fixed := model.preparation.fixed_size) is not None:
            return fixed
        shorter = model.preparation.min_size
        shorter = shorter if isinstance(shorter, int) else shorter[-1]
        step = model.preparation.size_divisible
        low, high = (-(-side // step) * step for side in (shorter, model.preparation.max_size))
        return [(low, high), (high, low)]
    if task == "segmentation":
        side = preset.options["resize_size"]
        return [(side, side), (side, side * 4 // 3), (side * 4 // 3, side)] if isinstance(side, int) else tuple(side)
    crop = preset.options["crop_size"]
    return (crop, crop) if isinstance(crop, int) else tuple(crop)


def _cropping(preset: "Any", size: tuple[int, int]) -> "Any":
    """The preset of a classifier for another size, with the published ratio of resizing to cropping."""
    options = dict(preset.options)
    crop, resize = options["crop_size"], options["resize_size"]
    if isinstance(resize, int):
        published = crop if isinstance(crop, int) else min(crop)
        options["resize_size"] = round(resize * min(size) / published)
    else:
        options["resize_size"] = size
    return type(preset)(**options | {"crop_size": size})


def _batches(text: str) -> "list[int | str]":
    """What `export.save` takes as `batch`."""
    found: list[int | str] = [int(one) if one.isdecimal() else one for one in text.split(",")]
    if not all(one == "symbolic" or (isinstance(one, int) and one > 0) for one in found):
        raise ValueError(f"--batch takes numbers of images above 0 and symbolic, such as 1,8,symbolic; got {text!r}")
    return found


def _sizes(text: str) -> "Any":
    """What `export.save` takes as `image_size`."""
    if text == "symbolic":
        return text
    return [_size(one) for one in text.split(",")]


def _size(text: str) -> tuple[int, int]:
    """(height, width) of "224x320", or of "224" for a square."""
    height, _, width = text.partition("x")
    try:
        return int(height), int(width or height)
    except ValueError:
        raise ValueError(f"a size is given as HEIGHTxWIDTH in pixels, such as 224x320; got {text!r}") from None
