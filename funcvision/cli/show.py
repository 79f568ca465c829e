"""Writes one picture with an image and several augmentations of it.

The transform is written as in Python: `--transform "Compose([Resize(224), RandomRotation(30)])"`. It may use the names
of `funcvision.vision.transforms`, with literals and other transforms as arguments; nothing else is evaluated.
"""

import argparse
import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..vision.transforms import Transform

__all__ = ["HELP", "add_arguments", "parse_transform", "run"]

HELP = "draw what a transform makes of an image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision show`."""
    parser.add_argument(
        "image", metavar="IMAGE", nargs="?",
        help="an image file that Pillow reads (default: a drawn one with boxes, masks and key points)",
    )
    parser.add_argument(
        "--transform", metavar="EXPRESSION", required=True, help='the transform, as in "RandomRotation(30)"'
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="the picture to write, such as grid.png")
    parser.add_argument("--n", type=int, default=8, metavar="N", help="number of augmentations (default: 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="SEED", help="seed of what is random (default: 0)")
    parser.add_argument(
        "--size", type=int, default=1600, metavar="PIXELS",
        help="longest side of the picture, which is made smaller if it is larger (default: 1600)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Writes the picture, and prints its size."""
    import PIL.Image

    from ..vision import draw
    from ..vision.io import open_image

    transform = parse_transform(arguments.transform)
    if arguments.seed < 0:
        raise ValueError(f"--seed {arguments.seed} is negative: a seed is zero or more")
    if arguments.size < 1:
        raise ValueError(f"--size {arguments.size} is no size: give the longest side of the picture in pixels")
    if arguments.image is None:
        sample, classes = draw.example_sample(), draw.EXAMPLE_CLASSES
    else:
        sample, classes = open_image(arguments.image, exif=True), None
    options: Any = {"key": arguments.seed, "n": arguments.n, "classes": classes, "nrow": 3}
    try:
        pixels = draw.strip(transform, sample, **options)
    except TypeError as error:  # the transform is not for this kind of image, or of sample
        if arguments.image is not None:
            raise ValueError(f"{transform!r} cannot be shown: {error}") from error
        print(f"the image is drawn without its boxes, masks and key points: {error}")
        try:
            pixels = draw.strip(transform, draw.example_sample()["image"], **options)
        except TypeError as refusal:
            raise ValueError(f"{transform!r} cannot be shown: {refusal}") from refusal
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((arguments.size, arguments.size))
    picture.save(arguments.out)
    print(f"{arguments.n} augmentations, {picture.width} x {picture.height} pixels -> {arguments.out}")


def parse_transform(expression: str) -> "Transform":
    """The transform that an expression constructs.

    The expression is read by `ast` and never evaluated: a call of a transform by its name, whose arguments are
    literals, calls of other transforms, or lists and tuples of both.

    Raises:
        ValueError: it is another kind of expression, a name is no transform, or a transform refuses its arguments.

    >>> parse_transform("RandomCrop((24, 32), padding=4)").size
    (24, 32)
    """
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the transform {expression!r} is not Python: {error}") from error
    if not isinstance(node, ast.Call):
        raise ValueError(
            f"{expression!r} calls no transform: write it with its arguments, such as 'RandomRotation(30)' or "
            f"'RandomHorizontalFlip()'"
        )
    return _construct(node)


def _construct(call: ast.Call) -> "Transform":
    """The transform of one call."""
    from ..vision import transforms

    name = ast.unparse(call.func).removeprefix("transforms.")
    kind = getattr(transforms, name) if name in transforms.__all__ else None
    if not isinstance(kind, type) or not issubclass(kind, transforms.Transform) or kind is transforms.Transform:
        raise ValueError(f"{name} is no transform of funcvision.vision.transforms{_similar(name)}")
    options = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError(f"**{ast.unparse(keyword.value)} is not allowed here: write the arguments by name")
        options[keyword.arg] = _value(keyword.value)
    positional = [_value(argument) for argument in call.args]
    try:
        return kind(*positional, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{ast.unparse(call)}: {error}") from error


def _value(node: ast.expr) -> "Any":
    """The value of an argument."""
    if isinstance(node, ast.Call):
        return _construct(node)
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(element) for element in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"{ast.unparse(node)} is not allowed here: an argument is a number, a string, True, False, None, a list, a "
            f"tuple, a dict of these, or a transform"
        ) from error


def _similar(name: str) -> str:
    """A hint at a name that looks like the one given."""
    import difflib

    from ..vision import transforms

    names = difflib.get_close_matches(name, transforms.__all__, 1)
    return f": did you mean {names[0]}?" if names else ""
