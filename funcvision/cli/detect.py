"""Finds objects in images, prints them as JSON, and draws them.

Each object has the name and number of its class, a score, and a box [left, top, right, bottom] in pixels of the image;
where the model has them also key points [x, y, score] and, in the file of --json, its mask. Images are turned as their
EXIF orientation says.
"""

import argparse
import sys

from ._inputs import load_exported, open_image, read_names
from ._outputs import add_model_arguments, add_output_arguments, picture_paths, run_lengths, save_picture, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "find objects in images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision detect`."""
    add_model_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument(
        "--threshold", type=float, default=0.5, metavar="SCORE",
        help="the smallest score of an object, from 0 to 1 (default: 0.5)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints what is found in each image, and writes the pictures and the file."""
    from .. import enable_compilation_cache
    from ..vision import draw
    from ..vision.models import detection

    if not 0 <= arguments.threshold <= 1:
        raise ValueError(f"--threshold {arguments.threshold} is no score: give a number from 0 to 1")
    enable_compilation_cache()
    paths = picture_paths(arguments.images, arguments.out) if arguments.out else None
    images = [open_image(path, arguments.any_size).convert("RGB") for path in arguments.images]
    if arguments.weights.endswith(".fv"):
        predictor: Any = load_exported(arguments, "detection", leave_out=("model", "entry"))
    else:
        predictor = detection.Predictor.load(
            arguments.model, arguments.weights, entry=arguments.entry, dtype="float32",
            categories=read_names(arguments.classes) if arguments.classes else None,
        )
        print(f"{predictor.name}, prepared {predictor.preparation}", file=sys.stderr)
    results = []
    for i, image in enumerate(images):
        found = predictor(image, threshold=arguments.threshold)
        if paths is not None:
            save_picture(draw.draw_detections(image, found, threshold=arguments.threshold), paths[i])
        results.append({
            "image": arguments.images[i], "width": image.width, "height": image.height, "objects": _objects(found)
        })
    write_json(results, arguments.json)


def _objects(found: "dict[str, Any]") -> "list[dict[str, Any]]":
    """The objects of an image as numbers, strings and lists."""
    import numpy as np

    objects = []
    for i, name in enumerate(found["names"]):
        one = {
            "name": name, "class": int(found["labels"][i]), "score": round(float(found["scores"][i]), 4),
            "box": found["boxes"][i].astype(float).round(2).tolist(),
        }
        if "keypoints" in found:
            points = np.concatenate([found["keypoints"][i][:, :2], found["keypoints_scores"][i][:, None]], 1)
            one["keypoints"] = points.astype(float).round(2).tolist()
        if "masks" in found:
            one["mask"] = run_lengths(found["masks"][i, 0] > 0.5)
        objects.append(one)
    return objects
