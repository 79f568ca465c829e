"""torch's settings of a whole process: deterministic algorithms, precision of matrix products, threads."""

import os
from typing import Any

import jax

from ._conversion import TYPES
from .dtypes import set_default_dtype

__all__ = [
    "are_deterministic_algorithms_enabled", "get_float32_matmul_precision", "get_num_interop_threads",
    "get_num_threads", "set_default_tensor_type", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "set_num_threads", "use_deterministic_algorithms",
]  # fmt: skip

_PRECISIONS = {"highest": "highest", "high": "tensorfloat32", "medium": "bfloat16"}
_precision = "highest"
_deterministic = False


def set_float32_matmul_precision(precision: str) -> None:
    """Sets the precision in which float32 matrix products are computed, where the hardware has a choice.

    Args:
        precision: "highest", "high" for TensorFloat-32, or "medium" for bfloat16.
    """
    global _precision
    if precision not in _PRECISIONS:
        raise RuntimeError(f'precision={precision!r}; give "highest", "high" or "medium"')
    _precision = precision
    jax.config.update("jax_default_matmul_precision", _PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """The precision that `set_float32_matmul_precision` got last; "highest" before that."""
    return _precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Notes the wish for algorithms whose results do not vary. On the CPU and on TPUs XLA has no others.

    On a GPU set the environment variable XLA_FLAGS=--xla_gpu_deterministic_ops=true before the program starts.
    """
    global _deterministic
    _deterministic = mode


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` got last."""
    return _deterministic


def get_num_threads() -> int:
    """The number of processors that XLA computes on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_interop_threads() -> int:
    """The number of processors that XLA computes on."""
    return get_num_threads()


def set_num_threads(threads: int) -> None:
    """Checks its argument only: XLA takes as many threads as the process has processors when it starts."""
    if threads <= 0:
        raise RuntimeError(f"the number of threads must be positive; got {threads}")


def set_num_interop_threads(threads: int) -> None:
    """Checks its argument only; see `set_num_threads`."""
    set_num_threads(threads)


def set_flush_denormal(mode: bool) -> bool:
    """False: XLA decides what becomes of denormal numbers. On a CPU it takes them for 0."""
    return False


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype to that of a type of Tensors, such as `eager.FloatTensor` or "torch.FloatTensor"."""
    name = str(t).rpartition(".")[2]
    if name not in TYPES:
        raise TypeError(f"{t!r} is no type of Tensors: use set_default_dtype with a dtype")
    set_default_dtype(TYPES[name])
