"""Text files of one record a line: lists of names and labels, and CSV files with a header."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Record", "read_csv", "read_table"]

_MAX_SHOWN = 60  # characters of a wrong field or line in an error message


@dataclass(frozen=True)
class Record:
    """One line of a text file.

    Attributes:
        path: the file.
        number: the line's number, from 1.
        fields: the text of each column.
    """

    path: str
    number: int
    fields: Sequence[str]

    def wrong(self, what: str) -> ValueError:
        """An error that names the file and the line."""
        return ValueError(f"{self.path}, line {self.number}: {what}")

    def integer(self, column: int, *, low: int = 0, high: int | None = None) -> int:
        """The integer in a column; ValueError unless it is one from `low` to `high`."""
        text = self.fields[column]
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text):  # int() would also take "1_000" and a million digits
            value = int(text)
            if low <= value and (high is None or value <= high):
                return value
        expected = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise self.wrong(f"expected an integer {expected}, found {text[:_MAX_SHOWN]!r}")


def read_table(
    path: str | os.PathLike[str], columns: int, *, separator: str | None = None, spaces_in_last: bool = False
) -> list[Record]:
    """The lines of a text file, each split into columns. Empty lines are skipped.

    Args:
        path: the file, in UTF-8.
        columns: how many columns every line has.
        separator: what is between columns; by default white space.
        spaces_in_last: whether the last column takes the rest of the line, separators included.

    Raises:
        ValueError: a line has another number of columns, or the file is no text. The message names file and line.
    """
    path = os.fspath(path)
    records = []
    for number, line in enumerate(_lines(path), 1):
        line = line.strip()
        if not line:
            continue
        record = Record(path, number, line.split(separator, columns - 1 if spaces_in_last else -1))
        if len(record.fields) != columns:
            found = f"{len(record.fields)} in {line[:_MAX_SHOWN]!r}"
            raise record.wrong(f"expected {columns} column{'s' * (columns > 1)}, found {found}")
        records.append(record)
    return records


def read_csv(path: str | os.PathLike[str], columns: Sequence[str], *, delimiter: str = ",") -> list[Record]:
    """Some columns of a CSV file, found by the names in its first line.

    Args:
        path: the file, in UTF-8.
        columns: the names of the columns, in the order in which the records have them.
        delimiter: what is between columns.

    Raises:
        ValueError: a column is missing, a line is too short, or the file is no text. The message names file and line.
    """
    path = os.fspath(path)
    reader = csv.reader(_lines(path), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise Record(path, 1, header).wrong(f"its header has no column {', '.join(missing)}")
        places = [header.index(name) for name in columns]
        records = []
        for row in filter(None, reader):
            if len(row) <= max(places):
                raise Record(path, reader.line_num, row).wrong(f"expected {len(header)} columns, found {len(row)}")
            records.append(Record(path, reader.line_num, [row[place] for place in places]))
    except csv.Error as error:
        raise Record(path, reader.line_num, ()).wrong(f"is no valid CSV: {error}") from error
    return records


def _lines(path: str) -> Iterator[str]:
    """The lines of a text file; a byte order mark is left out."""
    with open(path, encoding="utf-8-sig") as file:
        try:
            yield from file
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is damaged or no text file: {error}") from error
