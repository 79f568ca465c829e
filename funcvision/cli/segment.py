"""Finds the class of every pixel of images, prints the classes as JSON, and draws them.

Each class that an image has comes with its name and number and the part of the image that it covers; in the file of
--json also with its mask. Images are turned as their EXIF orientation says.
"""

import argparse
import sys

from ._inputs import load_exported, open_image, read_names
from ._outputs import add_model_arguments, add_output_arguments, picture_paths, run_lengths, save_picture, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

__all__ = ["HELP", "add_arguments", "run"]

HELP = "say which pixels of images show what"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision segment`."""
    add_model_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument(
        "--resize", type=int, metavar="PIXELS", help="length of the shorter side after resizing (default: as published)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the classes of each image, and writes the pictures and the file."""
    from .. import enable_compilation_cache
    from ..vision import draw
    from ..vision.models import segmentation

    if arguments.resize is not None and arguments.resize < 1:
        raise ValueError(f"--resize {arguments.resize} is no size: give the shorter side in pixels")
    enable_compilation_cache()
    paths = picture_paths(arguments.images, arguments.out) if arguments.out else None
    images = [open_image(path, arguments.any_size).convert("RGB") for path in arguments.images]
    if arguments.weights.endswith(".fv"):
        predictor: Any = load_exported(arguments, "segmentation", leave_out=("model", "entry", "resize"))
    else:
        predictor = segmentation.Predictor.load(
            arguments.model, arguments.weights, entry=arguments.entry, dtype="float32",
            categories=read_names(arguments.classes) if arguments.classes else None,
            preset_options={} if arguments.resize is None else {"resize_size": arguments.resize},
        )
        print(f"{predictor.name}, prepared {predictor.preparation}", file=sys.stderr)
    results = []
    for i, image in enumerate(images):
        numbers = predictor(image)
        if paths is not None:
            names = [predictor.category(number) for number in range(int(numbers.max()) + 1)]
            save_picture(draw.draw_classes(image, numbers, classes=names), paths[i])
        results.append({
            "image": arguments.images[i], "width": image.width, "height": image.height,
            "classes": _classes(numbers, predictor),
        })
    write_json(results, arguments.json)


def _classes(numbers: "np.ndarray", predictor: "Any") -> "list[dict[str, Any]]":
    """The classes of an image as numbers, strings and lists, the largest first."""
    import numpy as np

    found, counts = np.unique(numbers, return_counts=True)
    return [
        {
            "name": predictor.category(int(number)), "class": int(number), "part": round(int(count) / numbers.size, 4),
            "mask": run_lengths(numbers == number),
        }
        for number, count in sorted(zip(found, counts, strict=True), key=lambda pair: -pair[1])
    ]
