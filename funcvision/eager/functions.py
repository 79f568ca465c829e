"""Methods of `Tensor` as functions, as in torch: `eager.exp(x)` is `x.exp()`. `operations` has further ones."""

from typing import Any

from .tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "argsort", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "chunk", "clamp",
    "clamp_max", "clamp_min", "clip", "clone", "cos", "cumsum", "detach", "div", "divide", "eq", "equal", "erf", "exp",
    "expm1", "fix", "flatten", "flip", "floor", "floor_divide", "ge", "greater", "greater_equal", "gt", "is_same_size",
    "is_signed", "isfinite", "isinf", "isnan", "le", "less", "less_equal", "log", "log1p", "log2", "log_softmax",
    "logical_and", "logical_not", "logical_or", "logsumexp", "lt", "masked_fill", "masked_select", "matmul", "max",
    "maximum", "mean", "min", "minimum", "movedim", "mul", "multiply", "ne", "neg", "negative", "norm", "not_equal",
    "permute", "pow", "prod", "reciprocal", "relu", "remainder", "reshape", "roll", "round", "rsqrt", "rsub", "sigmoid",
    "sign", "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sub", "subtract", "sum", "t", "tan",
    "tanh", "topk", "transpose", "tril", "triu", "true_divide", "trunc", "unbind", "unflatten", "unsafe_chunk",
    "unsafe_split", "unsqueeze", "var",
]  # fmt: skip


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """`other - alpha * input`."""
    return Tensor.sub(other, input, alpha=alpha)


abs, absolute, add, all, allclose = Tensor.abs, Tensor.absolute, Tensor.add, Tensor.all, Tensor.allclose
amax, amin, any, argmax, argmin = Tensor.amax, Tensor.amin, Tensor.any, Tensor.argmax, Tensor.argmin
argsort, bitwise_and, bitwise_left_shift = Tensor.argsort, Tensor.bitwise_and, Tensor.bitwise_left_shift
bitwise_not, bitwise_or, bitwise_right_shift = Tensor.bitwise_not, Tensor.bitwise_or, Tensor.bitwise_right_shift
bitwise_xor, ceil, chunk, clamp = Tensor.bitwise_xor, Tensor.ceil, Tensor.chunk, Tensor.clamp
clamp_max, clamp_min, clip, clone, cos = Tensor.clamp_max, Tensor.clamp_min, Tensor.clip, Tensor.clone, Tensor.cos
cumsum, detach, div, divide, eq = Tensor.cumsum, Tensor.detach, Tensor.div, Tensor.divide, Tensor.eq
equal, erf, exp, expm1, fix, flatten = Tensor.equal, Tensor.erf, Tensor.exp, Tensor.expm1, Tensor.fix, Tensor.flatten
flip, floor, floor_divide, ge, greater = Tensor.flip, Tensor.floor, Tensor.floor_divide, Tensor.ge, Tensor.greater
greater_equal, gt, is_same_size, is_signed = Tensor.greater_equal, Tensor.gt, Tensor.is_same_size, Tensor.is_signed
isfinite, isinf, isnan, le, less = Tensor.isfinite, Tensor.isinf, Tensor.isnan, Tensor.le, Tensor.less
less_equal, log, log1p, log2, log_softmax = Tensor.less_equal, Tensor.log, Tensor.log1p, Tensor.log2, Tensor.log_softmax
logical_and, logical_not, logical_or = Tensor.logical_and, Tensor.logical_not, Tensor.logical_or
logsumexp, lt, masked_fill, masked_select = Tensor.logsumexp, Tensor.lt, Tensor.masked_fill, Tensor.masked_select
matmul, max, maximum, mean, min = Tensor.matmul, Tensor.max, Tensor.maximum, Tensor.mean, Tensor.min
minimum, movedim, mul, multiply, ne = Tensor.minimum, Tensor.movedim, Tensor.mul, Tensor.multiply, Tensor.ne
neg, negative, norm, not_equal, permute = Tensor.neg, Tensor.negative, Tensor.norm, Tensor.not_equal, Tensor.permute
pow, prod, reciprocal, relu, remainder = Tensor.pow, Tensor.prod, Tensor.reciprocal, Tensor.relu, Tensor.remainder
reshape, roll, round, rsqrt, sigmoid = Tensor.reshape, Tensor.roll, Tensor.round, Tensor.rsqrt, Tensor.sigmoid
sign, sin, softmax, sort, split, sqrt = Tensor.sign, Tensor.sin, Tensor.softmax, Tensor.sort, Tensor.split, Tensor.sqrt
square, squeeze, std, sub, subtract = Tensor.square, Tensor.squeeze, Tensor.std, Tensor.sub, Tensor.subtract
sum, t, tan, tanh, topk, transpose = Tensor.sum, Tensor.t, Tensor.tan, Tensor.tanh, Tensor.topk, Tensor.transpose
tril, triu, true_divide, trunc, unbind = Tensor.tril, Tensor.triu, Tensor.true_divide, Tensor.trunc, Tensor.unbind
unflatten, unsafe_chunk, unsafe_split = Tensor.unflatten, Tensor.unsafe_chunk, Tensor.unsafe_split
unsqueeze, var = Tensor.unsqueeze, Tensor.var
