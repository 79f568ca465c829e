"""Writes models and functions with their arrays to files that `load` reads."""

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from .._weight_files import mapping
from . import _file, _tasks, _trees
from ._inspect import objection

__all__ = ["described_preset", "given_size", "is_size", "save", "save_function"]

PLATFORMS = ("cpu", "cuda", "tpu")
ALL_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_MIN_SYMBOLIC = 64  # pixels of a symbolic height or width, so that layers know that strides leave some pixels
ImageSize = tuple[int, int] | Sequence[tuple[int, int]] | str


class Model(Protocol):
    """What `save` needs of a model: `apply` of `funcvision.nn.Module`."""

    def apply(self, params: Any, state: Any, images: Any) -> tuple[Any, Any]:
        """The output for images and the new state."""
        ...


def save(
    path: str | os.PathLike[str], model: Model, params: Mapping[str, Any], state: Mapping[str, Any], *,
    image_size: ImageSize | None = None, preset: Any = None, categories: Sequence[str] | None = None,
    prepare_from: tuple[int, int] | None = None, platforms: Sequence[str] = PLATFORMS,
    batch: int | str | Sequence[int | str] = (1, "symbolic"), dtype: Any = None, in_channels: int = 3,
    gradients: bool = False, task: str = "classification", frames: int | None = None, name: str | None = None,
    license: str | None = None, overwrite: bool = False,
) -> None:
    """Writes a model with its arrays to a file that runs without the code of the model.

    What the loaded function takes and returns depends on the task; `docs/deploy.md` has it as a table. A classifier
    takes prepared images [batch, height, width, channels] and returns logits. With `prepare_from` it takes uint8 images
    of that size and returns probabilities: the preset and the softmax are part of the program.

    Args:
        path: of the file, by convention with the ending ".fv".
        model: a description of `funcvision.nn`, such as one of `vision.models`.
        params: its parameters.
        state: its other arrays.
        image_size: (height, width) in pixels, for a detector of the canvas; a list of such pairs, with a program for
            each; "symbolic" for any size from 64 pixels; or dimensions as `jax.export.symbolic_shape` reads them, such
            as "32*h, 32*w". Not every model can be traced with symbolic sizes.
        preset: prepares images, as those in `vision.transforms.presets`. Its name and its `options` are stored.
        categories: the names of the classes.
        prepare_from: (height, width) of the uint8 images that the program itself prepares by `preset`; it replaces
            `image_size`. For classifiers only.
        platforms: those that the program shall run on: "cpu", "cuda", "rocm", "tpu".
        batch: the number of images in a batch, or "symbolic" for any number; or several of these, with a program for
            each. Of several programs that fit, the first is used. On a CPU, a loop over the program for one image
            usually takes the place of the symbolic one, which is slower.
        dtype: of the images and the parameters; by default float32 images, and parameters as they are.
        in_channels: the number of channels of an image.
        gradients: also store the derivative, so that the loaded function can be differentiated once.
        task: "classification", "segmentation", "detection" or "video".
        frames: of a clip; for the task "video" only.
        name: of the model, stored for readers.
        license: the terms of use of the weights, stored for readers.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        ValueError: options contradict each other, or the model cannot be exported with them.
    """
    if repeated := params.keys() & state.keys():
        raise ValueError(f"{sorted(repeated)[0]!r} is in params and in state; a file has each name once")
    size = given_size(image_size, prepare_from, preset)
    if prepare_from is not None and task != "classification":
        raise ValueError(f"prepare_from is for classifiers, and this is a model for {task}: give image_size")
    call, specify = _tasks.program(task, frames)
    images = _floating(jnp.float32 if dtype is None else dtype)

    def function(arrays: Mapping[str, Any], *inputs: Any) -> Any:
        if prepare_from is not None:
            inputs = (preset(inputs[0]).astype(images),)
        held = ({key: arrays[key] for key in kind} for kind in (params, state))
        output = call(model, *held, *inputs)
        return output if prepare_from is None else jax.nn.softmax(output.astype(jnp.float32))

    limits = {"height": _MIN_SYMBOLIC, "width": _MIN_SYMBOLIC} if image_size == "symbolic" else {}
    constraints = [f"{side} >= {least}" for side, least in limits.items()]
    shapes = [
        jax.export.symbolic_shape(f"{first}, {one}, {in_channels}", constraints=constraints)
        for first in _batches(batch) for one in _sizes(size)
    ]
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(f"image_size has a height and a width, such as '32*h, 32*w'; got {size!r}")
    inputs = [specify(tuple(shape), images if prepare_from is None else np.uint8) for shape in shapes]
    arrays = {key: _cast(array, dtype) for key, array in {**params, **state}.items()}
    _write(
        path, function, arrays, inputs, platforms=platforms, gradients=gradients, overwrite=overwrite, limits=limits,
        notes={
            "name": name or type(model).__name__, "task": task, "license": license,
            "preset": described_preset(getattr(model, "preparation", None) if task == "detection" else preset),
            "prepared": prepare_from is not None, "categories": None if categories is None else list(categories),
        },
    )


def save_function(
    path: str | os.PathLike[str], function: Callable[..., Any], arrays: Any, *example_inputs: Any,
    platforms: Sequence[str] = PLATFORMS, gradients: bool = False, name: str | None = None, license: str | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a pure function with its arrays to a file, from which `load` returns it.

    A training step is such a function too: it takes and returns its parameters and the state of its optimiser.

    Args:
        path: of the file, by convention with the ending ".fv".
        function: called as `function(arrays, *inputs)`. It takes and returns nested dicts with string keys, lists and
            tuples of arrays. Other containers, such as dataclasses, are returned as dicts by the loaded function.
        arrays: a tree of arrays, which the file holds.
        example_inputs: trees of arrays, or of `jax.ShapeDtypeStruct`, whose shapes may be symbolic
            (`jax.export.symbolic_shape`). Only shapes and dtypes count. A random key goes in as its data,
            `jax.random.key_data(key)`, of which the function makes a key again by `jax.random.wrap_key_data`.
        platforms: those that the program shall run on: "cpu", "cuda", "rocm", "tpu".
        gradients: also store the derivative, so that the loaded function can be differentiated once.
        name: stored for readers; by default that of the function.
        license: the terms of use of the arrays, stored for readers.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        TypeError: a dict in the arguments has a key that is not a string, or an argument is a random key.
        ValueError: the function cannot be exported for these inputs.
    """
    own = name or getattr(function, "__name__", type(function).__name__)
    _write(
        path, function, arrays, [example_inputs], platforms=platforms, gradients=gradients, overwrite=overwrite,
        limits={},
        notes={
            "name": own, "task": None, "license": license, "preset": None, "prepared": False, "categories": None,
        },
    )


def _write(
    path: str | os.PathLike[str], function: Callable[..., Any], arrays: Any, inputs: list[tuple[Any, ...]], *,
    platforms: Sequence[str], gradients: bool, overwrite: bool, limits: dict[str, int], notes: dict[str, Any],
) -> None:
    """Exports a program for each example of the inputs, and writes them with the arrays.

    `limits` are the smallest sizes of symbolic dimensions, by name. Serialised programs do not keep them.
    """
    mapping.refuse_target(path, overwrite)
    if isinstance(platforms, str) or not platforms or not {*platforms} <= {*ALL_PLATFORMS}:
        raise ValueError(f"platforms are some of {', '.join(ALL_PLATFORMS)}; got {platforms!r}")
    structure, leaves = _trees.flatten(arrays)
    stored = [np.asarray(leaf, order="C") for leaf in leaves]
    names = [name or "array" for name in _trees.names(structure)]
    if len(set(names)) < len(names):
        raise ValueError("two arrays would have the same name in the file: rename a key that contains a dot")
    programs, counts, described = [], [], []
    own = notes["name"]
    for example in inputs:
        program, operations, description = _export(own, function, arrays, example, tuple(platforms), gradients)
        if (reason := objection(jax.export.deserialize(bytearray(program)))) is not None:
            raise ValueError(f"{own} cannot be exported: {reason}, and load would refuse the file")
        _check_categories(notes, description["output"]["leaves"])
        programs.append(program)
        counts.append(operations)
        described.append(description)
    header = {
        "format": _file.FORMAT,
        "jax": {
            "version": jax.__version__, "written": datetime.date.today().isoformat(),
            "calling_convention": jax.export.maximum_supported_calling_convention_version,
        },
        **notes, "platforms": list(platforms), "gradients": gradients, "limits": limits,
        "arrays": {
            "structure": structure, "names": names, "leaves": [_described_leaf(array) for array in stored]
        },
        "programs": described, "operations": counts,
    }
    _file.write(path, dict(zip(names, stored, strict=True)), programs, header, overwrite=overwrite)


def _check_categories(notes: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
    """Raises ValueError if a classifier has another number of classes than there are names."""
    names = notes["categories"]
    if names is not None and notes["task"] in ("classification", "video") and len(names) != outputs[0]["shape"][-1]:
        classes = outputs[0]["shape"][-1]
        raise ValueError(f"there are {len(names)} categories, and {notes['name']} has {classes} classes")


def _export(
    name: str, function: Callable[..., Any], arrays: Any, inputs: tuple[Any, ...], platforms: tuple[str, ...],
    gradients: bool,
) -> tuple[bytes, float, dict[str, Any]]:
    """The serialised program for one example of the inputs, its operations, and its description for the header.

    The program takes and returns flat lists, so that the file names no Python class.
    """
    of_arrays, of_inputs = jax.tree.structure(arrays), jax.tree.structure(inputs)
    structure, leaves = _trees.flatten(inputs)
    results: list[Any] = []

    def flat(arrays: list[Any], inputs: list[Any]) -> list[Any]:
        output = function(jax.tree.unflatten(of_arrays, arrays), *jax.tree.unflatten(of_inputs, inputs))
        described, leaves = _trees.flatten(output)
        results[:] = [described]
        jax.tree.map(_spec, leaves)  # refuses random keys
        return leaves

    flat.__name__ = name  # for the messages of jax
    specs = [jax.tree.leaves(jax.tree.map(_spec, tree)) for tree in (arrays, inputs)]
    try:
        with _without_locations():
            exported = jax.export.export(jax.jit(flat), platforms=platforms)(*specs)
            serialized = bytes(exported.serialize(vjp_order=int(gradients)))
    except (jax.errors.JAXTypeError, TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        shapes = ", ".join(str(leaf.shape) for leaf in leaves)
        remedy = ""
        if any(not isinstance(size, int) for leaf in leaves for size in leaf.shape):
            remedy = "; give sizes as numbers where they are symbolic, such as image_size=(224, 224) or batch=1"
        raise ValueError(f"{name} cannot be exported for inputs of shape {shapes}: {reason}{remedy}") from error
    return serialized, _operations(flat, specs), {
        "inputs": {"structure": structure, "leaves": [_described_leaf(leaf) for leaf in specs[1]]},
        "output": {"structure": results[0], "leaves": [_described_leaf(leaf) for leaf in exported.out_avals]},
    }


def _operations(function: Callable[..., Any], specs: list[Any]) -> float:
    """XLA's count of the floating-point operations of a call; 0 where it is not known, as for symbolic shapes."""
    if not all(isinstance(size, int) for leaf in jax.tree.leaves(specs) for size in leaf.shape):
        return 0
    costs = jax.jit(function).lower(*specs).cost_analysis()
    return float((costs or {}).get("flops", 0))


@contextlib.contextmanager
def _without_locations() -> Iterator[None]:
    """Keeps paths of source files on this machine out of the program."""
    before = jax.config.jax_traceback_in_locations_limit  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def given_size(image_size: Any, prepare_from: Any, preset: Any) -> Any:
    """`image_size` or `prepare_from`, whichever is given.

    Raises:
        ValueError: both or none are given, or `prepare_from` is no size or has no preset.
    """
    if (image_size is None) == (prepare_from is None):
        raise ValueError("give either image_size=(height, width) or prepare_from=(height, width)")
    if prepare_from is None:
        return image_size
    if preset is None:
        raise ValueError("prepare_from puts the preparation into the program: give the preset that prepares images")
    if not is_size(prepare_from):
        raise ValueError(f"prepare_from is one (height, width) in pixels, both 1 or more; got {prepare_from!r}")
    return prepare_from


def is_size(size: Any) -> bool:
    """Whether this is (height, width) in whole pixels."""
    return isinstance(size, tuple | list) and len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)


def _sizes(size: Any) -> list[str]:
    """Heights and widths as jax's symbolic shapes write them."""
    if isinstance(size, str):
        return ["height, width" if size == "symbolic" else size]
    sizes = [size] if is_size(size) else size
    if not isinstance(sizes, tuple | list) or not sizes or not all(map(is_size, sizes)):
        raise ValueError(f"image_size is (height, width) in pixels, both 1 or more, or a list of such; got {size!r}")
    return [f"{height}, {width}" for height, width in sizes]


def _batches(batch: Any) -> list[str]:
    """Numbers of images as jax's symbolic shapes write them."""
    batches = batch if isinstance(batch, tuple | list) else [batch]
    if not batches or not all(one == "symbolic" or (isinstance(one, int) and one > 0) for one in batches):
        raise ValueError(f'batch is a number of images, 1 or more, or "symbolic", or a list of these; got {batch!r}')
    return ["batch" if one == "symbolic" else str(one) for one in dict.fromkeys(batches)]


def _floating(dtype: Any) -> Any:
    """A floating-point dtype."""
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not jnp.issubdtype(found, jnp.floating):
        raise ValueError(f"dtype={dtype!r} is no floating-point type, such as 'float32' or 'bfloat16'")
    return found


def _cast(array: Any, dtype: Any) -> Any:
    """The array in `dtype`, if both are floating point."""
    if dtype is None or not jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return np.asarray(array).astype(dtype)


def _spec(leaf: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an array. TypeError for a random key, whose dtype a file cannot describe."""
    aval = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    if jnp.issubdtype(aval.dtype, jax.dtypes.extended):
        raise TypeError("an exported function takes and returns no random keys: pass jax.random.key_data(key), and "
                        "use jax.random.wrap_key_data in the function")
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


def _described_leaf(leaf: Any) -> dict[str, Any]:
    """Shape and dtype of an array; a symbolic dimension is a string."""
    shape = [size if isinstance(size, int) else str(size) for size in leaf.shape]
    return {"shape": shape, "dtype": np.dtype(leaf.dtype).name}


def described_preset(preset: Any) -> dict[str, Any] | None:
    """Name and options of a preset, or of the preparation of a detector."""
    if preset is None:
        return None
    if dataclasses.is_dataclass(preset) and not isinstance(preset, type):
        return {"name": "ObjectDetection", "options": dataclasses.asdict(preset)}
    return {"name": type(preset).__name__, "options": dict(getattr(preset, "options", {}))}
