"""Rows of Parquet and Arrow files, read by pyarrow at random places (https://parquet.apache.org/docs/file-format/)."""

import collections
import os
import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["ArrowRows"]

_CACHED_BYTES = 1 << 26  # of row groups that are kept; the last one is kept in any case
_OPEN_FILES = 64  # that are kept open; a process may have some hundred
_FILE_FORMAT = b"ARROW1"  # begins an Arrow file that has an index at its end, and not one that is a stream


class ArrowRows:
    """The rows of several files of one schema, one file after another.

    A Parquet file consists of row groups, each of which is decompressed as a whole. Those that were read last are kept,
    up to 64 MB, so that rows in order cost little. Rows in any order cost the decompression of a row group each. The
    batches of an Arrow file are mapped into memory, where every row costs little in any order.

    Threads may read at the same time. The object pickles as the paths and the numbers of rows. Each process opens the
    files for itself.

    Args:
        paths: the files, which end in `.parquet` or in `.arrow`.

    Attributes:
        paths: the files.
        names: the columns.
        metadata: what the schema says beside the columns: bytes by their name.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: a file is damaged, or has other columns than the first; the message names it.
    """

    def __init__(self, paths: Sequence[str]):
        self.paths = list(paths)
        self._reset()
        self._groups: list[tuple[int, int]] = []  # the number of the file and that of the group in it
        sizes, schema = [], None
        for number, path in enumerate(self.paths):
            file = self._file(number)
            schema = file.schema if schema is None else schema
            if file.schema.names != schema.names:
                raise ValueError(f"{path} has the columns {file.schema.names}, and {self.paths[0]} has {schema.names}")
            self._groups += [(number, group) for group in range(len(file.sizes))]
            sizes += file.sizes
        self._ends = list(accumulate(sizes))
        self.names: list[str] = [] if schema is None else list(schema.names)
        self.metadata: dict[bytes, bytes] = {} if schema is None else dict(schema.metadata or {})

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_files", "_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def path_of(self, index: int) -> str:
        """The file that holds a row."""
        return self.paths[self._groups[bisect_right(self._ends, index)][0]]

    def row(self, index: int, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of a row: numbers, strings, bytes, dicts, lists, and numpy arrays for lists of numbers.

        Args:
            index: the number of the row, from 0 to `len(rows) - 1`.
            names: the columns.

        Raises:
            ValueError: the file is damaged there; the message names it.
        """
        group = bisect_right(self._ends, index)
        start = self._ends[group - 1] if group else 0
        file, place = self._groups[group]
        try:
            row = self._group(file, place).slice(index - start, 1)
            row.validate(full=True)  # the places of values in a damaged file may lie outside the file
            return {name: _value(row.column(name)[0]) for name in names}
        except (OSError, _arrow().lib.ArrowException, UnicodeDecodeError) as error:
            where = f"{self.paths[file]} is damaged in row {index - start} of its part {place}"
            raise ValueError(f"{where}: {error}") from error

    def _reset(self) -> None:
        """Makes what belongs to one process."""
        self._files: collections.OrderedDict[int, _ParquetFile | _ArrowFile] = collections.OrderedDict()
        self._kept: collections.OrderedDict[tuple[int, int], Any] = collections.OrderedDict()
        self._lock = threading.Lock()

    def _file(self, number: int) -> "_ParquetFile | _ArrowFile":
        """An opened file."""
        if number not in self._files:
            path = self.paths[number]
            kind = _ArrowFile if path.endswith(".arrow") else _ParquetFile
            with open(path, "rb"):  # the system's own error if the file is missing or may not be read
                pass
            arrow = _arrow()
            try:
                self._files[number] = kind(path)
            except (OSError, arrow.lib.ArrowException, ValueError) as error:
                size = os.path.getsize(path)
                raise ValueError(f"{path} ({size} bytes) is damaged or no {kind.name} file: {error}") from error
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)
        self._files.move_to_end(number)
        return self._files[number]

    def _group(self, file: int, place: int) -> Any:
        """A row group or batch."""
        with self._lock:  # so that threads that read neighbouring rows do not decompress the same group
            key = file, place
            if key not in self._kept:
                self._kept[key] = self._file(file).read(place)
                while len(self._kept) > 1 and sum(group.nbytes for group in self._kept.values()) > _CACHED_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


class _ParquetFile:
    """A Parquet file; `sizes` has the number of rows of each row group."""

    name = "Parquet"

    def __init__(self, path: str):
        import pyarrow.parquet

        # Not mapped into memory: a file that is cut later would end the process.
        self._file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        self.schema = self._file.schema_arrow
        metadata = self._file.metadata
        self.sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def read(self, place: int) -> Any:
        """The rows of a row group."""
        group = self._file.read_row_group(place)
        if group.num_rows != self.sizes[place]:
            raise OSError(f"it holds {group.num_rows} rows, and its header says {self.sizes[place]}")
        return group


class _ArrowFile:
    """An Arrow file, either with an index or a stream; `sizes` has the number of rows of each batch."""

    name = "Arrow"

    def __init__(self, path: str):
        import pyarrow

        source = pyarrow.memory_map(path)
        indexed = source.read(len(_FILE_FORMAT)) == _FILE_FORMAT
        source.seek(0)
        if indexed:
            reader = pyarrow.ipc.open_file(source)
            self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        else:
            reader = pyarrow.ipc.open_stream(source)
            self._batches = list(reader)
        self.schema = reader.schema
        for batch in self._batches:
            batch.validate()
        self.sizes = [len(batch) for batch in self._batches]

    def read(self, place: int) -> Any:
        """The rows of a batch."""
        return self._batches[place]


def _arrow() -> ModuleType:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('pyarrow reads Parquet and Arrow files: pip install "funcvision[huggingface]"') from error
    return pyarrow


def _value(scalar: Any) -> Any:
    """An Arrow scalar as what a sample holds."""
    types = _arrow().types
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        numbers = types.is_integer(kind.value_type) or types.is_floating(kind.value_type)
        if (numbers or types.is_boolean(kind.value_type)) and not scalar.values.null_count:
            return np.array(scalar.values.to_numpy(zero_copy_only=False))  # a copy: the group need not stay in memory
        return [_value(one) for one in scalar.values]
    if types.is_struct(kind):
        return {name: _value(one) for name, one in scalar.items()}
    return scalar.as_py()
