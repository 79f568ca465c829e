"""torch's settings of cuDNN. They can be read and set, and change nothing: XLA chooses its kernels itself."""

from ..cuda import is_available

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "is_available", "version"]

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def version() -> int | None:
    """The version of cuDNN. It is not known here: XLA brings its own."""
    return None
