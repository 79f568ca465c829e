"""Where funcvision keeps what it can fetch or make again."""

import os
import pathlib

__all__ = ["home"]


def home() -> pathlib.Path:
    """`$FUNCVISION_HOME`, or `~/.cache/funcvision` (under `$XDG_CACHE_HOME` where that is set)."""
    if chosen := os.environ.get("FUNCVISION_HOME"):
        return pathlib.Path(chosen).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(caches) if caches else pathlib.Path.home() / ".cache") / "funcvision"
