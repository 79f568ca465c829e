"""Tensors in the bodies of the Open Inference Protocol, version 2: in JSON, or in binary after the JSON."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from .errors import ServeError

__all__ = ["HEADER_LENGTH", "Inference", "datatype", "encode", "parse"]

HEADER_LENGTH = "Inference-Header-Content-Length"
_DTYPES = {
    "BOOL": np.dtype(bool), "UINT8": np.dtype("uint8"), "UINT16": np.dtype("uint16"), "UINT32": np.dtype("uint32"),
    "UINT64": np.dtype("uint64"), "INT8": np.dtype("int8"), "INT16": np.dtype("int16"), "INT32": np.dtype("int32"),
    "INT64": np.dtype("int64"), "FP16": np.dtype("float16"), "FP32": np.dtype("float32"), "FP64": np.dtype("float64"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_ELEMENTS = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "V": {int, float}}
"""What JSON has for the elements of a tensor, by the kind of its dtype; numpy counts bfloat16 as "V"."""
_MOST_AXES = 32
_PIECE = 10_000
"""Numbers that are written to JSON at once."""


@dataclasses.dataclass(frozen=True)
class Inference:
    """A request for inference.

    Attributes:
        id: that the client gave; None if it gave none.
        inputs: [n, ...], as the model takes them.
        outputs: the results that are asked for, each with whether it is sent in binary.
    """

    id: str | None
    inputs: list[np.ndarray]
    outputs: dict[str, bool]


def datatype(dtype: Any) -> str:
    """The protocol's name of a dtype."""
    return _NAMES[np.dtype(dtype)]


def parse(
    body: bytes, header_length: str | None, *, names: Sequence[str], dtypes: Sequence[np.dtype], outputs: Sequence[str]
) -> Inference:
    """Reads a request.

    Args:
        body: of the request.
        header_length: the length of the JSON, from the header of the request; None if all of the body is JSON.
        names: of the inputs of the model. One input may have any name.
        dtypes: of the inputs of the model.
        outputs: the names of the model's results.

    Raises:
        ServeError: 400; the request cannot be read, has other inputs, or asks for other results.
    """
    header, rest = _split(body, header_length)
    given = header.get("inputs")
    if not isinstance(given, list) or len(given) != len(names) or not all(isinstance(one, dict) for one in given):
        raise _refused(f"it must have {len(names)} inputs, {', '.join(names)}")
    places = [names.index(one.get("name")) if one.get("name") in names else -1 for one in given]
    if len(names) == 1:
        places = [0]
    if sorted(places) != list(range(len(names))):
        raise _refused(f"its inputs are not {', '.join(names)}")
    inputs: dict[int, np.ndarray] = {}
    for place, one in zip(places, given, strict=True):
        inputs[place], rest = _tensor(one, rest, names[place], dtypes[place])
    if len({len(array) for array in inputs.values()}) != 1:
        raise _refused("its inputs have different numbers of rows")
    if rest:
        raise _refused(f"{len(rest)} bytes follow the last binary tensor")
    identifier = header.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise _refused("its id is not a string")
    binary = _flag(header, "binary_data_output", False)
    asked = header.get("outputs") or [{"name": name} for name in outputs]
    if not isinstance(asked, list) or not all(
        isinstance(output, dict) and isinstance(output.get("name"), str) for output in asked
    ):
        raise _refused("its outputs are not a list of objects with a name")
    if unknown := {output["name"] for output in asked} - set(outputs):
        raise _refused(f"the model has the outputs {', '.join(outputs)}, and not {min(unknown)[:80]!r}")
    binaries = {output["name"]: _flag(output, "binary_data", binary) for output in asked}
    return Inference(identifier, [inputs[place] for place in range(len(names))], binaries)


def encode(header: dict[str, Any], results: dict[str, tuple[np.ndarray, bool]]) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if binary tensors follow.

    Args:
        header: fields of the answer besides "outputs".
        results: each with whether it is sent in binary.
    """
    outputs, parts = [], []
    for name, (array, binary) in results.items():
        output: dict[str, Any] = {"name": name, "datatype": datatype(array.dtype), "shape": list(array.shape)}
        if binary:
            parts.append(np.ascontiguousarray(array).tobytes())
            output["parameters"] = {"binary_data_size": len(parts[-1])}
        outputs.append(_json(output) if binary else f'{_json(output)[:-1]},"data":[{_elements(array)}]}}')
    text = f'{_json(header)[:-1]},"outputs":[{",".join(outputs)}]}}'.encode()
    return b"".join([text, *parts]), len(text) if parts else None


def _elements(array: np.ndarray) -> str:
    """The elements in JSON, which has no NaN and no infinities: null stands for them.

    They are written in pieces, because other threads wait while Python writes one.
    """
    flat = array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
    flat = flat.reshape(-1)
    return ",".join(_json(_plain(flat[i : i + _PIECE]))[1:-1] for i in range(0, len(flat), _PIECE))


def _plain(flat: np.ndarray) -> list[Any]:
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        return [value if math.isfinite(value) else None for value in flat.tolist()]
    return flat.tolist()


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON of a request, and the bytes after it."""
    length = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdecimal() or len(header_length) > 12:
            raise _refused(f"the header {HEADER_LENGTH} is not a number of bytes")
        length = int(header_length)
        if length > len(body):
            raise _refused(f"the header {HEADER_LENGTH} says {length} bytes, and the body has {len(body)}")
    try:
        header = json.loads(body[:length])
    except (ValueError, RecursionError):
        raise _refused("it is not JSON") from None
    if not isinstance(header, dict):
        raise _refused("it is not a JSON object")
    return header, body[length:]


def _tensor(given: dict[str, Any], rest: bytes, name: str, dtype: np.dtype) -> tuple[np.ndarray, bytes]:
    """The tensor of an input, and the bytes after it."""
    shape = given.get("shape")
    if (
        not isinstance(shape, list) or not 1 <= len(shape) <= _MOST_AXES
        or not all(type(size) is int and 1 <= size < 1 << 40 for size in shape)
    ):
        raise _refused(f"the shape of {name} is not a list of positive whole numbers")
    if given.get("datatype") != _NAMES[dtype]:
        raise _refused(f"{name} is {_NAMES[dtype]}; got {str(given.get('datatype'))[:20]!r}")
    parameters = given.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    count = math.prod(shape)
    if size is not None:
        if type(size) is not int or size != count * dtype.itemsize or size > len(rest):
            raise _refused(f"{name} takes {count * dtype.itemsize} bytes; binary_data_size or the body has others")
        return np.frombuffer(rest[:size], dtype).reshape(shape), rest[size:]
    data = given.get("data")
    if not isinstance(data, list):
        raise _refused(f"{name} has neither data nor binary_data_size")
    # As objects: numpy would make a list with one long string an array in which each element has that length.
    elements = np.asarray(data, object).reshape(-1)
    if len(elements) != count or not _ELEMENTS[dtype.kind].issuperset(map(type, elements)):
        raise _refused(f"the data of {name} are not {count} numbers of type {_NAMES[dtype]}")
    try:
        with np.errstate(over="ignore"):
            numbers = elements.astype(np.float64) if dtype.kind in "fV" else elements
            return numbers.astype(dtype).reshape(shape), rest
    except OverflowError:
        raise _refused(f"the data of {name} have a number that {_NAMES[dtype]} does not hold") from None


def _flag(given: dict[str, Any], name: str, default: bool) -> bool:
    """A parameter that is true or false."""
    parameters = given.get("parameters")
    value = parameters.get(name, default) if isinstance(parameters, dict) else default
    if not isinstance(value, bool):
        raise _refused(f"its parameter {name} is neither true nor false")
    return value


def _refused(why: str) -> ServeError:
    return ServeError(400, f"the request cannot be read: {why}")
