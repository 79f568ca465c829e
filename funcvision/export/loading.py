"""Reads files that `save` and `save_function` write, and runs what they hold."""

import contextlib
import functools
import math
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.export
import numpy as np

from . import _file, _trees, _verdicts
from ._file import ExportError
from ._inspect import Inspection, objection_to_claims
from ._promise import check_promise, promise

__all__ = ["LoadedFunction", "load"]

_MIN_OPERATIONS_PER_BYTE = 30  # of arrays and one image, from which on reading all arrays for each image costs little


class LoadedFunction:
    """A function from a file, together with its arrays.

    It is compiled once for each shape of its inputs. Nothing changes after loading, so threads may share it.

    Attributes:
        path: of the file.
        name: of the model or function.
        task: of the model: "classification", "detection", "segmentation" or "video"; None for another function.
        arrays: the arrays of the file, as the function takes them.
        platforms: those that the function runs on.
        categories: the names of the classes; None where they are not known.
        preset: the preparation of images, with the keys "name" and "options"; None where it is not known.
        prepared: whether the preparation is part of the program, so that it takes uint8 images.
        license: the terms of use; None where they are not known.
        gradients: whether the function can be differentiated.
        programs: for each program of the file, shapes and dtypes of its inputs and its output.
        promise: says which versions of jax run the file.
    """

    def __init__(self, path: str, header: dict[str, Any], arrays: Any, exported: list[jax.export.Exported]):
        self.path, self.arrays = path, arrays
        self.name: str = header["name"]
        self.task: str | None = header.get("task", "classification" if header["preset"] else None)
        self.platforms = tuple(header["platforms"])
        self.categories = None if header["categories"] is None else tuple(header["categories"])
        self.preset: dict[str, Any] | None = header["preset"]
        self.prepared: bool = header["prepared"]
        self.license: str | None = header["license"]
        self.gradients: bool = header["gradients"]
        self.programs: list[dict[str, Any]] = header["programs"]
        self.promise = promise(header["jax"])
        self._limits: dict[str, int] = header["limits"]
        self._arrays_structure = header["arrays"]["structure"]
        calls = [one.call if self.gradients else _without_gradients(one.call, self.name) for one in exported]
        loops = {i: functools.partial(_image_by_image, calls[single]) for i, single in self._by_image(header).items()}
        self._calls: list[Callable[..., Any]] = [jax.jit(loops.get(i, call)) for i, call in enumerate(calls)]

    def __call__(self, *inputs: Any) -> Any:
        """The output for inputs of the shapes and dtypes in `programs`, with the arrays of the file."""
        return self.apply(self.arrays, *inputs)

    def apply(self, arrays: Any, *inputs: Any) -> Any:
        """The output with other arrays: a pure function, for `jax.grad` with respect to `arrays`, and for `jax.jit`.

        Args:
            arrays: with the structure, shapes and dtypes of the attribute `arrays`.
            inputs: arrays of jax or numpy.

        Raises:
            ValueError: the arguments do not have the shapes and dtypes of a program, or the program is for another
                platform, or it is differentiated and has no derivative.
        """
        structure, leaves = _trees.flatten(inputs)
        index = self._fitting(structure, leaves)
        arrays_structure, weights = _trees.flatten(arrays)
        if arrays_structure != self._arrays_structure:
            raise ValueError(f"{self.name} takes arrays in the containers of its attribute `arrays`")
        results = self._calls[index](weights, leaves)
        return _trees.unflatten(self.programs[index]["output"]["structure"], list(results))

    def _fitting(self, structure: Any, leaves: list[Any]) -> int:
        """The index of the program for these inputs."""
        for index, program in enumerate(self.programs):
            expected = program["inputs"]
            if structure == expected["structure"] and all(map(self._fits, leaves, expected["leaves"])):
                return index
        least = "".join(f", {size} at least {limit}" for size, limit in self._limits.items())
        given = ", ".join(f"{np.shape(leaf)} {getattr(leaf, 'dtype', type(leaf).__name__)}" for leaf in leaves)
        choices = " or ".join(
            ", ".join(f"({', '.join(map(str, one['shape']))}) {one['dtype']}" for one in program["inputs"]["leaves"])
            for program in self.programs
        )
        raise ValueError(f"{self.name} takes {choices}{least}; it was given {given or 'nothing'}")

    def _fits(self, leaf: Any, expected: dict[str, Any]) -> bool:
        """Whether an input has the dtype and shape that a program expects; a symbolic dimension fits any size."""
        shape, wanted = np.shape(leaf), expected["shape"]
        if getattr(leaf, "dtype", None) != np.dtype(expected["dtype"]) or len(shape) != len(wanted):
            return False
        return all(
            size >= self._limits.get(want, 1) if isinstance(want, str) else size == want
            for size, want in zip(shape, wanted, strict=True)
        )

    def _by_image(self, header: dict[str, Any]) -> dict[int, int]:
        """The programs for any number of images that are replaced by a loop, and the program for one image in it.

        On a CPU, XLA inlines parts of a program with a symbolic batch which it should compile apart, and convolutions
        cannot be lowered by the number of pixels. So the program for one image is faster, except for a model that
        computes little with large arrays, as it reads these for each image.
        """
        if self.task is None or jax.default_backend() != "cpu":
            return {}
        leaves, operations = header["arrays"]["leaves"], header.get("operations", [0] * len(self.programs))
        least = _MIN_OPERATIONS_PER_BYTE * sum(
            math.prod(leaf["shape"]) * np.dtype(leaf["dtype"]).itemsize for leaf in leaves
        )
        found = {}
        for index, program in enumerate(self.programs):
            symbol = program["inputs"]["leaves"][0]["shape"][0]
            for single, other in enumerate(self.programs):
                fits = isinstance(symbol, str) and other["inputs"] == _with_one_image(program["inputs"])
                if fits and operations[single] >= least:
                    found[index] = single
        return found

    def __repr__(self) -> str:
        return f"LoadedFunction({self.name!r}, from {self.path!r}, {self.promise})"


def _without_gradients(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The call of a program without a derivative, which says so if it is differentiated."""
    def refuse(*_: Any) -> Any:
        raise ValueError(f"{name} was exported without its derivative: save it with gradients=True")

    function = jax.custom_vjp(call)
    function.defvjp(refuse, refuse)
    return function


def _with_one_image(inputs: dict[str, Any]) -> dict[str, Any]:
    """The description of inputs with a batch of one."""
    return inputs | {"leaves": [leaf | {"shape": [1, *leaf["shape"][1:]]} for leaf in inputs["leaves"]]}


def _image_by_image(call: Callable[..., Any], weights: list[Any], leaves: list[Any]) -> list[Any]:
    """The output for a batch, by a loop over its images.

    Args:
        call: the program for one image.
        weights: the arrays of the file.
        leaves: the inputs; the first axis of each is the batch.
    """
    def one(image: list[Any]) -> list[Any]:
        return [result[0] for result in call(weights, [leaf[None] for leaf in image])]

    return jax.lax.map(one, leaves)


def load(path: str | os.PathLike[str], *, inspect_programs: bool = True) -> LoadedFunction:
    """The function in a file that `save` or `save_function` wrote.

    It needs jax and numpy, and none of the code that made the file. The arrays are mapped into memory: on a CPU,
    processes share those whose size is a multiple of 64 bytes.

    A file is refused, before anything of it runs, if its digest is wrong, its parts do not fit together, or a program
    could do more than compute with its arguments. The last is found by a separate process, the first time that programs
    are loaded on this machine: programs that pass are remembered in `$FUNCVISION_HOME` (`~/.cache/funcvision`). The
    programs of a file may still take much time and memory when they are called.

    Args:
        path: of the file.
        inspect_programs: inspect the programs in a separate process. Turn it off only for files that you wrote
            yourself: changed programs can crash the process that reads them.

    Raises:
        ExportError: the file is refused; the message says why.
        OSError: the file cannot be opened.
    """
    header, tensors = _file.read(path)
    where = os.fspath(path)
    try:
        _check_version(where, header)
        count = len(header["programs"])
        programs = [tensors.pop(_file.program_name(index)).tobytes() for index in range(count)]
        if not programs:
            raise ExportError("it has no program")
        check_promise(where, header["jax"])
        arrays, exported = _arrays_and_programs(header, tensors, programs, inspect_programs=inspect_programs)
        for one, description in zip(exported, header["programs"], strict=True):
            _check_program(header, one, description)
        return LoadedFunction(where, header, arrays, exported)
    except ExportError as error:
        raise error if str(error).startswith(where) else ExportError(f"{where}: {error}") from error
    except Warning:
        raise
    except Exception as error:  # whatever a header or a program of unknown origin may cause
        raise ExportError(
            f"{where} is not a sound file of funcvision.export: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _arrays_and_programs(
    header: dict[str, Any], tensors: dict[str, np.ndarray], programs: list[bytes], *, inspect_programs: bool
) -> tuple[Any, list[jax.export.Exported]]:
    """The arrays on the device, and the programs, which a separate process inspects at the same time."""
    verdict = _verdicts.digest(programs)
    inspect_programs = inspect_programs and not _verdicts.has_passed(verdict)
    with Inspection() if inspect_programs else contextlib.nullcontext() as inspection:
        arrays = _arrays(header["arrays"], tensors)
        exported = [_deserialized(program) for program in programs]
        if inspection is not None:
            if (reason := inspection.objection(exported)) is not None:
                raise ExportError(f"a program is refused: {reason}")
            _verdicts.remember(verdict)
    return arrays, exported


def _deserialized(program: bytes) -> jax.export.Exported:
    """A program whose MLIR has not been read yet, which is left to the inspection."""
    try:
        exported = jax.export.deserialize(bytearray(program))
        reason = objection_to_claims(exported)
    except Exception as error:
        reason = f"jax cannot read it ({type(error).__name__}: {str(error)[:200]})"
        raise ExportError(f"a program is refused: {reason}") from error
    if reason is not None:
        raise ExportError(f"a program is refused: {reason}")
    return exported


def _check_version(where: str, header: dict[str, Any]) -> None:
    version = header["format"]
    if not isinstance(version, int) or version < 1:
        raise ExportError(f"its format is {version!r}, which is not a version")
    if version > _file.FORMAT:
        raise ExportError(
            f"{where} has format {version}, and this version of funcvision reads up to {_file.FORMAT}: update "
            "funcvision"
        )


def _arrays(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> Any:
    """The arrays of a file in the containers that the header describes."""
    names, leaves = description["names"], description["leaves"]
    if sorted(names) != sorted(tensors):
        raise ExportError("its header does not list the arrays that it holds")
    for name, leaf in zip(names, leaves, strict=True):
        if list(tensors[name].shape) != leaf["shape"] or tensors[name].dtype != np.dtype(leaf["dtype"]):
            raise ExportError(f"array {name!r} does not have the shape and dtype in the header")
    return _trees.unflatten(description["structure"], [jax.device_put(tensors[name]) for name in names])


def _check_program(header: dict[str, Any], exported: jax.export.Exported, description: dict[str, Any]) -> None:
    """Compares a program with the header."""
    arrays, inputs, output = header["arrays"]["leaves"], description["inputs"], description["output"]
    for one in (inputs, output):
        if _trees.count(one["structure"]) != len(one["leaves"]):
            raise ExportError("its header describes containers that do not fit their arrays")
    if not isinstance(inputs["structure"], dict) or list(inputs["structure"]) != ["tuple"]:
        raise ExportError("its header does not describe a tuple of inputs")
    for avals, leaves in ((exported.in_avals, [*arrays, *inputs["leaves"]]), (exported.out_avals, output["leaves"])):
        found = [([str(size) for size in aval.shape], aval.dtype) for aval in avals]
        expected = [([str(size) for size in leaf["shape"]], np.dtype(leaf["dtype"])) for leaf in leaves]
        if found != expected:
            raise ExportError("a program does not have the arguments and results in the header")
    flat = jax.tree.structure((([0] * len(arrays), [0] * len(inputs["leaves"])), {}))
    if exported.in_tree != flat or exported.out_tree != jax.tree.structure([0] * len(output["leaves"])):
        raise ExportError("a program does not take and return lists of arrays")
    if tuple(exported.platforms) != tuple(header["platforms"]):
        raise ExportError("a program is for other platforms than the header says")
    if exported.has_vjp() != header["gradients"]:
        raise ExportError("a program has other derivatives than the header says")
    if not isinstance(header["name"], str) or not isinstance(header["license"], str | None):
        raise ExportError("its name or licence is not text")
    categories, prepared = header["categories"], header["prepared"]
    if not isinstance(prepared, bool) or not (categories is None or _is_list_of_texts(categories)):
        raise ExportError("its categories are no list of texts, or it does not say whether images are prepared")
    if not isinstance(header.get("task"), str | None):
        raise ExportError("its task is not text")
    preset = header["preset"]
    if preset is not None and not (isinstance(preset, dict) and isinstance(preset.get("options"), dict)):
        raise ExportError("its preset has no options")
    if header.get("task") is not None and not all(leaf["shape"] for leaf in inputs["leaves"] + output["leaves"]):
        raise ExportError("its program for a batch has arrays without the axis of the batch")
    if not all(isinstance(limit, int) for limit in header["limits"].values()):
        raise ExportError("its smallest sizes are not whole numbers")


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
