"""Writes a classifier to a file that runs without the code of the model, by `funcvision.export.load`.

The file takes prepared images and returns logits. With --with-preparation it takes uint8 images of one size and returns
probabilities.
"""

import argparse
import os

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "write a model to a file that runs without its code"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision export`."""
    parser.add_argument("model", metavar="NAME|CHECKPOINT", help="the name of a classifier, or a file of weights")
    parser.add_argument("--out", metavar="FILE", required=True, help="the file to write, as resnet50.fv")
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="of a model that is given by its name: published weights, or a file of weights (default: DEFAULT)",
    )
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument(
        "--image-size", metavar="SIZE",
        help="height and width in pixels, as 224 or 224x320; several, as 224,320; or symbolic (default: as published)",
    )
    parser.add_argument(
        "--with-preparation", metavar="HxW", help="take uint8 images of this size, and prepare them in the program"
    )
    parser.add_argument(
        "--batch", metavar="SIZES", default="1,symbolic",
        help="numbers of images with a program for each; symbolic is for all others (default: 1,symbolic)",
    )
    parser.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line (default: ImageNet's)")
    parser.add_argument("--dtype", default="float32", help="of images and parameters (default: float32)")
    parser.add_argument(
        "--platforms", metavar="NAMES", default="cpu,cuda,tpu", help="where it shall run (default: cpu,cuda,tpu)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Exports one model and prints what the file holds."""
    from .. import export
    from ..vision.models._zoo.prepared import load_prepared
    from ._inputs import read_names

    is_file = os.path.exists(arguments.model)
    if is_file and arguments.weights != "DEFAULT":
        raise ValueError("give the name of a model together with --weights, or a file of weights alone")
    found = load_prepared(
        None if is_file else arguments.model, arguments.model if is_file else arguments.weights, "classification",
        who="funcvision export", entry=arguments.entry, dtype=arguments.dtype,
        categories=read_names(arguments.classes) if arguments.classes else None,
    )
    size = {}
    if arguments.with_preparation:
        if arguments.image_size:
            raise ValueError("the preparation in the program decides on the image size: leave out --image-size")
        size["prepare_from"] = _size(arguments.with_preparation)
    else:
        size["image_size"] = _sizes(arguments.image_size, found.preset.options["crop_size"])
    export.save(
        arguments.out, found.model, found.params, found.state, **size, preset=found.preset,
        batch=[one if one == "symbolic" else int(one) for one in arguments.batch.split(",")],
        categories=found.categories, platforms=arguments.platforms.split(","), dtype=arguments.dtype,
        name=found.name, license=found.weights.license if found.weights else None, overwrite=arguments.force,
    )
    arrays = sum(array.nbytes for array in (*found.params.values(), *found.state.values()))
    total = os.path.getsize(arguments.out)
    print(
        f"{found.name}: {arrays / 2**20:.1f} MiB of arrays, {(total - arrays) / 2**20:.2f} MiB of programs "
        f"-> {arguments.out}"
    )


def _sizes(text: str | None, default: "Any") -> "Any":
    """What `export.save` takes as `image_size`."""
    if text is None:
        return (default, default) if isinstance(default, int) else tuple(default)
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
