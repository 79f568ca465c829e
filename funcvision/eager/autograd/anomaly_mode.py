"""Anomaly detection: a backward pass that meets NaN says which operation gave it, and where that was called."""

import warnings
from typing import Any

from .._modes import mode

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Turns anomaly detection on, or off, from now on; as a context, until its end. It is slow.

    While it is on, the graph notes where each operation was called, and a backward pass raises RuntimeError, with that
    place in its message, when an operation gives a gradient with NaN.

    Args:
        mode: whether to turn it on.
        check_nan: whether to look for NaN. Otherwise the places are noted only.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = _turn(mode, check_nan)

    def __enter__(self) -> None:
        """Anomaly detection is on since the object was made."""

    def __exit__(self, *error: Any) -> None:
        mode.anomalies = self._before


class detect_anomaly:
    """A context with anomaly detection; see `set_detect_anomaly`.

    Args:
        check_nan: whether to look for NaN.
    """

    def __init__(self, check_nan: bool = True):
        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. It makes every operation slower: use it to find errors only",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _turn(True, self._check_nan)

    def __exit__(self, *error: Any) -> None:
        mode.anomalies = self._before


def _turn(on: bool, check_nan: bool) -> bool | None:
    """Sets the mode and returns the one before."""
    before = mode.anomalies
    mode.anomalies = check_nan if on else None
    return before
