"""Compiled programs kept on disk, so that the second run of a program starts at once."""

import os
import pathlib

import jax

__all__ = ["enable_compilation_cache"]


def enable_compilation_cache(folder: str | os.PathLike[str] | None = None) -> str:
    """Has JAX keep what it compiles, in this and in later processes; returns the folder.

    `folder` defaults to `~/.cache/funcvision/compiled` (under `$XDG_CACHE_HOME` where that is set). A folder that was
    chosen before, by `JAX_COMPILATION_CACHE_DIR` or by `jax.config`, is left as it is unless `folder` is given.
    Programs that compile in under a second are not kept.
    See https://docs.jax.dev/en/latest/persistent_compilation_cache.html.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None and chosen:
        return chosen
    if folder is None:
        caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(caches) / "funcvision" / "compiled"
    jax.config.update("jax_compilation_cache_dir", os.fspath(folder))
    return os.fspath(folder)
