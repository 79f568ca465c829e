"""Prints the most likely classes of an image with their probabilities.

The image is turned as its EXIF orientation says, and resized, cropped and normalised as published for the weights.
"""

import argparse
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from PIL import Image

__all__ = ["HELP", "add_arguments", "run"]

HELP = "say what is on an image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision classify`."""
    parser.add_argument("image", metavar="IMAGE", help="an image file that Pillow reads")
    parser.add_argument(
        "--any-size", action="store_true", help="open the image however many pixels it has (default: Pillow's limit)"
    )
    parser.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="a torch checkpoint, a .safetensors file, or the name of published weights (default: DEFAULT)",
    )
    parser.add_argument("--model", metavar="NAME", help="the architecture (default: recognised by the tensors)")
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line (default: ImageNet's)")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many classes to print (default: 5)")
    parser.add_argument(
        "--resize", type=int, metavar="PIXELS", help="length of the shorter side after resizing (default: as published)"
    )
    parser.add_argument(
        "--crop", type=int, metavar="PIXELS", help="side of the square that is cropped (default: as published)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Classifies one image and prints the most likely classes, and on stderr how the image was prepared."""
    from .. import enable_compilation_cache
    from ..vision import models

    enable_compilation_cache()
    image = _open(arguments.image, arguments.any_size)
    categories = None
    if arguments.classes:
        categories = _names(arguments.classes)
    asked = {"crop_size": arguments.crop, "resize_size": arguments.resize}
    predictor = models.Predictor.load(
        arguments.model, arguments.weights, entry=arguments.entry, categories=categories,
        dtype="float32",  # the command has no option for the dtype of a file, which may be float64
        preset_options={name: value for name, value in asked.items() if value is not None},
    )
    print(f"prepared {predictor.preparation}", file=sys.stderr)
    for name, probability in predictor(image, top=arguments.top):
        print(f"{probability:7.2%}  {name}")


def _open(path: str, any_size: bool) -> "Image.Image":
    """The image in a file. Pillow's warning about many pixels becomes a sentence on stderr."""
    import warnings

    from PIL import Image

    from ..vision.io import open_image

    limit = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = None if any_size else limit
            image = open_image(path, exif=True)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    pixels = image.width * image.height
    if limit is not None and pixels > limit and not any_size:
        print(
            f"{path} has {pixels:,} pixels, more than the {limit:,} above which Pillow warns; it is read all the same, "
            f"and above {2 * limit:,} it would not be",
            file=sys.stderr,
        )
    return image


def _names(path: str) -> list[str]:
    """The lines of a text file in UTF-8, with or without a byte order mark."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error
