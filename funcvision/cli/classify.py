"""Prints the most likely classes of an image with their probabilities.

The image is resized, cropped and normalised as published for the weights.
"""

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "say what is on an image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision classify`."""
    parser.add_argument("image", metavar="IMAGE", help="an image file that Pillow reads")
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="a torch checkpoint, a .safetensors file, or the name of published weights (default: DEFAULT)",
    )
    parser.add_argument("--model", metavar="NAME", help="the architecture (default: recognised by the tensors)")
    parser.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line (default: ImageNet's)")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many classes to print (default: 5)")
    parser.add_argument(
        "--resize", type=int, metavar="PIXELS", help="length of the shorter side after resizing (default: as published)"
    )
    parser.add_argument(
        "--crop", type=int, metavar="PIXELS", help="side of the square that is cropped (default: as published)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Classifies one image and prints the most likely classes."""
    from PIL import Image

    from .. import enable_compilation_cache
    from ..vision import models, transforms

    enable_compilation_cache()
    model, params, state = models.load(arguments.model, arguments.weights)
    prepare = transforms.presets.ImageClassification(**_preparation(arguments))
    classes = None
    if arguments.classes:
        with open(arguments.classes, encoding="utf-8") as file:
            classes = file.read().splitlines()
    with Image.open(arguments.image) as image:
        prepared = prepare(image.convert("RGB"))
    for name, probability in models.classify(model, params, state, prepared, top=arguments.top, classes=classes):
        print(f"{probability:7.2%}  {name}")


def _preparation(arguments: argparse.Namespace) -> "dict[str, Any]":
    """How images are prepared: as the command says, then as published weights want it, then as most do."""
    from ..vision import models

    entry = models.find_weights(arguments.model, arguments.weights) if arguments.model else None
    options = entry.preparation if entry else {"crop_size": 224, "resize_size": 256}
    asked = {"crop_size": arguments.crop, "resize_size": arguments.resize}
    return options | {name: value for name, value in asked.items() if value is not None}
