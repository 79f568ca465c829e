"""Converts the weights of a model between torch's checkpoint files and safetensors, without torch.

Both formats keep torch's names and axis orders. The ending of OUT says which one is written.
"""

import argparse
import os

__all__ = ["HELP", "add_arguments", "run"]

HELP = "convert weights between .pth and .safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision convert`."""
    parser.add_argument("input", metavar="IN", help="a torch checkpoint (.pth, .pt, .bin) or a .safetensors file")
    parser.add_argument("output", metavar="OUT", help="the file to write: .safetensors, .pth or .pt")
    parser.add_argument(
        "--model", metavar="NAME", help="the architecture (default: recognised by names and shapes of the tensors)"
    )
    parser.add_argument("--entry", metavar="NAME", help="where in the checkpoint the weights are, as model_ema")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Converts one file and prints what it holds."""
    from tqdm import tqdm

    from .. import nn
    from ..vision import convert
    from ..vision.models._zoo import loading, registry

    found = loading.open_file(arguments.model, arguments.input, entry=arguments.entry)
    name, model = found.name, registry.get_model(found.name, **found.options)
    tensors = convert.conform(model, found.tensors, what=f"the tensors of {arguments.input}")
    total = sum(tensor.nbytes for tensor in tensors.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc=name, disable=None, leave=False) as bar:
        convert.write(arguments.output, tensors, overwrite=arguments.force, model_name=name, progress=bar.update)
    count = sum(tensors[name].size for name, one in model.declarations().items() if isinstance(one, nn.Param))
    size = os.path.getsize(arguments.output) / 2**20
    print(f"{name}: {count:,} parameters, {len(tensors)} tensors -> {arguments.output} ({size:.1f} MiB)")
