"""The files that several subcommands read: images, the names of classes, runs of training, exported models."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from PIL import Image

__all__ = ["is_run", "load_exported", "load_run", "open_image", "read_names"]


def open_image(path: str, any_size: bool) -> "Image.Image":
    """The image in a file, turned as its EXIF orientation says.

    Args:
        path: of the file.
        any_size: whether the image may have more pixels than Pillow's limit. Otherwise Pillow's warning about many
            pixels becomes a sentence on stderr.
    """
    import warnings

    from PIL import Image

    from ..vision import io

    limit = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = None if any_size else limit
            image = io.open_image(path, exif=True)
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


def read_names(path: str) -> list[str]:
    """The lines of a text file in UTF-8, with or without a byte order mark."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error


def is_run(path: str) -> bool:
    """Whether a path is of a run of `funcvision train`. Only if it may be, `funcvision.train` is imported.

    Raises:
        ValueError: it is a folder of something else, which no command takes.
    """
    if not os.path.exists(path) or path.endswith((".pth", ".pt")):
        return False
    from ..train.outputs import find_run

    found = find_run(path) is not None
    if not found and os.path.isdir(path):
        raise ValueError(f"{path} is a folder without result.json, so it is no run of `funcvision train`")
    return found


def load_run(arguments: "argparse.Namespace", path: str) -> "Any":
    """The model of a run of `funcvision train`.

    Args:
        arguments: of the subcommand, with `entry` and `recipe`.
        path: of the run.

    Raises:
        ValueError: the run cannot be loaded, or `entry` is of no run.
    """
    from ..train import outputs

    if arguments.entry not in (None, "model_ema"):
        raise ValueError(f"a run has the entry model_ema only; got --entry {arguments.entry}")
    return outputs.load_run(path, ema=arguments.entry == "model_ema", recipe=arguments.recipe)


def load_exported(arguments: "argparse.Namespace", task: str, *, leave_out: "Sequence[str]") -> "Any":
    """The predictor of the file of `funcvision export` that --weights names.

    Args:
        arguments: of the subcommand, with `weights` and `classes`.
        task: for which the model must be.
        leave_out: options of the subcommand that the file decides on.

    Raises:
        ValueError: the model is for another task, or one of these options is given.
    """
    from .. import export

    if any(getattr(arguments, name) for name in leave_out):
        names = ", ".join(f"--{name}" for name in leave_out)
        raise ValueError(f"an exported file has its model and preparation: leave out {names}")
    function = export.load(arguments.weights)
    if function.task != task:
        raise ValueError(f"{arguments.weights} has task {function.task}, and this command is for {task}")
    return export.predictor(function, categories=read_names(arguments.classes) if arguments.classes else None)
