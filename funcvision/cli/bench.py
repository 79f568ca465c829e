"""Measures how fast an exported model runs on this machine, for several sizes of batches.

The latency is the time of one call, from an array of the host to the answer on the host.
"""

import argparse
import os

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

__all__ = ["HELP", "add_arguments", "run"]

HELP = "measure the speed of an exported model"

_USUAL_SIZES = (1, 2, 4, 8, 16, 32)  # of batches, measured by default
_MIN_CALLS = 3  # for each size of batch, however long they take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision bench`."""
    parser.add_argument("file", metavar="FILE", help="a file that funcvision export wrote")
    parser.add_argument(
        "--batch-sizes", metavar="SIZES",
        help="separated by commas (default: those of 1,2,4,8,16,32 that the file takes, and those of its programs)",
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="for each size of batch (default: 2)"
    )
    parser.add_argument(
        "--image-size", type=int, default=224, metavar="PIXELS",
        help="height and width, if the model takes images of any size (default: 224)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Loads the file and prints one line for each size of batch."""
    import time

    import jax
    import numpy as np

    from .. import enable_compilation_cache, export

    asked = _asked(arguments.batch_sizes)
    if arguments.image_size < 1:
        raise ValueError(f"--image-size {arguments.image_size} must be 1 or more")
    if os.path.isdir(arguments.file):
        raise ValueError(f"{arguments.file} is a folder, and bench measures exported files: give the file that "
                         f"`funcvision export {arguments.file} --out FILE.fv` writes")
    enable_compilation_cache()
    begin = time.perf_counter()
    function = export.load(arguments.file)
    print(f"{function.name}: loaded in {time.perf_counter() - begin:.2f} s, {function.promise}")
    sizes = asked or _sizes(function)
    measured = [(size, _inputs(function, size, arguments.image_size)) for size in sizes]
    print(f"on {jax.devices()[0].device_kind}; a call is from arrays on the host to the answer on the host")
    print("batch  input                     first call s  median ms  10%..90% ms        images/s")
    for size, inputs in measured:
        begin = time.perf_counter()
        jax.device_get(function(*inputs))
        first = time.perf_counter() - begin
        times = _times(lambda inputs=inputs: jax.device_get(function(*inputs)), arguments.seconds)
        low, median, high = np.percentile(times, [10, 50, 90]) * 1e3
        shape, spread = f"{inputs[0].shape} {inputs[0].dtype}", f"{low:.1f}..{high:.1f}"
        rate = size / median * 1e3
        print(f"{size:5}  {shape:24}  {first:12.2f}  {median:9.1f}  {spread:11}  {rate:14.1f}", flush=True)


def _asked(text: str | None) -> list[int]:
    """The sizes of batches that the user names; empty if there are none."""
    if text is None:
        return []
    sizes = [int(size) for size in text.split(",") if size.isdecimal() and int(size) > 0]
    if len(sizes) != len(text.split(",")):
        raise ValueError(f"--batch-sizes are numbers of images, such as 1,8,32; got {text!r}")
    return sizes


def _times(call: "Callable[[], Any]", seconds: float) -> list[float]:
    """The seconds that each of several calls takes, which together take about `seconds`."""
    import time

    times: list[float] = []
    while len(times) < _MIN_CALLS or sum(times) < seconds:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def _batches(function: "Any") -> "list[int | str]":
    """The first dimension of the first input of each program: a number of images, or a symbol for any number."""
    if function.task is None:
        leaves = function.programs[0]["inputs"]["leaves"]
        inputs = ", ".join(f"({', '.join(map(str, leaf['shape']))}) {leaf['dtype']}" for leaf in leaves)
        raise ValueError(f"bench measures models, and {function.name} is a function of {inputs}")
    return [program["inputs"]["leaves"][0]["shape"][0] for program in function.programs]


def _sizes(function: "Any") -> list[int]:
    """The sizes of batches to measure by default."""
    batches = _batches(function)
    fixed = {size for size in batches if isinstance(size, int)}
    return sorted(fixed if len(fixed) == len(set(batches)) else fixed | set(_USUAL_SIZES))


def _inputs(function: "Any", batch: int, side: int) -> "list[np.ndarray]":
    """Random inputs for the first program that takes batches of this size.

    Raises:
        ValueError: no program takes it, or a dimension is neither a number nor "batch", "height" or "width".
    """
    import numpy as np

    batches = _batches(function)
    if not (fitting := [i for i, size in enumerate(batches) if size == batch or isinstance(size, str)]):
        raise ValueError(f"{function.name} takes batches of {', '.join(map(str, sorted(set(batches))))}, not {batch}")
    known = {"batch": batch, "height": side, "width": side}
    leaves = function.programs[fitting[0]]["inputs"]["leaves"]
    if unknown := [size for leaf in leaves for size in leaf["shape"] if isinstance(size, str) and size not in known]:
        raise ValueError(f"{function.name} has the dimension {unknown[0]!r}; bench knows batch, height and width")
    shapes = [[known[size] if isinstance(size, str) else size for size in leaf["shape"]] for leaf in leaves]
    images = np.random.default_rng(0).normal(size=shapes[0]).astype(leaves[0]["dtype"])
    # A detector also takes the size of each image, here that of the canvas.
    return [images, *(np.broadcast_to(np.array(images.shape[-3:-1], np.int32), shape) for shape in shapes[1:])]
