"""MATLAB's `.mat` files, read by scipy (the extra `datasets`)."""

import os
from typing import Any

__all__ = ["read_mat"]


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables in a `.mat` file, by name, as `scipy.io.loadmat` returns them.

    Raises:
        ImportError: scipy is not installed.
        ValueError: the file is damaged or of another kind; the message names it.
    """
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError('scipy reads .mat files: pip install "funcvision[datasets]"') from error
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return scipy.io.loadmat(file)
        except Exception as error:  # on damaged files scipy raises exceptions of many types
            reason = str(error) or type(error).__name__
            raise ValueError(f"{os.fspath(path)} ({size} bytes) is damaged or no .mat file: {reason}") from error
