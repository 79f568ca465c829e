"""JSON files."""

import json
import os
from typing import Any

__all__ = ["read_json"]


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file.

    Raises:
        ValueError: the file is damaged or no JSON; the message names it.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no JSON file: {error}") from error
