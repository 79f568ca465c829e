"""Methods of `Tensor` as functions, as in torch: `eager.exp(x)` is `x.exp()`."""

from typing import Any

from ._out import as_function
from .tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "argsort", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "ceil", "chunk",
    "clamp", "clamp_max", "clamp_min", "clip", "clone", "cos", "cumsum", "detach", "div", "divide", "eq", "equal",
    "erf", "exp", "expm1", "fix", "flatten", "flip", "floor", "floor_divide", "gather", "ge", "greater",
    "greater_equal", "gt", "index_select", "is_same_size", "is_signed", "isfinite", "isinf", "isnan", "le", "less",
    "less_equal", "log", "log1p", "log2", "log_softmax", "logical_and", "logical_not", "logical_or", "logsumexp", "lt",
    "masked_fill", "masked_select", "matmul", "max", "maximum", "mean", "min", "minimum", "mm", "moveaxis", "movedim",
    "mul", "multiply", "ne", "neg", "negative", "nonzero", "norm", "not_equal", "permute", "pow", "prod", "reciprocal",
    "relu", "remainder", "reshape", "roll", "round", "rsqrt", "rsub", "scatter", "sigmoid", "sign", "sin", "softmax",
    "sort", "split", "sqrt", "square", "squeeze", "std", "sub", "subtract", "sum", "swapaxes", "swapdims", "t", "tan",
    "tanh", "topk", "transpose", "tril", "triu", "true_divide", "trunc", "unbind", "unflatten", "unsafe_chunk",
    "unsafe_split", "unsqueeze", "var",
]  # fmt: skip


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """`other - alpha * input`."""
    return Tensor.sub(other, input, alpha=alpha)


abs, absolute, add, all = map(as_function, (Tensor.abs, Tensor.absolute, Tensor.add, Tensor.all))
allclose, amax, amin, any = map(as_function, (Tensor.allclose, Tensor.amax, Tensor.amin, Tensor.any))
argmax, argmin, argsort = map(as_function, (Tensor.argmax, Tensor.argmin, Tensor.argsort))
bitwise_and, bitwise_left_shift = map(as_function, (Tensor.bitwise_and, Tensor.bitwise_left_shift))
bitwise_not, bitwise_or = map(as_function, (Tensor.bitwise_not, Tensor.bitwise_or))
bitwise_right_shift, bitwise_xor, bmm = map(as_function, (Tensor.bitwise_right_shift, Tensor.bitwise_xor, Tensor.bmm))
ceil, chunk, clamp, clamp_max = map(as_function, (Tensor.ceil, Tensor.chunk, Tensor.clamp, Tensor.clamp_max))
clamp_min, clip, clone, cos = map(as_function, (Tensor.clamp_min, Tensor.clip, Tensor.clone, Tensor.cos))
cumsum, detach, div, divide, eq = map(as_function, (Tensor.cumsum, Tensor.detach, Tensor.div, Tensor.divide, Tensor.eq))
equal, erf, exp, expm1, fix = map(as_function, (Tensor.equal, Tensor.erf, Tensor.exp, Tensor.expm1, Tensor.fix))
flatten, flip, floor, floor_divide = map(as_function, (Tensor.flatten, Tensor.flip, Tensor.floor, Tensor.floor_divide))
gather, ge, greater, greater_equal = map(as_function, (Tensor.gather, Tensor.ge, Tensor.greater, Tensor.greater_equal))
gt, index_select, is_same_size = map(as_function, (Tensor.gt, Tensor.index_select, Tensor.is_same_size))
is_signed, isfinite, isinf, isnan = map(as_function, (Tensor.is_signed, Tensor.isfinite, Tensor.isinf, Tensor.isnan))
le, less, less_equal, log = map(as_function, (Tensor.le, Tensor.less, Tensor.less_equal, Tensor.log))
log1p, log2, log_softmax = map(as_function, (Tensor.log1p, Tensor.log2, Tensor.log_softmax))
logical_and, logical_not, logical_or = map(as_function, (Tensor.logical_and, Tensor.logical_not, Tensor.logical_or))
logsumexp, lt, masked_fill = map(as_function, (Tensor.logsumexp, Tensor.lt, Tensor.masked_fill))
masked_select, matmul, max = map(as_function, (Tensor.masked_select, Tensor.matmul, Tensor.max))
maximum, mean, min, minimum, mm = map(as_function, (Tensor.maximum, Tensor.mean, Tensor.min, Tensor.minimum, Tensor.mm))
moveaxis, movedim, mul, multiply = map(as_function, (Tensor.moveaxis, Tensor.movedim, Tensor.mul, Tensor.multiply))
ne, neg, negative, nonzero = map(as_function, (Tensor.ne, Tensor.neg, Tensor.negative, Tensor.nonzero))
norm, not_equal, permute, pow = map(as_function, (Tensor.norm, Tensor.not_equal, Tensor.permute, Tensor.pow))
prod, reciprocal, relu, remainder = map(as_function, (Tensor.prod, Tensor.reciprocal, Tensor.relu, Tensor.remainder))
reshape, roll, round, rsqrt = map(as_function, (Tensor.reshape, Tensor.roll, Tensor.round, Tensor.rsqrt))
scatter, sigmoid, sign, sin = map(as_function, (Tensor.scatter, Tensor.sigmoid, Tensor.sign, Tensor.sin))
softmax, sort, split, sqrt = map(as_function, (Tensor.softmax, Tensor.sort, Tensor.split, Tensor.sqrt))
square, squeeze, std, sub = map(as_function, (Tensor.square, Tensor.squeeze, Tensor.std, Tensor.sub))
subtract, sum, swapaxes, swapdims = map(as_function, (Tensor.subtract, Tensor.sum, Tensor.swapaxes, Tensor.swapdims))
t, tan, tanh, topk, transpose = map(as_function, (Tensor.t, Tensor.tan, Tensor.tanh, Tensor.topk, Tensor.transpose))
tril, triu, true_divide, trunc = map(as_function, (Tensor.tril, Tensor.triu, Tensor.true_divide, Tensor.trunc))
unbind, unflatten, unsafe_chunk = map(as_function, (Tensor.unbind, Tensor.unflatten, Tensor.unsafe_chunk))
unsafe_split, unsqueeze, var = map(as_function, (Tensor.unsafe_split, Tensor.unsqueeze, Tensor.var))
