"""torch's settings of its backends. They are accepted; XLA has no such settings."""

from . import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
