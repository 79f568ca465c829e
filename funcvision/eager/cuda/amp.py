"""Mixed precision in the older form, `cuda.amp.autocast()`. See `funcvision.eager.amp`."""

from typing import Any

from ..amp import GradScaler, custom_bwd, custom_fwd
from ..amp import autocast as _autocast

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(_autocast):
    """`amp.autocast("cuda", ...)`.

    Args:
        enabled: whether autocast is on, or off within another autocast.
        dtype: bfloat16 or float16; by default bfloat16.
        cache_enabled: cast weights once within the context, and not at each use.
    """

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
        super().__init__("cuda", dtype, enabled, cache_enabled)
