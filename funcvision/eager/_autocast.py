"""Which operations autocast computes in a lower precision, and which in float32: torch's lists for the CPU.

Operations are known by their names, layers by those of their classes. All others keep the dtypes of their arguments.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._modes import mode

__all__ = ["Casts"]

_CONVOLUTIONS = frozenset(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))
_LAYERS = frozenset((
    *(f"Conv{kind}{n}d" for kind in ("", "Transpose") for n in (1, 2, 3)),
    "Linear", "PReLU", "LSTM", "RNN", "RNNCell", "MultiheadAttention",
))  # fmt: skip
LOWER = _CONVOLUTIONS | _LAYERS | frozenset((
    "addbmm", "addmm", "baddbmm", "bmm", "chain_matmul", "einsum", "inner", "linear", "lstm", "matmul", "mm",
    "multi_dot", "multi_head_attention_forward", "prelu", "scaled_dot_product_attention", "vecdot",
))  # fmt: skip
FLOAT32 = frozenset((
    "adaptive_avg_pool3d", "avg_pool3d", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cdist",
    "cholesky", "cholesky_inverse", "cholesky_solve", "cond", "cross_entropy", "eig", "eigh", "eigvals", "eigvalsh",
    "fft", "fft2", "fftn", "grid_sample", "ifft", "ifft2", "ifftn", "inv", "inverse", "irfft", "irfft2", "irfftn",
    "istft", "kl_div", "lstsq", "lu_solve", "matrix_rank", "max_pool3d", "max_unpool2d", "max_unpool3d", "nanquantile",
    "pinv", "pinverse", "polar", "prod", "qr", "quantile", "rfft", "rfft2", "rfftn", "solve", "stft", "svd", "svdvals",
    "tensorinv", "tensorsolve", "trace",
))  # fmt: skip
_HALF = (np.dtype(jnp.bfloat16), np.dtype(jnp.float16))


class Casts:
    """Casts the arguments of operations.

    Args:
        dtype: the lower precision.
        cached: whether leaves that require a gradient, such as weights, are cast once and not at each use.
    """

    def __init__(self, dtype: Any, cached: bool):
        self.dtype = np.dtype(dtype)
        self._cached: dict[tuple[int, int, bool], tuple[TensorBase, Any]] | None = {} if cached else None

    def __call__(self, name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments of the operation with this name, cast."""
        name = name.strip("_")
        if name in LOWER:
            return jax.tree.map(self._lowered, (args, kwargs))
        if name in FLOAT32 or name.endswith(("_loss", "Loss")):
            return jax.tree.map(_raised, (args, kwargs))
        return args, kwargs

    @property
    def key(self) -> tuple[str, np.dtype]:
        """What a function that is compiled within autocast depends on."""
        return "autocast", self.dtype

    def _lowered(self, leaf: Any) -> Any:
        """A float32 or half-precision array in the lower precision."""
        dtype = _dtype(leaf)
        if dtype == self.dtype or dtype not in (np.float32, *_HALF):
            return leaf
        is_weight = isinstance(leaf, TensorBase) and leaf.is_leaf and leaf.requires_grad
        if self._cached is None or not is_weight or mode.trace is not None:
            return _cast(leaf, self.dtype)
        key = id(leaf), leaf.version, mode.recording
        if key not in self._cached:
            self._cached[key] = leaf, _cast(leaf, self.dtype)
        return self._cached[key][1]


def _raised(leaf: Any) -> Any:
    """An array of half precision as float32."""
    return _cast(leaf, np.float32) if _dtype(leaf) in _HALF else leaf


def _dtype(leaf: Any) -> Any:
    """The dtype of the elements of a Tensor or an array; None for anything else."""
    array = leaf._data if isinstance(leaf, TensorBase) else leaf
    return array.dtype if isinstance(array, jax.Array) else getattr(array, "dtype", None)


def _cast(leaf: Any, dtype: Any) -> Any:
    return getattr(leaf, "to" if isinstance(leaf, TensorBase) else "astype")(dtype)
