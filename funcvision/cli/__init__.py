"""The `funcvision` command: parses, calls, prints. Every subcommand is one function that adds itself and one that runs.

A subcommand imports what it needs when it runs, so that `funcvision --help` comes at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments (those of the process by default); returns its exit status.

    What is wrong with the input is one sentence on stderr and the status 2.
    """
    parser = argparse.ArgumentParser(prog="funcvision", description="Vision models on JAX.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_classify(commands)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"funcvision: {_sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _add_convert(commands: Any) -> None:
    command = commands.add_parser(
        "convert",
        help="convert weights between .pth and .safetensors",
        description="Converts the weights of a model between torch's checkpoint files and safetensors, without torch. "
        "Both keep torch's names and axis orders. What OUT becomes is told by its ending.",
    )
    command.add_argument("input", metavar="IN", help="a torch checkpoint (.pth, .pt, .bin) or a .safetensors file")
    command.add_argument("output", metavar="OUT", help="the file to write: .safetensors, .pth or .pt")
    command.add_argument("--model", metavar="NAME", help="the architecture; recognised by the tensors if not given")
    command.add_argument("--entry", metavar="NAME", help="where in a checkpoint the weights are, such as model_ema")
    command.add_argument("--force", action="store_true", help="replace OUT if it exists")
    command.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from .. import nn
    from ..vision import convert

    tensors = convert.modern_names(convert.read(arguments.input, entry=arguments.entry))
    name, model = _model(arguments.input, arguments.model, tensors)
    tensors = convert.conform(model, tensors, what=f"the tensors of {arguments.input}")
    total = sum(tensor.nbytes for tensor in tensors.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc=name, disable=None, leave=False) as bar:
        convert.write(arguments.output, tensors, overwrite=arguments.force, model_name=name, progress=bar.update)
    count = sum(tensors[name].size for name, one in model.declarations().items() if isinstance(one, nn.Param))
    size = os.path.getsize(arguments.output) / 2**20
    print(f"{name}: {count:,} parameters, {len(tensors)} tensors -> {arguments.output} ({size:.1f} MiB)")


def _model(path: str, name: str | None, tensors: dict[str, Any]) -> tuple[str, Any]:
    """Name and description of the model that the tensors belong to."""
    from ..vision.models._zoo import registry

    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    if name is not None:
        return name, registry.get_model(name, **registry.options_in(name, shapes))
    try:
        return registry.recognise(shapes)
    except ValueError as error:
        raise ValueError(f"{path} is not recognised: {error}. Say which model it is with --model") from error


def _add_classify(commands: Any) -> None:
    command = commands.add_parser(
        "classify",
        help="say what is on an image",
        description="Prints the classes that a model finds likeliest, with their probabilities. The image is resized, "
        "cropped and normalised as torchvision does it for its classifiers.",
    )
    command.add_argument("image", metavar="IMAGE", help="an image file that Pillow reads")
    command.add_argument(
        "--weights", metavar="WEIGHTS", default="DEFAULT",
        help="a torch checkpoint, a .safetensors file, or published weights of the model by name (default: DEFAULT)",
    )
    command.add_argument("--model", metavar="NAME", help="the architecture; recognised by a file if not given")
    command.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line (default: ImageNet's)")
    command.add_argument("--top", type=int, default=5, metavar="N", help="how many classes to print (default: 5)")
    command.add_argument(
        "--resize", type=int, metavar="PIXELS", help="of the shorter side (default: the weights', or 256)"
    )
    command.add_argument(
        "--crop", type=int, metavar="PIXELS", help="of the square in it (default: the weights', or 224)"
    )
    command.set_defaults(run=_classify)


def _classify(arguments: argparse.Namespace) -> None:
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


def _preparation(arguments: argparse.Namespace) -> dict[str, Any]:
    """How images are prepared: as the command says, then as published weights want it, then as most do."""
    from ..vision import models

    entry = models.find_weights(arguments.model, arguments.weights) if arguments.model else None
    options = entry.preparation if entry else {"crop_size": 224, "resize_size": 256}
    asked = {"crop_size": arguments.crop, "resize_size": arguments.resize}
    return options | {name: value for name, value in asked.items() if value is not None}
