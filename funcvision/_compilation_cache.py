"""A cache of compiled programs on disk, so that later runs of a program need not compile."""

import os

import jax

from ._home import home

__all__ = ["enable_compilation_cache"]


def enable_compilation_cache(folder: str | os.PathLike[str] | None = None) -> str:
    """Makes JAX store compiled programs on disk, where this and later processes find them.

    Programs that compile in less than a second are not stored.
    See https://docs.jax.dev/en/latest/persistent_compilation_cache.html.

    Args:
        folder: where to store them. By default it is the folder that `JAX_COMPILATION_CACHE_DIR` or `jax.config`
            names, or else `compiled` in `$FUNCVISION_HOME` (`~/.cache/funcvision` if that is not set).

    Returns:
        The folder.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None and chosen:
        return chosen
    path = os.fspath(home() / "compiled" if folder is None else folder)
    jax.config.update("jax_compilation_cache_dir", path)
    return path
