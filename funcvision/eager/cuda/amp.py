"""`autocast` and `GradScaler` under the names by which older scripts import them: for GPUs."""

from typing import Any

from .. import amp

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """`eager.amp.autocast` for GPUs. Its arguments are explained there."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`eager.amp.GradScaler` for GPUs. Its arguments are explained there."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("cuda", *args, **kwargs)
