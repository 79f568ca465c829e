"""Reads the pickles inside torch's files without importing, calling or building anything they name.

`pickle.Unpickler` looks names up, calls them and sets attributes on what they return, so a filter over it has to
foresee every use of that. Here the stream is only taken apart, by `pickletools.genops`, and the few instructions that
torch's files are made of are carried out on lists, tuples, dicts and two records, `Storage` and `Tensor`. A name is a
string on the stack. Whatever else a file asks for is an error that says what it was.
"""

import dataclasses
import math
import pickletools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._element_types import BY_STORAGE, BY_TORCH

__all__ = ["Storage", "Tensor", "read_pickle"]

_MAX_AXES = 64  # torch's and numpy's limit
_UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")
_NO_NUMPY_DTYPE = ("complex32", "quint8", "qint8", "qint32", "quint4x2", "quint2x4", "float4_e2m1fn_x2")


@dataclasses.dataclass(frozen=True)
class Storage:
    """A flat run of elements in the file; `start` is not zero only for the storage views of torch before 0.4."""

    key: str
    dtype: np.dtype
    size: int
    start: int = 0
    view_size: int | None = None

    @property
    def readable(self) -> int:
        """The number of bytes that tensors may look at."""
        return (self.size if self.view_size is None else self.view_size) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor as a view of its storage; offset and strides count elements, as torch's do."""

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool = False
    negative: bool = False

    @property
    def nbytes(self) -> int:
        """The size of all elements, those that share memory counted each time."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class _Name:
    """A class or function that the pickle names. It is never looked up."""

    name: str


def read_pickle(stream: Any, storages: dict[str, Storage] | None = None) -> Any:
    """What the pickle at the stream's position describes; the position is then behind it.

    Storages that it refers to are entered into `storages`, by key.

    Raises `ValueError` where it is damaged or asks for anything but tensors and plain data. The message reads on from
    the file's name.
    """
    machine = _Machine({} if storages is None else storages)
    position = 0
    try:
        for name, argument, position in _instructions(stream):
            if name == "STOP":
                return machine.pop()
            machine.step(name, argument, position)
    except (IndexError, KeyError) as error:  # an empty stack, a memo without that entry
        raise ValueError(f"has a damaged pickle (at byte {position}): {error!r}") from error
    raise ValueError("has a damaged pickle: it does not end")


def _instructions(stream: Any) -> Iterator[tuple[str, Any, int]]:
    try:
        source: Any = _Source(stream)
        for opcode, argument, position in pickletools.genops(source):
            yield opcode.name, argument, position or 0
    except ValueError as error:
        raise ValueError(f"has a damaged pickle: {error}") from error


class _Source:
    """What `genops` reads from. Escapes in text, which only protocol 0 knows, are refused: it warns of wrong ones."""

    def __init__(self, stream: Any):
        self.read, self.tell, self._readline = stream.read, stream.tell, stream.readline

    def readline(self) -> bytes:
        """The next line."""
        if b"\\" in (line := self._readline()):
            raise ValueError("a backslash in a name")
        return line


class _Machine:
    """The stack machine of the pickle format, reduced to what describes plain data."""

    def __init__(self, storages: dict[str, Storage]):
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages = storages
        self.pairs_copied = 0

    def step(self, name: str, argument: Any, position: int) -> None:
        """Carries out one instruction, by its name in `pickletools`."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _PUSH_NEW:
            self.stack.append(_PUSH_NEW[name]())
        elif name in _PUT:
            self.memo[len(self.memo) if argument is None else argument] = self.top()
        elif name in _GET:
            self.stack.append(self.memo[argument])
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            self.stack.append(self.reduce(function, arguments, position))
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"uses the pickle instruction {name}, which no tensors need; nothing in it was run")

    def top(self) -> Any:
        """The value on top of the stack."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        return self.stack[-1]

    def pop(self) -> Any:
        """Takes the value from the top of the stack."""
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        """Takes all values down to the last mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def extend(self, values: list[Any]) -> None:
        """Appends to the list on top of the stack."""
        if type(target := self.top()) is not list:
            raise ValueError(f"has a damaged pickle: it appends to a {type(target).__name__}")
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Sets items of the dict on top of the stack, from keys and values in turn."""
        if type(target := self.top()) is not dict or len(values) % 2:
            raise ValueError(f"has a damaged pickle: it sets items of a {type(target).__name__}")
        target.update(_pairs(zip(values[::2], values[1::2], strict=True)))

    def build(self, state: Any) -> None:
        """Drops the attributes of a dict (torch notes module versions there); nothing else may have any."""
        if type(target := self.top()) is not dict or type(state) is not dict:
            raise ValueError(f"sets attributes of a {type(target).__name__}, which no file of tensors needs")

    def storage(self, identifier: Any) -> Storage:
        """The storage that a persistent id stands for."""
        match identifier:
            case ("storage", _Name(name), str(key), _, int(size), *rest) if size >= 0:
                dtype = np.dtype(np.uint8) if name in _UNTYPED else BY_STORAGE[name.removeprefix("torch.")].dtype
                storage = Storage(key, dtype, size)
            case _:
                raise ValueError("refers to something outside the pickle that is not a storage")
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"declares storage {key[:40]!r} twice, with different types or sizes")
        match rest:
            case [] | [None]:
                return storage
            case [(_, int(start), int(view_size))] if start >= 0 and 0 <= view_size <= size - start:
                return dataclasses.replace(storage, start=start, view_size=view_size)
        raise ValueError(f"has a view of storage {key[:40]!r} that lies outside it")

    def reduce(self, function: Any, arguments: Any, position: int) -> Any:
        """What a call in the pickle describes. Of plain data that weights do not need, the arguments are kept."""
        if not isinstance(function, _Name) or type(arguments) is not tuple:
            raise ValueError("calls something that is not a name; nothing in it was run")
        match function.name, arguments:
            case "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", (Storage() as storage, *view):
                return _tensor(storage, storage.dtype, view[:3], *view[5:6])
            case "torch._utils._rebuild_tensor_v3", (Storage() as storage, *view) if len(view) > 5:
                return _tensor(storage, _dtype(view[5]), view[:3], *view[6:7])
            case name, (Tensor() as data, *_) if name in _PARAMETERS:
                return data
            case "torch.Size", (tuple(shape),):
                return shape
            case "collections.OrderedDict", ():
                return {}
            case "collections.OrderedDict", (list(pairs),):  # as Python 2 wrote it
                self.pairs_copied += len(pairs)
                if self.pairs_copied > position or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
                    raise ValueError("has a damaged pickle: an OrderedDict is not made of pairs")
                return _pairs(pairs)
            case name, _ if name in _INERT:
                return arguments
        raise ValueError(f"calls {function.name} with arguments of the wrong kind; nothing in it was run")


def _pairs(pairs: Any) -> dict[Any, Any]:
    """A dict of pairs. Keys are scalars: the hash of a nested tuple can take forever, or overflow the C stack."""
    values = {}
    for key, value in pairs:
        parts = key if type(key) is tuple and len(key) <= 16 else (key,)
        if not all(part is None or type(part) in (str, bytes, bool, float, int) for part in parts):
            raise ValueError(f"has a dict with a {type(key).__name__} as a key, which is not read")
        if any(type(part) is int and part.bit_length() > 64 for part in parts):
            raise ValueError("has a dict with an integer of more than 64 bits as a key, which is not read")
        values[key] = value
    return values


def _dtype(name: Any) -> np.dtype:
    if isinstance(name, _Name) and (known := BY_TORCH.get(name.name.removeprefix("torch."))):
        return known.dtype
    raise ValueError(f"has a tensor of type {getattr(name, 'name', '?')}, which numpy does not have")


def _tensor(storage: Storage, dtype: np.dtype, view: list[Any], flags: Any = None) -> Tensor:
    """A tensor that is known to lie inside its storage."""
    match view:
        case [int(offset), tuple(shape), tuple(strides)] if len(shape) == len(strides) <= _MAX_AXES and offset >= 0:
            pass
        case _:
            raise ValueError("has a tensor whose offset, shape and strides are not what torch writes")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in (*shape, *strides)):
        raise ValueError("has a tensor with a shape or strides that are not natural numbers")
    needed = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + 1 if all(shape) else 0
    if needed * dtype.itemsize > storage.readable:
        raise ValueError(
            f"has a tensor of shape {shape} and strides {strides} that reaches outside its storage of "
            f"{storage.readable} bytes"
        )
    flags = flags if type(flags) is dict else {}
    return Tensor(storage, dtype, offset, shape, strides, flags.get("conj") is True, flags.get("neg") is True)


def _named(machine: _Machine, argument: str) -> None:
    """Pushes a name if files of tensors may use it."""
    machine.stack.append(_admit(argument.replace(" ", ".", 1)))


def _named_on_stack(machine: _Machine, _: None) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(_admit(f"{module}.{name}" if type(module) is type(name) is str else "?"))


def _admit(name: str) -> _Name:
    if name in _ADMITTED:
        return _Name(name)
    if kind := _OTHER_TENSORS.get(name):
        raise ValueError(f"holds {kind} ({name}), which has no counterpart here: make it a plain dense tensor")
    raise ValueError(
        f"names {name[:100]!r}, and only tensors and plain data are read; nothing in it was run. "
        "Save the weights alone: torch.save(model.state_dict(), path)"
    )


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def action(machine: _Machine, _: Any) -> None:
        machine.stack.append(tuple([machine.pop() for _ in range(count)][::-1]))

    return action


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.update([key, value])


def _new_dict(machine: _Machine, _: Any) -> None:
    values = machine.pop_to_mark()
    machine.stack.append({})
    machine.update(values)


_PUSH_ARGUMENT = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
})  # fmt: skip
_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list,
}  # fmt: skip
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "DICT": _new_dict,
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.update(machine.pop_to_mark()),
    "GLOBAL": _named,
    "STACK_GLOBAL": _named_on_stack,
    "BINPERSID": lambda machine, _: machine.stack.append(machine.storage(machine.pop())),
    "BUILD": lambda machine, _: machine.build(machine.pop()),
}  # fmt: skip

_PARAMETERS = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})
_BUILTINS = [f"{module}.{name}" for module in ("builtins", "__builtin__")
             for name in ("set", "frozenset", "complex", "bytearray")]  # fmt: skip
_INERT = frozenset({"collections.Counter", "torch.device", "_codecs.encode", *_BUILTINS})
_ADMITTED = _INERT | {
    "collections.OrderedDict", "torch.Size", *_UNTYPED,
    *(f"torch.{storage}" for storage in BY_STORAGE),
    *(f"torch.{name}" for name in (*BY_TORCH, *_NO_NUMPY_DTYPE)),
    *(f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3")), *_PARAMETERS,
}  # fmt: skip
_OTHER_TENSORS = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor subclass",
    "torch._tensor._rebuild_from_type_v2": "a tensor subclass",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device's own kind",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device's own kind",
    **{f"torch.{name}Storage": "a quantised tensor" for name in ("QUInt8", "QInt8", "QInt32", "QUInt4x2", "QUInt2x4")},
}  # fmt: skip
