"""Which rules may replace which operations. What no rule replaces is converted by jax2onnx."""

from collections.abc import Sequence

from . import computing, shaping
from .program import Rule

__all__ = ["RULES"]

RULES: dict[str, Sequence[Rule]] = {
    "conv_value": [computing.convolution],
    "dot_general": [computing.product],
    "mul": [computing.scale, computing.broadcast],
    "add": [computing.shift, computing.gemm, computing.broadcast],
    "sub": [computing.broadcast],
    "div": [computing.softmax, computing.mean, computing.broadcast],
    "max": [computing.relu, computing.broadcast],
    "min": [computing.clip, computing.broadcast],
    **{name: [computing.broadcast] for name in ("eq", "gt", "lt", "and", "or")},
    "select_n": [computing.clip, computing.where],
    **{name: [computing.unary] for name in ("logistic", "tanh", "exp", "erf", "rsqrt", "sqrt", "square", "neg", "abs")},
    "onnx_max_pool": [computing.max_pooling],
    "onnx_mean_pool": [computing.mean_pooling],
    "onnx_layer_norm": [computing.layer_normalisation],
    "transpose": [shaping.transposition],
    "reshape": [shaping.reshaped],
    "concatenate": [shaping.concatenation],
    "stack": [shaping.stacking],
    "pad": [shaping.padding],
    "slice": [shaping.slicing],
    "split": [shaping.splitting],
    "gather": [shaping.indexing],
    "resample": [shaping.resampling],
}
"""For names of operations, the rules that may replace them."""
