"""Where the figures of a run go: JSON lines, CSV, TensorBoard. With several processes only the first one writes."""

import contextlib
import csv
import io
import json
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import jax

__all__ = ["CSV", "JSONLines", "Log", "TensorBoard"]


class Log(Protocol):
    """What `fit` writes figures to."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the figures of a step."""

    def rewind(self, step: int) -> None:
        """Removes what belongs to later steps, because the run continues after this one."""

    def close(self) -> None:
        """Ends the log."""


class JSONLines:
    """A file with one JSON object a line: "step" and the figures, null for those that are not finite.

    A line is handed to the operating system when `write` returns, so it survives the end of the process.

    Args:
        path: the file. Lines are added to those that are there.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path, self._file = pathlib.Path(path), None
        if jax.process_index() == 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a line."""
        if self._file is not None:
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
            with _named(self.path):
                self._file.write(json.dumps({"step": step, **finite}) + "\n")  # JSON has no NaN
                self._file.flush()

    def rewind(self, step: int) -> None:
        """Removes the lines of later steps, and a last line that is not complete.

        Raises:
            ValueError: the file is not such a log.
        """
        if self._file is not None:
            self._file.close()
            try:
                kept = [line for line in _complete_lines(self.path) if json.loads(line)["step"] <= step]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{self.path} has lines that are not figures of steps: give another file") from error
            _replace(self.path, "".join(kept))
            self._file = self.path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            with _named(self.path):
                self._file.close()


class CSV:
    """A table with a row for each `write`. A figure that comes later for the first time adds a column.

    Args:
        path: the file. Rows are added to those that are there.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path, self._writes = pathlib.Path(path), jax.process_index() == 0
        self._columns: list[str] = ["step"]
        if self._writes:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._rewrite(self._rows(), ())

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a row."""
        if not self._writes:
            return
        if new := [name for name in values if name not in self._columns]:
            self._rewrite(self._rows(), new)
        with _named(self.path), self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns, restval="", lineterminator="\n").writerow({"step": step, **values})

    def rewind(self, step: int) -> None:
        """Removes the rows of later steps, and a last row that is not complete."""
        if self._writes:
            self._rewrite([row for row in self._rows() if int(row["step"]) <= step], ())

    def close(self) -> None:
        """Does nothing: the file is open only while a row is written."""

    def _rows(self) -> list[dict[str, Any]]:
        rows = csv.DictReader(_complete_lines(self.path)) if self.path.exists() else csv.DictReader([])
        self._columns = list(rows.fieldnames or ["step"])
        return list(rows)

    def _rewrite(self, rows: list[dict[str, Any]], new: Any) -> None:
        self._columns = [*self._columns, *new]
        lines = [self._columns, *([row.get(name) or "" for name in self._columns] for row in rows)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        _replace(self.path, text.getvalue())


class TensorBoard:
    """Event files for TensorBoard. It needs `pip install "funcvision[train]"`.

    Args:
        folder: where the event files are.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | pathlib.Path):
        self.folder, self._writer = pathlib.Path(folder), None
        if jax.process_index() == 0:
            self._writer = _summary_writer()(str(folder))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to the curve of each figure."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def rewind(self, step: int) -> None:
        """Tells TensorBoard to drop the points of later steps."""
        if self._writer is not None:
            self._writer.close()
            self._writer = _summary_writer()(str(self.folder), purge_step=step + 1)

    def close(self) -> None:
        """Writes what is still in memory."""
        if self._writer is not None:
            self._writer.close()


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError('TensorBoard logs need tensorboardX: pip install "funcvision[train]"') from error
    return SummaryWriter


def _complete_lines(path: pathlib.Path) -> list[str]:
    """The lines of a file without a last one that was cut off."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


def _replace(path: pathlib.Path, text: str) -> None:
    """Writes a file as a whole: a run that is killed meanwhile leaves the old one or the new one."""
    other = path.with_name(path.name + ".tmp")
    with _named(other):
        other.write_text(text, encoding="utf-8")
    other.replace(path)


@contextlib.contextmanager
def _named(path: pathlib.Path) -> Iterator[None]:
    """Adds the name of a file to an error of writing it, as on a full disk, which Python leaves out."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
