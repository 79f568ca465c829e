"""torch.utils for the eager face."""

from . import hooks

__all__ = ["hooks"]
