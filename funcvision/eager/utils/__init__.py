"""What `torch.utils` has. Each part is imported when it is first used: `hooks` lies below the others."""

import importlib

TYPE_CHECKING = False  # as in typing
if TYPE_CHECKING:
    from . import data, hooks

__all__ = ["data", "hooks"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
