"""Writes models to ONNX files, by jax2onnx."""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from .._weight_files import mapping
from .saving import Model, described_preset, given_size, is_size

__all__ = ["save_onnx"]

_MOST_BYTES = (1 << 31) - (1 << 24)  # of weights inside of the file: protobuf allows 2 GiB, and the graph needs some
_LEAST_OUTSIDE = 1024  # bytes of an array in the second file; runtimes need axes and shapes in the first one
_ALIGNMENT = 4096  # bytes between such arrays, so that the file can be mapped
_LAYOUTS = ("NCHW", "NHWC")


def save_onnx(
    path: str | os.PathLike[str], model: Model, params: Mapping[str, Any], state: Mapping[str, Any], *,
    image_size: tuple[int, int] | None = None, preset: Any = None, categories: Sequence[str] | None = None,
    prepare_from: tuple[int, int] | None = None, batch: int | str = "symbolic", layout: str = "NCHW",
    in_channels: int = 3, opset: int = 18, name: str | None = None, license: str | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a model with its arrays to an ONNX file. It needs `pip install "funcvision[onnx]"`.

    The input is called `images`. The output is called `logits`, or `probabilities` with `prepare_from`; if the model
    returns a dict, its keys are the names. All are float32. The file is made for inference: batch normalisations that
    follow a convolution are merged into it.

    What describes the model is stored as JSON in the metadata of the file: `name`, `license`, `preset`, `categories`,
    `layout` and `prepared`.

    Weights of more than 2 GB do not fit in an ONNX file. They are written to a second file beside the first, with
    ".data" appended to its name.

    Args:
        path: of the file, by convention with the ending ".onnx".
        model: a description of `funcvision.nn`, such as one of `vision.models`.
        params: its parameters.
        state: its other arrays.
        image_size: (height, width) in pixels.
        preset: prepares images, as those in `vision.transforms.presets`. Its name and its `options` are stored.
        categories: the names of the classes.
        prepare_from: (height, width) of uint8 images that the program itself prepares by `preset`; it replaces
            `image_size`.
        batch: the number of images in a batch, or "symbolic" for any number.
        layout: the order of the axes of the images, and of outputs that are images: "NCHW", as in most ONNX files, or
            "NHWC", as elsewhere in funcvision. The program has no transposition of large arrays for "NCHW".
        in_channels: the number of channels of an image.
        opset: the version of ONNX's operators, 18 or more.
        name: of the model, stored for readers.
        license: the terms of use of the weights, stored for readers.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        ImportError: jax2onnx is not installed.
        ValueError: options contradict each other, or the model has an operation that cannot be converted.
    """
    size = given_size(image_size, prepare_from, preset)
    if not is_size(size):
        raise ValueError(f"an ONNX file is for one size of images, (height, width) in pixels; got {size!r}")
    _check(batch, layout, opset, {*params} & {*state})
    mapping.refuse_target(path, overwrite)

    def function(arrays: Mapping[str, Any], x: Any) -> Any:
        x = x.transpose(0, 2, 3, 1) if layout == "NCHW" else x
        if prepare_from is not None:
            x = preset(x).astype(jnp.float32)
        output = model.apply({key: arrays[key] for key in params}, {key: arrays[key] for key in state}, x)[0]
        output = output if prepare_from is None else jax.nn.softmax(output)
        is_moved = layout == "NCHW"
        return jax.tree.map(lambda y: y.transpose(0, 3, 1, 2) if is_moved and y.ndim == 4 else y, output)

    shape = (in_channels, *size) if layout == "NCHW" else (*size, in_channels)
    (symbol,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((symbol, *shape), jnp.float32 if prepare_from is None else jnp.uint8)
    own = name or type(model).__name__
    program = _converted(
        function, {**params, **state}, images, name=own, opset=opset,
        output="logits" if prepare_from is None else "probabilities",
    )
    if isinstance(batch, int):
        _fix_batch(program, symbol, batch)
    notes = {
        "name": own, "license": license, "preset": described_preset(preset), "layout": layout,
        "categories": None if categories is None else list(categories), "prepared": prepare_from is not None,
    }
    program.producer_name, program.doc_string = "funcvision", None
    program.metadata_props.update({key: json.dumps(value) for key, value in notes.items()})
    _write(path, program, overwrite)


def _converted(*args: Any, **options: Any) -> Any:
    from ._onnx import converted

    try:
        return converted(*args, **options)
    except ImportError as error:
        raise ImportError(f'ONNX files need jax2onnx: pip install "funcvision[onnx]" ({error})') from error


def _check(batch: Any, layout: str, opset: int, repeated: set[str]) -> None:
    """Raises an error for options that do not exist."""
    if repeated:
        raise ValueError(f"{min(repeated)!r} is in params and in state; a file has each name once")
    if batch != "symbolic" and not (isinstance(batch, int) and batch > 0):
        raise ValueError(f'batch is a number of images or "symbolic", of which an ONNX file has one; got {batch!r}')
    if layout not in _LAYOUTS:
        raise ValueError(f"layout is one of {', '.join(_LAYOUTS)}; got {layout!r}")
    if opset < 18:
        raise ValueError(f"opset={opset} is too old: ReduceMean of ONNX takes axes as an operand from 18 on")


def _fix_batch(program: Any, symbol: Any, batch: int) -> None:
    """Declares inputs and outputs for one number of images; the runtime infers all other shapes from these."""
    import onnx_ir  # pyright: ignore[reportMissingImports]

    graph = program.graph
    for node in graph.all_nodes():
        for value in node.outputs:
            value.shape = None if value not in graph.outputs else value.shape
    for value in (*graph.inputs, *graph.outputs):
        sizes = [batch if str(size) == str(symbol) else size for size in value.shape]
        value.shape = onnx_ir.Shape(sizes)


def _write(path: str | os.PathLike[str], program: Any, overwrite: bool) -> None:
    """Writes the file, and a second one with the weights if they are too large."""
    import onnx_ir  # pyright: ignore[reportMissingImports]

    weights = [value for value in program.graph.initializers.values() if value.const_value is not None]
    is_large = sum(value.const_value.nbytes for value in weights) > _MOST_BYTES
    data = os.fspath(path) + ".data"
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(mapping.replacing(path, overwrite))
        if is_large:
            second, offset = stack.enter_context(mapping.replacing(data, overwrite)), 0
            for value in weights:
                if value.const_value.nbytes < _LEAST_OUTSIDE:
                    continue
                array = np.ascontiguousarray(value.const_value.numpy())
                second.write(b"\0" * (-offset % _ALIGNMENT))
                offset += -offset % _ALIGNMENT
                for piece in mapping.pieces(array):
                    second.write(piece)
                value.const_value = onnx_ir.ExternalTensor(
                    os.path.basename(data), offset, array.nbytes, value.const_value.dtype,
                    shape=onnx_ir.Shape(array.shape), name=value.name, base_dir=os.path.dirname(data),
                )
                offset += array.nbytes
        file.write(onnx_ir.to_proto(program).SerializeToString())
