"""`save` and `load`: checkpoints in torch's format, which torch reads too, and torch's files read without torch.

Nothing that a file names is imported, called or run. Numbers, strings, containers, Tensors, Parameters, dtypes, devices
and sizes are read; a file that names anything else is refused.
"""

import collections
import io
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import jax
import numpy as np

from .._weight_files import mapping
from .._weight_files.element_types import BY_TORCH
from .._weight_files.pickles import CONTAINERS, Global, Placeholder
from .._weight_files.torch_file import Call, Name, TorchFile, Written, write
from .._weight_files.torch_pickle import QuantizedTensor, Storage, TorchPickle, why_unreadable
from .._weight_files.torch_pickle import Tensor as Described
from . import _torch_names, devices, dtypes
from ._base import as_array
from ._size import Size
from ._views import contiguous_strides
from .creation import arange
from .nn.parameter import Parameter
from .tensor import Tensor

__all__ = ["load", "save"]

Path = str | os.PathLike[str]
MapLocation = Callable[[Any, str], Any] | Mapping[str, Any] | Any
_READ_AS_PLAIN = frozenset({
    "_codecs.encode", *CONTAINERS,
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("bytes", "complex")),
})  # fmt: skip


# Saving


def save(
    obj: Any, f: Path | IO[bytes], pickle_module: Any = None, pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True, _disable_byteorder_record: bool = False,
) -> None:
    """Writes an object to a file that `load` reads, and `torch.load(..., weights_only=True)`.

    The object may hold None, bools, numbers, strings, bytes, lists, tuples, dicts, OrderedDicts, Counters, sets,
    Tensors, Parameters, dtypes, devices and sizes. Tensors that share their elements share a storage in the file. The
    default integer is written as int64. A file appears under its path when it is whole.

    Args:
        obj: the object.
        f: a path, or a file that is open for writing bytes.
        pickle_module: accepted as in torch. The format is the same with any.
        pickle_protocol: accepted as in torch. The protocol is always 2.
        _use_new_zipfile_serialization: must be True. torch reads this format since version 1.6.
        _disable_byteorder_record: accepted as in torch. The byte order is always recorded.

    Raises:
        PicklingError: something in the object is of another type, such as a Module; the message says where.
    """
    if not _use_new_zipfile_serialization:
        raise ValueError("files are written in the zip format, which torch reads since version 1.6")
    content = _Replacing(obj)
    if isinstance(f, str | os.PathLike):
        with mapping.replacing(f, overwrite=True) as stream:
            write(stream, content.of(obj))
        return
    if not hasattr(f, "write"):
        raise AttributeError(f"save writes to a path or to a file that is open for writing; got {type(f).__name__}")
    whole = io.BytesIO()
    write(whole, content.of(obj))
    f.write(whole.getvalue())


class _Replacing:
    """Replaces Tensors, dtypes, devices and sizes in an object by what `write` knows.

    Args:
        content: the object, whose Tensors may share storages.
    """

    def __init__(self, content: Any):
        self._made: dict[int, Any] = {}  # what replaces each object that was seen
        self._kept: list[Any] = []  # these stay alive, and so their ids belong to them
        self._storages: dict[int, np.ndarray] = {}
        shared: dict[int, set[int]] = {}
        for tensor in _leaves(content, Tensor):
            shared.setdefault(id(_root(tensor)), set()).add(id(tensor))
        self._shared = {root for root, tensors in shared.items() if len(tensors) > 1}

    def of(self, value: Any) -> Any:
        """The value with everything in it replaced. Containers are copies; one that occurs twice is one object."""
        if id(value) in self._made:
            return self._made[id(value)]
        kind = type(value)
        if kind is list:
            made: Any = self._keep(value, [])
            made.extend(map(self.of, value))
            return made
        if kind in (dict, collections.OrderedDict):
            made = self._keep(value, kind())
            made.update((self.of(key), self.of(one)) for key, one in value.items())
            for name, one in getattr(value, "__dict__", {}).items():  # torch keeps the versions of modules there
                setattr(made, name, self.of(one))
            return made
        if kind is tuple:
            return self._keep(value, tuple(map(self.of, value)))
        if isinstance(value, Tensor):
            return self._keep(value, self._tensor(value))
        if (found := _torch_names.described(value)) is not None:
            name, arguments = found
            return self._keep(value, Name(name) if arguments is None else Call(name, arguments))
        return value

    def _keep(self, value: Any, made: Any) -> Any:
        self._kept.append(value)
        self._made[id(value)] = made
        return made

    def _tensor(self, tensor: Tensor) -> Written:
        array, root = as_array(tensor), _root(tensor)
        where = _torch_names.location(array)
        window = _window(tensor, root) if id(root) in self._shared else None
        if window is None:
            storage, window = _storable(array), (0, array.shape, contiguous_strides(array.shape))
        else:
            if id(root) not in self._storages:
                self._storages[id(root)] = _storable(as_array(root))
            storage = self._storages[id(root)]
        return Written(storage, *window, tensor.requires_grad, isinstance(tensor, Parameter), where)


def _leaves(content: Any, kind: type) -> Iterator[Any]:
    """The objects of a type in an object, each once."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, kind):
            seen.add(id(value))
            yield value
        elif isinstance(value, list | tuple | dict):
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _storable(array: jax.Array) -> np.ndarray:
    """The elements on the host. The default integer is int64, as in torch, where jax stores it in 32 bits."""
    values = np.asarray(array)
    widen = values.dtype == np.int32 and not jax.config.read("jax_enable_x64")
    return values.astype(np.int64) if widen else values


def _root(tensor: Tensor) -> Tensor:
    """The Tensor that holds the elements of a view; the Tensor itself if it is none."""
    while tensor._view is not None:
        tensor = tensor._view.base
    return tensor


def _window(tensor: Tensor, root: Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Offset, shape and strides of a view in the elements of its root; None if it is no strided view of them."""
    if tensor is root:
        return 0, tuple(root.shape), contiguous_strides(root.shape)
    numbers = np.asarray(as_array(_of_numbers(tensor, arange(root.numel()).reshape(root.shape))))
    if not numbers.size:
        return 0, numbers.shape, contiguous_strides(numbers.shape)
    first = int(numbers.flat[0])
    strides = tuple(
        int(numbers[(0,) * axis + (1,) + (0,) * (numbers.ndim - axis - 1)]) - first if length > 1 else 1
        for axis, length in enumerate(numbers.shape)
    )
    described = first + sum(
        np.arange(length).reshape(-1, *(1,) * (numbers.ndim - axis - 1)) * strides[axis]
        for axis, length in enumerate(numbers.shape)
    )
    fits = all(stride >= 0 for stride in strides) and np.array_equal(np.broadcast_to(described, numbers.shape), numbers)
    return (first, numbers.shape, strides) if fits else None


def _of_numbers(tensor: Tensor, numbers: Tensor) -> Tensor:
    """The part that a view shows of its root, taken from a Tensor with the root's shape."""
    view = tensor._view
    return numbers if view is None else view.get(_of_numbers(view.base, numbers))


# Loading


def load(
    f: Path | IO[bytes], map_location: MapLocation = None, pickle_module: Any = None, *,
    weights_only: bool | None = None, mmap: bool | None = None, **pickle_load_args: Any,
) -> Any:
    """Reads what `save` or `torch.save` wrote, in the zip format or in the one before it.

    Tensors that share a storage in the file share their elements. A strided tensor becomes a contiguous one, unless it
    shares a storage with others. float64 tensors need `jax_enable_x64`.

    Args:
        f: a path, or a file that is open for reading bytes; it is read from its position to its end.
        map_location: where the tensors are put: a device, its name, a dict from the names of devices in the file to
            such, or a function `(storage, location)` that returns `storage`, `storage.cuda(index)` or None. By default
            each tensor is put on the device that it was saved from.
        pickle_module: accepted as in torch, and not used.
        weights_only: accepted as in torch. No file is read by running what it names, whatever is given.
        mmap: accepted as in torch. A file that is given by its path is always mapped while it is read.
        **pickle_load_args: accepted as in torch, and not used.

    Raises:
        UnpicklingError: the file names something that is not data, which was not run; or it is no checkpoint.
        RuntimeError: the zip archive is damaged, or a device is not there.
        EOFError: the file is empty.
        OverflowError: an integer does not fit 32 bits, without `jax_enable_x64`.
    """
    if isinstance(f, str | os.PathLike):
        source, start = f, _start_of(f)
    elif hasattr(f, "read"):
        source = bytes(f.read())
        start = source[:2]
    else:
        raise AttributeError(f"load reads a path or a file that is open for reading; got {type(f).__name__}")
    if not start:
        raise EOFError("Ran out of input: the file is empty, or was read to its end; f.seek(0) goes to its start")
    try:
        file = TorchFile(source, _Reader())
        return _Loaded(file, map_location).of(file.content)
    except ValueError as error:
        raise (RuntimeError if start == b"PK" else pickle.UnpicklingError)(str(error)) from error
    except RecursionError as error:
        raise pickle.UnpicklingError("the containers in this file are nested too deeply") from error


def _start_of(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(2)


class _Reader(TorchPickle):
    """Reads the pickles of a file, and refuses those that name something other than data."""

    def __init__(self):
        super().__init__()
        self.calls |= CONTAINERS
        size, device = self.calls["torch.Size"], self.calls["torch.device"]
        self.calls |= {"torch.Size": lambda arguments: _applied(Size, size(arguments))}
        self.calls |= {"torch.device": lambda arguments: _applied(devices.device, device(arguments))}

    def name(self, name: str) -> Global:
        """A name that stands for data."""
        if name not in self.calls and name not in self.known and name not in _READ_AS_PLAIN:
            raise _refused(name)
        return Global(name)

    def placeholder(self, name: str, arguments: tuple[Any, ...]) -> Placeholder:
        """A tensor of a kind that is not read; anything else is refused."""
        if name not in self.calls and name not in self.known:
            raise _refused(name)
        return Placeholder(name, arguments)


def _applied(make: Callable[[Any], Any], value: Any) -> Any:
    return value if value is NotImplemented else make(value)


def _refused(name: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(
        f"Weights only load failed: the file names {name[:100]!r}, which is neither a Tensor nor plain data. Nothing "
        "of it was imported or run, and no option runs it: save a state dict and plain data instead"
    )


class _Loaded:
    """Makes Tensors and dtypes of what a reader found in a file.

    Args:
        file: the file.
        map_location: see `load`.
    """

    def __init__(self, file: TorchFile, map_location: MapLocation):
        self._file, self._map_location = file, map_location
        self._made: dict[int, Any] = {}
        described = list(_leaves(file.content, Described))
        file.check_expansion(described)
        self._extents: dict[Any, list[Any]] = {}  # of the tensors in each storage
        self._bases: dict[Any, Tensor] = {}  # what the tensors of a storage are views of, if they are several
        for tensor in described:
            self._extents.setdefault(_memory(tensor), []).append(_extent(tensor))

    def of(self, value: Any) -> Any:
        """The value with Tensors in place of their descriptions. Lists and dicts are changed, not copied."""
        if id(value) in self._made:
            return self._made[id(value)]
        made = self._made[id(value)] = value
        if isinstance(value, Described):
            made = self._tensor(value)
        elif isinstance(value, Global):
            made = self._dtype(value)
        elif isinstance(value, Storage | Placeholder | QuantizedTensor):
            reason = why_unreadable(value) or "holds a storage that belongs to no tensor"
            raise pickle.UnpicklingError(f"the file {reason}")
        elif type(value) is list:
            value[:] = map(self.of, value)
        elif isinstance(value, dict):
            items = [(self.of(key), self.of(one)) for key, one in value.items()]
            value.clear()
            for key, one in items:
                value[key] = one
        elif type(value) is tuple:
            made = tuple(map(self.of, value))
        self._made[id(value)] = made
        return made

    def _dtype(self, value: Global) -> Any:
        name = value.name.removeprefix("torch.")
        if name not in BY_TORCH:
            raise _refused(value.name)
        return dtypes.named(name)

    def _tensor(self, described: Described) -> Tensor:
        extents = self._extents[_memory(described)]
        if len(extents) == 1:
            data = self._placed(described)
            made = Parameter(data) if described.parameter else data
        else:
            made = self._shared(described, extents)
        return made.requires_grad_(described.requires_grad)

    def _shared(self, described: Described, extents: list[Any]) -> Tensor:
        """A Tensor that shares its elements with others: all are views of one, which nobody else sees."""
        key, storage, dtype = _memory(described), described.storage, described.dtype
        alike = all(extent == extents[0] for extent in extents)
        if key not in self._bases:
            whole = Described(storage, dtype, 0, (storage.readable // dtype.itemsize,), (1,))
            self._bases[key] = self._placed(described if alike else whole)
        base = self._bases[key]
        view = base if alike else _strided(base, described)
        made = Parameter(view) if described.parameter else Tensor.wrap(view.array)
        view._has_view(made, lambda base: base.detach(), lambda base, value: value, view.strides)
        made._view.has_history, made._version = False, [0]  # pyright: ignore[reportOptionalMemberAccess]
        return made

    def _placed(self, described: Described) -> Tensor:
        """A Tensor of its own, on the device that is asked for."""
        array = self._file.array(described)
        wanted = jax.dtypes.canonicalize_dtype(array.dtype)
        if wanted != array.dtype and array.dtype.kind in "fc":
            raise RuntimeError(
                f"the file holds a tensor of {array.dtype}, which jax has only with "
                'jax.config.update("jax_enable_x64", True); or save it as float32'
            )
        fitted = as_array(array) if wanted != array.dtype else np.array(array)
        return Tensor.wrap(_torch_names.placed(np.asarray(fitted), self._where(described.storage)))

    def _where(self, storage: Storage) -> Any:
        location, given = storage.location, self._map_location
        if given is None:
            return location
        if isinstance(given, Mapping):
            return given.get(location, location)
        if not callable(given) or isinstance(given, type):
            return given
        found = given(_StorageOnHost(), location)
        return location if found is None else getattr(found, "device", found)


def _memory(tensor: Described) -> tuple[Any, ...]:
    """What tensors have in common that can share their elements here."""
    return tensor.storage.key, tensor.storage.start, tensor.dtype, tensor.conjugate, tensor.negative


def _extent(tensor: Described) -> tuple[Any, ...]:
    """Which elements of its storage a tensor has."""
    return tensor.offset, tensor.shape, tensor.strides


def _strided(base: Tensor, described: Described) -> Tensor:
    """A view of a Tensor of one axis by offset, shape and strides."""
    index: Any = np.full(described.shape, described.offset)
    for axis, (length, stride) in enumerate(zip(described.shape, described.strides, strict=True)):
        index += (np.arange(length) * stride).reshape(-1, *(1,) * (index.ndim - axis - 1))
    once = np.unique(index).size == index.size
    index = index if index.ndim else int(index)

    def written(base: Tensor, value: Tensor) -> Tensor:
        base = base.clone()
        base[index] = value
        return base

    view = base[index].detach().clone()
    return base._has_view(view, lambda base: base[index], written if once else None, described.strides)


class _StorageOnHost:
    """What a function that is given as `map_location` gets: a storage that it may move.

    Attributes:
        device: where the storage shall be.
    """

    def __init__(self, device: str = "cpu"):
        self.device = device

    def cpu(self) -> "_StorageOnHost":
        """The storage on the host."""
        return _StorageOnHost()

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "_StorageOnHost":
        """The storage on a GPU."""
        index = "" if device is None else f":{device}"
        return _StorageOnHost(str(device) if str(device).startswith("cuda") else f"cuda{index}")
