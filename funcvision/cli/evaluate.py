"""Prints loss and accuracy of a model on the test part of a data set, as JSON.

CHECKPOINT is what `funcvision train` wrote: its folder, model.safetensors, model_ema.safetensors or checkpoints/STEP;
or any other file of a classifier, or NAME:WEIGHTS for published weights, as resnet50:IMAGENET1K_V2.
"""

import argparse
import json

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
    from ..train.outputs import find_run

    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise ValueError(f"--batch-size {arguments.batch_size} must be 1 or more")
    enable_compilation_cache()
    is_run = find_run(arguments.checkpoint) is not None
    if arguments.recipe is not None and not is_run:
        raise ValueError(f"{arguments.checkpoint} is no run of `funcvision train`: leave out --recipe")
    try:
        figures = _figures(arguments, is_run)
    except LoadError as error:  # an image cannot be read, or a worker died
        raise ValueError(" ".join(str(error).split())) from error
    print(json.dumps(figures))


def _figures(arguments: argparse.Namespace, is_run: bool) -> dict[str, float]:
    """Loss and accuracy of a run or of a file of weights."""
    from ..train.run import evaluate_file, evaluate_run

    if is_run:
        return evaluate_run(
            arguments.checkpoint, arguments.data, ema=arguments.ema, batch_size=arguments.batch_size,
            recipe=arguments.recipe,
        )
    if arguments.data is None:
        raise ValueError(f"{arguments.checkpoint} is no run with a data set of its own: give --data SPEC")
    return evaluate_file(
        arguments.checkpoint, arguments.data, entry="model_ema" if arguments.ema else None,
        batch_size=arguments.batch_size or 64,
    )
