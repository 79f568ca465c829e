"""Prints loss and accuracy of a model on the test part of a data set, as JSON.

CHECKPOINT is what `funcvision train` wrote: its folder, model.safetensors, model_ema.safetensors or checkpoints/STEP;
or any other file of a classifier, or NAME:WEIGHTS for published weights, as resnet50:IMAGENET1K_V2.
"""

import argparse
import json
import os

from ._inputs import is_run

__all__ = ["HELP", "add_arguments", "run"]

HELP = "measure the accuracy of a model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision evaluate`."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a run of `funcvision train`, or a file of weights")
    parser.add_argument(
        "--data", metavar="SPEC",
        help="digits, mnist:ROOT, cifar10:ROOT, imagenet:ROOT, folder:ROOT or NAME:ROOT (default: that of the run)",
    )
    parser.add_argument("--ema", action="store_true", help="evaluate the moving average of the model")
    parser.add_argument("--recipe", metavar="FILE", help="the file of the recipe of a run, if it is your own")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images of a batch (default: as in the run, or 64)")


def run(arguments: argparse.Namespace) -> None:
    """Evaluates and prints the figures."""
    from .. import enable_compilation_cache
    from ..data import LoadError

    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise ValueError(f"--batch-size {arguments.batch_size} must be 1 or more")
    enable_compilation_cache()
    try:
        figures = _figures(arguments)
    except LoadError as error:  # an image cannot be read, or a worker died
        raise ValueError(" ".join(str(error).split())) from error
    print(json.dumps(figures))


def _figures(arguments: argparse.Namespace) -> dict[str, float]:
    """Loss and accuracy of a run or of a file of weights."""
    from ..train.run import evaluate_file, evaluate_run

    checkpoint = arguments.checkpoint
    if is_run(checkpoint):
        return evaluate_run(
            checkpoint, arguments.data, ema=arguments.ema, batch_size=arguments.batch_size,
            recipe=arguments.recipe,
        )
    if arguments.recipe is not None:
        raise ValueError(f"{checkpoint} is no run of `funcvision train`: leave out --recipe")
    if not os.path.exists(checkpoint) and ":" not in checkpoint:
        raise FileNotFoundError(f"there is no file or folder {checkpoint}; published weights are NAME:WEIGHTS, as "
                                f"resnet50:DEFAULT")
    if checkpoint.endswith(".fv"):
        raise ValueError(f"{checkpoint} is an exported file: evaluate the run or the weights that it was made from")
    if arguments.data is None:
        raise ValueError(f"{checkpoint} is no run with a data set of its own: give --data SPEC")
    return evaluate_file(
        checkpoint, arguments.data, entry="model_ema" if arguments.ema else None,
        batch_size=arguments.batch_size or 64,
    )
