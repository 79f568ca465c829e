"""Prints the most likely classes of an image or a video with their probabilities.

An image is turned as its EXIF orientation says. Images and the frames of videos are resized, cropped and normalised as
published for the weights.
"""

import argparse
import os
import sys

from ._inputs import is_run, load_exported, load_run, open_image, read_names

__all__ = ["HELP", "add_arguments", "run"]

HELP = "say what is on an image or in a video"

_VIDEOS = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
"""The endings of files that are taken for videos. An animated GIF is an image."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision classify`."""
    parser.add_argument("image", metavar="FILE", help="an image file that Pillow reads, or a video file")
    parser.add_argument(
        "--any-size", action="store_true", help="open the image however many pixels it has (default: Pillow's limit)"
    )
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="a run of `funcvision train`, a torch checkpoint, a .safetensors file, an exported .fv file, or the name "
        "of published weights (default: DEFAULT)",
    )
    parser.add_argument("--model", metavar="NAME", help="the architecture (default: recognised by the tensors)")
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument("--recipe", metavar="FILE", help="the file of the recipe of a run, if it is your own")
    parser.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line (default: ImageNet's)")
    parser.add_argument(
        "--clips", type=int, default=1, metavar="N",
        help="how many clips of a video are averaged (default: 1, in its middle)",
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many classes to print (default: 5)")
    parser.add_argument(
        "--resize", type=int, metavar="PIXELS", help="length of the shorter side after resizing (default: as published)"
    )
    parser.add_argument(
        "--crop", type=int, metavar="PIXELS", help="side of the square that is cropped (default: as published)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Classifies one image or video and prints the most likely classes, and on stderr how it was prepared."""
    from .. import enable_compilation_cache
    from ..vision import models

    enable_compilation_cache()
    if is_run(arguments.weights):
        _classify_by_run(arguments)
        return
    if arguments.weights.endswith(".fv"):
        _classify_by_export(arguments)
        return
    video = arguments.image.lower().endswith(_VIDEOS)
    if video:
        os.stat(arguments.image)  # a missing file is an error before weights are loaded, as for an image
    image = arguments.image if video else open_image(arguments.image, arguments.any_size)
    categories = None
    if arguments.classes:
        categories = read_names(arguments.classes)
    asked = {"crop_size": arguments.crop, "resize_size": arguments.resize}
    kind = models.video.Predictor if video else models.Predictor
    predictor = kind.load(
        arguments.model, arguments.weights, entry=arguments.entry, categories=categories,
        dtype="float32",  # the command has no option for the dtype of a file, which may be float64
        preset_options={name: value for name, value in asked.items() if value is not None},
    )
    print(f"prepared {predictor.preparation}", file=sys.stderr)
    options = {"clips": arguments.clips} if video else {}
    for name, probability in predictor(image, top=arguments.top, **options):
        print(f"{probability:7.2%}  {name}")


def _classify_by_run(arguments: argparse.Namespace) -> None:
    """Classifies with a model of `funcvision train`, whose run says how images are prepared."""
    import dataclasses

    from ..vision import models

    if arguments.model is not None:
        raise ValueError(f"{arguments.weights} is a run, which says which model it is: leave out --model")
    found = load_run(arguments, arguments.weights)
    asked = {"crop_size": arguments.crop, "resize_size": arguments.resize}
    asked = {name: value for name, value in asked.items() if value is not None}
    preparation = dataclasses.replace(found.preparation, **asked)
    names = read_names(arguments.classes) if arguments.classes else found.classes
    predictor = models.Predictor(
        found.model, found.params, found.state, preparation.preset(), categories=names,
        image_mode="L" if preparation.channels == 1 else "RGB",
    )
    image = open_image(arguments.image, arguments.any_size)
    print(f"prepared as in {found.source}: {preparation}", file=sys.stderr)
    for name, probability in predictor(image, top=min(arguments.top, len(names))):
        print(f"{probability:7.2%}  {name}")


def _classify_by_export(arguments: argparse.Namespace) -> None:
    """Classifies one image by a file that `funcvision export` wrote."""
    predictor = load_exported(arguments, "classification", leave_out=("model", "entry", "resize", "crop"))
    for name, probability in predictor(open_image(arguments.image, arguments.any_size), top=arguments.top):
        print(f"{probability:7.2%}  {name}")
