"""The programs of an exported model on one device, compiled for fixed shapes before they are used.

A program that is called here is already compiled. A call with another shape is an error rather than a compilation, so
that no request waits for a compiler.

Each program is timed when it was compiled. A batch of another size is padded, or split, whichever takes less time: on
an accelerator 8 images take little longer than 5, and on a CPU almost twice as long as 5 = 4 + 1.
"""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ..export import LoadedFunction

__all__ = [
    "Executables", "Output", "Signature", "best_size", "cheapest_plans", "common_shape", "input_dtypes", "outputs_of",
    "signatures_of",
]

_TIMED_CALLS = 3
"""Of each program, where there are several to choose among."""
_HARDLY_LONGER = 1.05
"""The ratio of two times up to which they count as equal."""
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """Inputs that a model takes, without the axis of the batch.

    Attributes:
        shapes: of one row of each input.
        sizes: of the batches that are compiled, the smallest first.
    """

    shapes: tuple[Shape, ...]
    sizes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Output:
    """A result of a model.

    Attributes:
        dtype: of the result.
        shape: of a row, with -1 for sizes that depend on the inputs.
    """

    dtype: np.dtype
    shape: Shape


class Executables:
    """A model on one device.

    Args:
        function: each of its inputs and results has the batch as first axis.
        device: one of `jax.devices()`.
        signatures: of the programs to compile.
    """

    def __init__(self, function: LoadedFunction, device: Any, signatures: Sequence[Signature]):
        self._device = device
        self._dtypes = input_dtypes(function)
        self._arrays = jax.device_put(function.arrays, device)
        self._plans: dict[tuple[Shape, ...], list[tuple[int, ...]]] = {}
        self._limits: dict[tuple[Shape, ...], int] = {}
        sharding = jax.sharding.SingleDeviceSharding(device)
        self._compiled = {}
        for signature in signatures:
            for size in signature.sizes:
                examples = [
                    jax.ShapeDtypeStruct((size, *shape), dtype, sharding=sharding)
                    for shape, dtype in zip(signature.shapes, self._dtypes, strict=True)
                ]
                compiled = jax.jit(function.apply).lower(self._arrays, *examples).compile()
                self._compiled[signature.shapes, size] = compiled
            seconds = self._times(signature)
            self._plans[signature.shapes] = cheapest_plans(seconds)
            self._limits[signature.shapes] = best_size(seconds)

    def limit(self, signature: Signature) -> int:
        """How many rows shall be computed together, at most. Larger batches are not faster, for each row."""
        return self._limits[signature.shapes]

    def __call__(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results for inputs [n, ...], each an array [n, ...]. There are as many rows as a signature allows."""
        start, parts = 0, []
        for size in self._plans[tuple(one.shape[1:] for one in rows)][len(rows[0])]:
            parts.append(self._run(size, [one[start : start + size] for one in rows]))
            start += size
        parts = jax.device_get(parts)
        joined = parts[0] if len(parts) == 1 else [np.concatenate(one) for one in zip(*parts, strict=True)]
        return [leaf[: len(rows[0])] for leaf in joined]

    def _run(self, size: int, rows: Sequence[np.ndarray]) -> list[jax.Array]:
        """The results of one program, those of the padding included, which may not be computed yet."""
        inputs = jax.device_put([_padded(one, size) for one in rows], self._device)
        return jax.tree.leaves(self._compiled[tuple(one.shape[1:] for one in rows), size](self._arrays, *inputs))

    def _times(self, signature: Signature) -> dict[int, float]:
        """The seconds that the program for each size takes.

        A first call, which is not counted, reserves memory and starts threads. The programs take turns, so that what
        else the machine does hits all of them. A program is taken to be no slower than one for more rows.
        """
        seconds = dict.fromkeys(signature.sizes, math.inf)
        for number in range(1 + _TIMED_CALLS if len(seconds) > 1 else 1):
            for size in signature.sizes:
                rows = [np.zeros((size, *s), dtype) for s, dtype in zip(signature.shapes, self._dtypes, strict=True)]
                begin = time.perf_counter()
                jax.device_get(self._run(size, rows))
                if number > 0 or len(seconds) == 1:
                    seconds[size] = min(seconds[size], time.perf_counter() - begin)
        return {size: min(seconds[larger] for larger in seconds if larger >= size) for size in seconds}


def cheapest_plans(seconds: Mapping[int, float]) -> list[tuple[int, ...]]:
    """For each number of rows the sizes of the programs that compute it in the shortest time.

    Args:
        seconds: that the program for each size takes.

    >>> cheapest_plans({1: 1.0, 2: 2.0, 4: 4.0})[3]  # the time is in proportion to the size
    (2, 1)
    >>> cheapest_plans({1: 1.0, 2: 1.1, 4: 1.2})[3]  # a row more costs little
    (4,)
    """
    plans: list[tuple[int, ...]] = [()]
    for count in range(1, max(seconds) + 1):
        choices = [(size, *plans[max(0, count - size)]) for size in sorted(seconds, reverse=True)]
        # Of those that take the same time, the one with the least padding and the fewest programs.
        plans.append(min(choices, key=lambda plan: (sum(seconds[size] for size in plan), sum(plan), len(plan))))
    return plans


def best_size(seconds: Mapping[int, float]) -> int:
    """The smallest size of which a row takes hardly longer than a row of any other size.

    Args:
        seconds: that the program for each size takes.

    >>> best_size({1: 1.0, 2: 1.98, 4: 3.96}), best_size({1: 1.0, 2: 1.1, 4: 1.2})
    (1, 4)
    """
    least = min(seconds[size] / size for size in seconds)
    return min(size for size in seconds if seconds[size] / size <= _HARDLY_LONGER * least)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    if len(rows) == size:
        return rows
    padded = np.zeros((size, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def input_dtypes(function: LoadedFunction) -> list[np.dtype]:
    """The dtypes of the inputs of a model."""
    return [np.dtype(leaf["dtype"]) for leaf in function.programs[0]["inputs"]["leaves"]]


def signatures_of(
    function: LoadedFunction, max_batch: int, *, open_size: Sequence[int] | None = None
) -> list[Signature]:
    """The signatures to compile.

    Batches of a program for any number of images are powers of two and `max_batch`.

    Args:
        function: the model.
        max_batch: rows of a batch, at most.
        open_size: height and width where a program takes images of any size; without it, such programs are left out.

    Raises:
        ValueError: the model does not take arrays with the batch as first axis, or no program is left.
    """
    powers = {1 << power for power in range(max_batch.bit_length())} | {max_batch}
    found: dict[tuple[Shape, ...], set[int]] = {}
    for program in function.programs:
        inputs = program["inputs"]
        leaves = [leaf["shape"] for leaf in inputs["leaves"]]
        batches = {str(shape[0]) if shape else "" for shape in leaves}
        if inputs["structure"] != {"tuple": ["*"] * len(leaves)} or len(batches) != 1 or "" in batches:
            raise ValueError(f"{function.name} cannot be served: an input lacks the axis of the batch")
        shapes = tuple(_closed(shape[1:], open_size) for shape in leaves)
        if None not in shapes:
            batch = leaves[0][0]
            sizes = powers if isinstance(batch, str) else {batch} if batch <= max_batch else set()
            found.setdefault(shapes, set()).update(sizes)  # pyright: ignore[reportArgumentType]
    signatures = [Signature(shapes, tuple(sorted(sizes))) for shapes, sizes in found.items() if sizes]
    if not signatures:
        raise ValueError(
            f"{function.name} has no program for inputs of a fixed size in batches of at most {max_batch}: raise the "
            f"largest batch, or export the model with an image size"
        )
    return signatures


def _closed(shape: Sequence[int | str], open_size: Sequence[int] | None) -> Shape | None:
    """The shape of a row, with height and width in place of symbols; None if there are other symbols."""
    if open_size is not None and len(shape) == 3 and isinstance(shape[0], str) and isinstance(shape[1], str):
        shape = [*open_size, shape[2]]
    sizes = tuple(size for size in shape if not isinstance(size, str))
    return sizes if len(sizes) == len(shape) else None


def outputs_of(function: LoadedFunction, signatures: Sequence[Signature]) -> dict[str, Output]:
    """The results of a model, by name.

    Raises:
        ValueError: a result does not have a row for each row of the batch.
    """
    found: dict[str, list[jax.ShapeDtypeStruct]] = {}
    for signature in signatures:
        size = signature.sizes[-1]
        inputs = [
            jax.ShapeDtypeStruct((size, *shape), dtype)
            for shape, dtype in zip(signature.shapes, input_dtypes(function), strict=True)
        ]
        results = jax.eval_shape(lambda *arrays: function(*arrays), *inputs)
        for path, leaf in jax.tree_util.tree_flatten_with_path(results)[0]:
            name = jax.tree_util.keystr(path, simple=True, separator=".") or "output"
            if leaf.ndim == 0 or leaf.shape[0] != size:
                raise ValueError(f"{function.name} cannot be served: its result {name!r} has no row for each input")
            found.setdefault(name, []).append(leaf)
    return {
        name: Output(np.dtype(leaves[0].dtype), common_shape([leaf.shape[1:] for leaf in leaves]))
        for name, leaves in found.items()
    }


def common_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape that all of these have, with -1 for sizes that differ."""
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
