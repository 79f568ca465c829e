"""torch's settings of matrix products on GPUs. They change nothing; see jax's `jax_default_matmul_precision`."""

import types

__all__ = ["is_built", "matmul"]

matmul = types.SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    """Whether jax can use GPUs here."""
    from ..cuda import is_available

    return is_available()
