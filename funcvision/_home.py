"""The folder in which funcvision keeps files that it can download or make again."""

import os
import pathlib

__all__ = ["home"]


def home() -> pathlib.Path:
    """`$FUNCVISION_HOME`; if it is not set, `$XDG_CACHE_HOME/funcvision`; else `~/.cache/funcvision`."""
    if chosen := os.environ.get("FUNCVISION_HOME"):
        return pathlib.Path(chosen).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(caches) if caches else pathlib.Path.home() / ".cache") / "funcvision"
