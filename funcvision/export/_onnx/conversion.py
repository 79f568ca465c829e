"""From a function with its arrays to a model of ONNX."""

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .patches import named_failures, patched
from .program import Program
from .rules import RULES

__all__ = ["converted"]


def converted(
    function: Callable[[Any, Any], Any], arrays: dict[str, Any], images: jax.ShapeDtypeStruct, *, name: str, opset: int,
    output: str,
) -> Any:
    """The model of ONNX, as an object of `onnx_ir`.

    Args:
        function: called as `function(arrays, images)`.
        arrays: the weights.
        images: shape and dtype of the input, which the file calls `images`.
        name: of the graph.
        opset: the version of ONNX's operators.
        output: the name of the output. If the function returns a tree, its paths are the names.

    Raises:
        ImportError: jax2onnx is not installed.
        ValueError: an operation cannot be converted.
    """
    import jax2onnx  # pyright: ignore[reportMissingImports]

    names = sorted(arrays)  # the order of the leaves of a dict
    with patched():
        try:
            closed, shape = jax.make_jaxpr(function, return_shape=True)(arrays, images)
        except (jax.errors.JAXTypeError, TypeError, ValueError, NotImplementedError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"the model cannot be traced for any number of images: {reason}") from error
        program = Program(closed, [arrays[key] for key in names], RULES, names)
        specialised = program.specialised()
        paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(shape)]
        with named_failures():
            model = jax2onnx.to_onnx(
                specialised, [images], model_name=name, opset=opset, return_mode="ir", input_names=["images"],
                output_names=[path or output for path in paths],
            )
    _tidy_weights(model, {_digest(specialised.values[slot]): name for slot, name in specialised.names.items()})
    return model


def _tidy_weights(model: Any, names: dict[bytes, str]) -> None:
    """Gives weights the names that they have in the checkpoint, and removes what no operator uses.

    jax2onnx numbers them, and leaves constants behind where its optimiser removes operators.
    """
    for value in (*model.graph.inputs, *model.graph.outputs):
        names = {digest: name for digest, name in names.items() if name != value.name}
    for value in list(model.graph.initializers.values()):
        if not value.uses() and value not in model.graph.outputs:
            del model.graph.initializers[value.name]
        elif (name := names.pop(_digest(value.const_value.numpy()), None)) is not None:
            del model.graph.initializers[value.name]
            value.name = value.const_value.name = name
            model.graph.initializers[name] = value


def _digest(array: np.ndarray) -> bytes:
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.reshape(-1).view(np.uint8).data).digest()
