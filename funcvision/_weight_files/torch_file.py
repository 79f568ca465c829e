"""Reads and writes torch's `.pth` files without torch. Reading maps the file; writing streams it.

Since torch 1.6 a file is a zip archive of `data.pkl` and one uncompressed member per storage. Before that it was five
pickles followed by the storages, each preceded by its number of elements. `torch_pickle` reads the pickles.
"""

import collections
import dataclasses
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from ..functional._check import listed
from . import mapping
from .element_types import BY_DTYPE
from .pickle_writer import ORDERED_DICT, PickleWriter, named
from .torch_pickle import QuantizedTensor, Tensor, TorchPickle

__all__ = ["Call", "Name", "TorchFile", "Written", "state_dict", "write"]

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file from before the zip format
_PROTOCOL = 1001  # the second
_ALIGNMENT = 64  # torch aligns storages to this many bytes, so that it can map them
_LARGE = 1 << 30  # a member of more bytes gets the 64-bit form of the zip header, which is 20 bytes longer
_MAX_EXPANSION = 16  # bytes of tensors that a file may declare per byte of its size: tensors may share memory
_EXPANSION_ALLOWANCE = 64 << 20  # bytes that it may declare beyond that
_MOST_NAMES = 3  # foreign names that an error message lists
_NOT_A_CHECKPOINT = (
    (b"<", "is a web page or XML, not a checkpoint (a failed download?)"),
    (b"version https://git-lfs", "is a git-lfs pointer, not the checkpoint itself: run `git lfs pull`"),
    (b"\x1f\x8b", "is a gzip file: unpack it first"),
    (b"\x89HDF", "is an HDF5 file, not a torch checkpoint"),
)


class TorchFile:
    """A `.pth` file whose structure is read at once and whose tensors are read on demand.

    Args:
        source: the path of the file, or its content.
        reader: reads the pickles; it decides what becomes of what they name.

    Attributes:
        content: what was saved: dicts, lists, plain values, a `Tensor` for each tensor, and a `Placeholder` or `Global`
            for everything else that the file names.
        foreign: the names of those placeholders and globals. Nothing of them was imported, called or run.
        size: the size of the file in bytes.

    Raises:
        ValueError: the file is damaged or is not a torch checkpoint; the message names the file.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes, reader: TorchPickle | None = None):
        self._start: dict[str, int] = {}  # where the bytes of each storage begin
        self._swap = False  # whether the numbers are big-endian
        self._pickle = TorchPickle() if reader is None else reader
        name = "the content of this file" if isinstance(source, bytes) else os.fspath(source)
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as stream:
            try:
                self.size = len(source) if isinstance(source, bytes) else os.fstat(stream.fileno()).st_size
                if not self.size:
                    raise ValueError("is empty")
                self._mapped = source if isinstance(source, bytes) else mapping.map_file(stream)
                self.content = self._open(stream)
            except ValueError as error:
                raise ValueError(f"{name} {error}{self.foreign_clause()}") from error
        self.foreign = tuple(self._pickle.foreign)

    def foreign_clause(self) -> str:
        """The end of an error message that lists what the file names besides tensors; empty if there is nothing."""
        names = [repr(name[:60]) for name in self._pickle.foreign]
        if not names:
            return ""
        return (
            f"; it names {listed(names, _MOST_NAMES)}, and only tensors and plain data are read: nothing in it was "
            "run. Save the weights alone: torch.save(model.state_dict(), path)"
        )

    def array(self, tensor: Tensor) -> np.ndarray:
        """A tensor as a read-only view of the file; a copy if the file holds its numbers in another form."""
        storage, itemsize = tensor.storage, tensor.dtype.itemsize
        offset = self._start[storage.key] + storage.start * storage.dtype.itemsize + tensor.offset * itemsize
        strides = tuple(stride * itemsize for stride in tensor.strides)
        array = mapping.view(self._mapped, tensor.dtype, offset, tensor.shape, strides)
        if self._swap:
            array = _swapped(array)
        if tensor.conjugate:
            array = np.conj(array)
        return np.negative(array) if tensor.negative else array

    def check_expansion(self, tensors: Iterable[Tensor | QuantizedTensor]) -> None:
        """Raises ValueError if tensors together are far larger than the file. They may share memory in it."""
        total = sum(tensor.nbytes for tensor in tensors)
        if total > _MAX_EXPANSION * self.size + _EXPANSION_ALLOWANCE:
            raise ValueError(f"declares {total} bytes of tensors in a file of {self.size}")

    def _open(self, stream: IO[bytes]) -> Any:
        start = self._mapped[:512]
        if start[:2] == b"PK":
            return self._open_zip(stream)
        if start[:1] == b"\x80":
            return self._open_legacy(stream if isinstance(self._mapped, bytes) else self._mapped)
        if start[257:262] == b"ustar":
            raise ValueError("is a tar archive, the format of torch 0.1; load and save it again with a later torch")
        if start[8:9] == b"{":
            raise ValueError("is a safetensors file, not a torch checkpoint: `read` and `load` take both")
        for beginning, sentence in _NOT_A_CHECKPOINT:
            if start.lstrip().startswith(beginning):
                raise ValueError(sentence)
        raise ValueError("is not a torch checkpoint: it is neither a zip archive nor a pickle")

    def _open_zip(self, stream: IO[bytes]) -> Any:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, NotImplementedError, struct.error, EOFError, UnicodeDecodeError) as error:
            raise ValueError(f"is a truncated or damaged zip archive ({error})") from error
        pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError("is a zip archive without a data.pkl, so not a torch checkpoint")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in members:
            raise ValueError("is a TorchScript archive: load it with torch.jit.load and save its state_dict()")
        if byteorder := members.get(f"{folder}byteorder"):
            self._swap = self._mapped[self._extent(byteorder)] == b"big"
        content = self._pickle.read(io.BytesIO(self._mapped[self._extent(members[pickles[0]])]))
        for key, storage in self._pickle.storages.items():
            if (member := members.get(f"{folder}data/{key}")) is None:
                raise ValueError(f"lacks storage {key[:40]!r}")
            extent = self._extent(member)
            if extent.stop - extent.start < storage.size * storage.dtype.itemsize:
                raise ValueError(f"holds too few bytes of storage {key[:40]!r}")
            self._start[key] = extent.start
        return content

    def _extent(self, member: zipfile.ZipInfo) -> slice:
        """Where the bytes of a member lie in the file."""
        stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        if not stored or member.flag_bits & 1:  # bit 0: encrypted
            raise ValueError("is a compressed or encrypted zip archive, which torch never writes")
        # The local header repeats name and extra field, with lengths of its own (APPNOTE.TXT, 4.3.7).
        header = self._mapped[member.header_offset : member.header_offset + 30]
        if member.header_offset < 0 or len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise ValueError("is a truncated or damaged zip archive")
        name_length, extra_length = struct.unpack("<26xHH", header)
        start = member.header_offset + 30 + name_length + extra_length
        if start + member.file_size > self.size:
            raise ValueError("is a truncated or damaged zip archive")
        return slice(start, start + member.file_size)

    def _open_legacy(self, stream: Any) -> Any:
        storages, read = self._pickle.storages, self._pickle.read
        if read(stream) != _MAGIC:
            raise ValueError("is a pickle, but not a torch checkpoint")
        if (protocol := read(stream)) != _PROTOCOL:
            found = str(protocol)[:20] if type(protocol) is int else f"a {type(protocol).__name__}"
            raise ValueError(f"is a torch checkpoint of an unknown version, {found}")
        read(stream)  # the word sizes of the machine that saved the file; storages are little-endian on any machine
        content = read(stream)
        keys, position = read(stream), stream.tell()
        if type(keys) is not list or not all(type(key) is str and key in storages for key in keys):
            raise ValueError("is a damaged torch checkpoint: its list of storages is not one")
        for key in keys:
            count = int.from_bytes(self._mapped[position : position + 8], "little", signed=True)
            end = position + 8 + storages[key].size * storages[key].dtype.itemsize
            if count != storages[key].size or end > self.size:
                raise ValueError(f"is truncated or damaged: storage {key[:40]!r} is not whole")
            self._start[key], position = position + 8, end
        if missing := storages.keys() - self._start.keys():
            raise ValueError(f"is truncated or damaged: it lacks {len(missing)} of {len(storages)} storages")
        return content


def _swapped(array: np.ndarray) -> np.ndarray:
    """The array with the bytes of each number reversed; of a complex number, the bytes of each part."""
    width = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    numbers = np.ascontiguousarray(array).reshape(-1).view(f"u{width}")
    return numbers.byteswap().view(array.dtype).reshape(array.shape)


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """A tensor for `write`. Offset and strides count elements, as torch's do.

    Attributes:
        storage: the array whose elements in row-major order are the storage. Tensors with the same object share it.
        offset: the first element.
        shape: the size of each axis.
        strides: the distance of neighbours along each axis.
        requires_grad: whether the tensor requires a gradient when it is loaded.
        parameter: whether it is a `torch.nn.Parameter`.
        location: the device of the storage: `"cpu"` or `"cuda:0"`.
    """

    storage: np.ndarray
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool = False
    parameter: bool = False
    location: str = "cpu"


class Name(str):
    """The name of an object of torch that has no arguments: `Name("torch.float32")`."""


class Call(NamedTuple):
    """A call of a function of torch: `Call("torch.device", ("cpu",))`."""

    name: str
    arguments: tuple[Any, ...]


def write(stream: IO[bytes], content: Any, progress: Callable[[int], object] = lambda _: None) -> None:
    """Writes plain data and tensors in torch's zip format: little-endian, aligned storages.

    Args:
        stream: where to write; nothing has been written to it yet.
        content: dicts, lists, tuples and plain values, with tensors among them: a numpy array of a type that torch has
            is a tensor with a storage of its own, a `Written` may share a storage with others. `Name` and `Call` stand
            for torch's dtypes, devices and sizes.
        progress: called with a number of bytes whenever these have been written.

    Raises:
        PicklingError: the content holds something else. Nothing has been written then.
    """
    storages: dict[int, tuple[int, np.ndarray]] = {}

    def describe(value: Any) -> list[Any] | None:
        if isinstance(value, np.ndarray) and value.dtype in BY_DTYPE:
            value = Written(value, 0, value.shape, _contiguous_strides(value.shape))
        if isinstance(value, Written):
            number, _ = storages.setdefault(id(value.storage), (len(storages), value.storage))
            return _described_tensor(str(number), value)
        if type(value) is Name:
            return [named(*value.rsplit(".", 1))]
        if type(value) is Call:
            return [named(*value.name.rsplit(".", 1)), tuple(value.arguments), pickle.REDUCE]
        return None

    pickled = PickleWriter(describe).dumps(content)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, size: int, content: Iterable[bytes | memoryview], progress: Callable[[int], object]) -> None:
            large = size > _LARGE
            member = zipfile.ZipInfo(f"archive/{name}")
            member.file_size = size
            padding = -(stream.tell() + 30 + len(member.filename) + 20 * large + 4) % _ALIGNMENT
            member.extra = struct.pack("<2sH", b"FB", padding) + bytes(padding)
            with archive.open(member, "w", force_zip64=large) as target:
                for piece in content:
                    target.write(piece)
                    progress(len(piece))

        def note(name: str, content: bytes) -> None:
            add(name, len(content), [content], lambda _: None)

        note("data.pkl", pickled)
        note("byteorder", b"little")
        for number, array in storages.values():
            add(f"data/{number}", array.nbytes, mapping.pieces(array), progress)
        note("version", b"3\n")


def state_dict(tensors: Mapping[str, np.ndarray]) -> collections.OrderedDict[str, np.ndarray]:
    """A state dict for `write`.

    Torch stores a version of every module with a state dict. Here only the model itself has one, version 2, because
    torchvision's MNASNet refuses a state dict without it. No other model asks for versions.
    """
    content: Any = collections.OrderedDict(tensors)
    content._metadata = collections.OrderedDict({"": {"version": 2}})
    return content


def _described_tensor(key: str, tensor: Written) -> list[Any]:
    """What makes a tensor of its storage, as torch writes it."""
    array = tensor.storage
    element = BY_DTYPE[array.dtype]
    typed = element.storage is not None
    storage = Name(f"torch.{element.storage}" if typed else "torch.storage.UntypedStorage")
    identifier = ("storage", storage, key, tensor.location, array.size if typed else array.nbytes)
    parts: list[Any] = [
        named("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3"), pickle.MARK,
        identifier, pickle.BINPERSID, tensor.offset, tensor.shape, tensor.strides, tensor.requires_grad, ORDERED_DICT,
        *([] if typed else [Name(f"torch.{element.torch}")]), pickle.TUPLE, pickle.REDUCE,
    ]  # fmt: skip
    if tensor.parameter:
        start = [named("torch._utils", "_rebuild_parameter"), pickle.MARK]
        parts = [*start, *parts, tensor.requires_grad, ORDERED_DICT, pickle.TUPLE, pickle.REDUCE]
    return parts


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor that lies in memory in row-major order, in elements."""
    return tuple(np.cumprod((1, *shape[:0:-1]), dtype=np.int64)[::-1].tolist()) if shape else ()
