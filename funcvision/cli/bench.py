"""Measures how fast an exported model runs on this machine, for several sizes of batches.

The latency is the time of one call, from an array of the host to the answer on the host.
"""

import argparse

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

__all__ = ["HELP", "add_arguments", "run"]

HELP = "measure the speed of an exported model"

_MIN_CALLS = 3  # for each size of batch, however long they take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `funcvision bench`."""
    parser.add_argument("file", metavar="FILE", help="a file that funcvision export wrote")
    parser.add_argument(
        "--batch-sizes", metavar="SIZES", default="1,2,4,8,16,32", help="separated by commas (default: 1,2,4,8,16,32)"
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

    sizes = [int(size) for size in arguments.batch_sizes.split(",") if size.isdecimal() and int(size) > 0]
    if not sizes or len(sizes) != len(arguments.batch_sizes.split(",")):
        raise ValueError(f"--batch-sizes are numbers of images, such as 1,8,32; got {arguments.batch_sizes!r}")
    enable_compilation_cache()
    begin = time.perf_counter()
    function = export.load(arguments.file)
    print(f"{function.name}: loaded in {time.perf_counter() - begin:.2f} s, {function.promise}")
    print(f"on {jax.devices()[0].device_kind}: {_inputs_of(function)}")
    print("batch  first call s  median ms   95% ms   images/s")
    for size in sizes:
        inputs = _inputs(function, size, arguments.image_size)
        begin = time.perf_counter()
        jax.device_get(function(*inputs))
        first = time.perf_counter() - begin
        times = _times(lambda inputs=inputs: jax.device_get(function(*inputs)), arguments.seconds)
        median, late = np.percentile(times, [50, 95])
        print(f"{size:5}  {first:12.2f}  {median * 1e3:9.2f}  {late * 1e3:7.2f}  {size / median:9.1f}")


def _times(call: "Callable[[], Any]", seconds: float) -> list[float]:
    """The seconds that each of several calls takes, which together take about `seconds`."""
    import time

    times: list[float] = []
    while len(times) < _MIN_CALLS or sum(times) < seconds:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def _inputs_of(function: "Any") -> str:
    """Shapes and dtypes of the inputs of the first program."""
    leaves = function.programs[0]["inputs"]["leaves"]
    return ", ".join(f"({', '.join(map(str, leaf['shape']))}) {leaf['dtype']}" for leaf in leaves)


def _inputs(function: "Any", batch: int, side: int) -> "list[np.ndarray]":
    """Zeros for the first program of a file.

    Raises:
        ValueError: a dimension is neither a number nor "batch", "height" or "width", or the batch has a fixed size.
    """
    import numpy as np

    known = {"batch": batch, "height": side, "width": side}
    description = function.programs[0]["inputs"]
    if description["structure"] != {"tuple": ["*"]}:
        raise ValueError(f"bench measures functions of one array; {function.name} takes {_inputs_of(function)}")
    ((shape, dtype),) = [(leaf["shape"], leaf["dtype"]) for leaf in description["leaves"]]
    if unknown := [size for size in shape if isinstance(size, str) and size not in known]:
        raise ValueError(f"{function.name} has the dimension {unknown[0]!r}; bench knows batch, height and width")
    if shape and isinstance(shape[0], int) and shape[0] != batch:
        raise ValueError(f"{function.name} takes batches of {shape[0]}: pass --batch-sizes {shape[0]}")
    return [np.zeros([known[size] if isinstance(size, str) else size for size in shape], dtype)]
