"""Methods of `Tensor` as functions, as in torch: `eager.exp(x)` is `x.exp()`. `operations` has further ones."""

from typing import Any

from .tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "argsort", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "ceil", "chunk",
    "clamp", "clamp_max", "clamp_min", "clip", "clone", "cos", "cumsum", "detach", "div", "divide", "eq", "equal",
    "erf", "exp", "expm1", "fix", "flatten", "flip", "floor", "floor_divide", "gather", "ge", "greater",
    "greater_equal", "gt", "index_select", "is_complex", "is_distributed", "is_same_size", "is_signed", "isfinite",
    "isinf", "isnan", "le", "less", "less_equal", "log", "log1p", "log2", "log_softmax", "logical_and", "logical_not",
    "logical_or", "logsumexp", "lt", "masked_fill", "masked_select", "matmul", "max", "maximum", "mean", "min",
    "minimum", "mm", "moveaxis", "movedim", "mul", "multiply", "ne", "neg", "negative", "nonzero", "norm", "not_equal",
    "permute", "pow", "prod", "reciprocal", "relu", "remainder", "reshape", "roll", "round", "rsqrt", "rsub", "scatter",
    "sigmoid", "sign", "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sub", "subtract", "sum",
    "swapaxes", "swapdims", "t", "tan", "tanh", "topk", "transpose", "tril", "triu", "true_divide", "trunc", "unbind",
    "unflatten", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "unsqueeze", "var",
]  # fmt: skip


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """`other - alpha * input`."""
    return Tensor.sub(other, input, alpha=alpha)


abs, absolute, add, all, allclose = Tensor.abs, Tensor.absolute, Tensor.add, Tensor.all, Tensor.allclose
amax, amin, any, argmax, argmin = Tensor.amax, Tensor.amin, Tensor.any, Tensor.argmax, Tensor.argmin
argsort, bitwise_and, bitwise_left_shift = Tensor.argsort, Tensor.bitwise_and, Tensor.bitwise_left_shift
bitwise_not, bitwise_or, bitwise_right_shift = Tensor.bitwise_not, Tensor.bitwise_or, Tensor.bitwise_right_shift
bitwise_xor, bmm, ceil, chunk, clamp = Tensor.bitwise_xor, Tensor.bmm, Tensor.ceil, Tensor.chunk, Tensor.clamp
clamp_max, clamp_min, clip, clone, cos = Tensor.clamp_max, Tensor.clamp_min, Tensor.clip, Tensor.clone, Tensor.cos
cumsum, detach, div, divide, eq = Tensor.cumsum, Tensor.detach, Tensor.div, Tensor.divide, Tensor.eq
equal, erf, exp, expm1, fix, flatten = Tensor.equal, Tensor.erf, Tensor.exp, Tensor.expm1, Tensor.fix, Tensor.flatten
flip, floor, floor_divide, gather, ge = Tensor.flip, Tensor.floor, Tensor.floor_divide, Tensor.gather, Tensor.ge
greater, greater_equal, gt, index_select = Tensor.greater, Tensor.greater_equal, Tensor.gt, Tensor.index_select
is_complex, is_distributed, is_same_size = Tensor.is_complex, Tensor.is_distributed, Tensor.is_same_size
is_signed, isfinite, isinf, isnan, le = Tensor.is_signed, Tensor.isfinite, Tensor.isinf, Tensor.isnan, Tensor.le
less, less_equal, log, log1p, log2 = Tensor.less, Tensor.less_equal, Tensor.log, Tensor.log1p, Tensor.log2
log_softmax, logical_and, logical_not = Tensor.log_softmax, Tensor.logical_and, Tensor.logical_not
logical_or, logsumexp, lt, masked_fill = Tensor.logical_or, Tensor.logsumexp, Tensor.lt, Tensor.masked_fill
masked_select, matmul, max, maximum, mean = Tensor.masked_select, Tensor.matmul, Tensor.max, Tensor.maximum, Tensor.mean
min, minimum, mm, moveaxis, movedim = Tensor.min, Tensor.minimum, Tensor.mm, Tensor.moveaxis, Tensor.movedim
mul, multiply, ne, neg, negative = Tensor.mul, Tensor.multiply, Tensor.ne, Tensor.neg, Tensor.negative
nonzero, norm, not_equal, permute, pow = Tensor.nonzero, Tensor.norm, Tensor.not_equal, Tensor.permute, Tensor.pow
prod, reciprocal, relu, remainder = Tensor.prod, Tensor.reciprocal, Tensor.relu, Tensor.remainder
reshape, roll, round, rsqrt, scatter = Tensor.reshape, Tensor.roll, Tensor.round, Tensor.rsqrt, Tensor.scatter
sigmoid, sign, sin, softmax, sort = Tensor.sigmoid, Tensor.sign, Tensor.sin, Tensor.softmax, Tensor.sort
split, sqrt, square, squeeze, std = Tensor.split, Tensor.sqrt, Tensor.square, Tensor.squeeze, Tensor.std
sub, subtract, sum, swapaxes, swapdims = Tensor.sub, Tensor.subtract, Tensor.sum, Tensor.swapaxes, Tensor.swapdims
t, tan, tanh, topk, transpose, tril = Tensor.t, Tensor.tan, Tensor.tanh, Tensor.topk, Tensor.transpose, Tensor.tril
triu, true_divide, trunc, unbind = Tensor.triu, Tensor.true_divide, Tensor.trunc, Tensor.unbind
unflatten, unsafe_chunk, unsafe_split = Tensor.unflatten, Tensor.unsafe_chunk, Tensor.unsafe_split
unsafe_split_with_sizes, unsqueeze, var = Tensor.unsafe_split_with_sizes, Tensor.unsqueeze, Tensor.var
