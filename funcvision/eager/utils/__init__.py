"""What `torch.utils` has: loading of data, hooks, recomputation in backward, logs for TensorBoard.

Each part is imported when it is first used, because `hooks` lies below the classes that the others need.
"""

import importlib

TYPE_CHECKING = False  # as in typing
if TYPE_CHECKING:
    from . import checkpoint, data, hooks, tensorboard

__all__ = ["checkpoint", "data", "hooks", "tensorboard"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
