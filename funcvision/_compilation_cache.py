"""Compiled programs kept on disk, so that the second run of a program starts at once."""

import os

import jax

from ._home import home

__all__ = ["enable_compilation_cache"]


def enable_compilation_cache(folder: str | os.PathLike[str] | None = None) -> str:
    """Has JAX keep what it compiles, in this and in later processes; returns the folder.

    `folder` defaults to `compiled` in `$FUNCVISION_HOME`, which is `~/.cache/funcvision` where it is not set. A folder
    that was chosen before, by `JAX_COMPILATION_CACHE_DIR` or by `jax.config`, is left as it is unless `folder` is
    given. Programs that compile in under a second are not kept.
    See https://docs.jax.dev/en/latest/persistent_compilation_cache.html.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None and chosen:
        return chosen
    path = os.fspath(home() / "compiled" if folder is None else folder)
    jax.config.update("jax_compilation_cache_dir", path)
    return path
