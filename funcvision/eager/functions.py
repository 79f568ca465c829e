"""Methods of `Tensor` as functions, as in torch: `eager.exp(x)` is `x.exp()`. `operations` has further ones."""

from typing import Any

from .tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "argsort", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "chunk", "clamp",
    "clamp_max", "clamp_min", "clip", "clone", "cos", "cumsum", "detach", "div", "divide", "eq", "equal", "erf", "exp",
    "expm1", "fix", "flatten", "flip", "floor", "floor_divide", "frobenius_norm", "ge", "greater", "greater_equal",
    "gt", "is_distributed", "is_same_size", "is_signed", "isfinite", "isinf", "isnan", "le", "less", "less_equal",
    "log", "log1p", "log2", "log_softmax", "logical_and", "logical_not", "logical_or", "logsumexp", "lt", "masked_fill",
    "masked_select", "matmul", "max", "maximum", "mean", "min", "minimum", "movedim", "mul", "multiply", "ne", "neg",
    "negative", "norm", "not_equal", "nuclear_norm", "permute", "pow", "prod", "reciprocal", "relu", "remainder",
    "reshape", "roll", "round", "rsqrt", "rsub", "sigmoid", "sign", "sin", "softmax", "sort", "split", "sqrt", "square",
    "squeeze", "std", "sub", "subtract", "sum", "t", "tan", "tanh", "topk", "transpose", "tril", "triu", "true_divide",
    "trunc", "unbind", "unflatten", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "unsqueeze", "var",
]  # fmt: skip


def frobenius_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The root of the sum of the squares over axes."""
    return input.norm("fro", dim, keepdim)


def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The sum of the singular values of matrices."""
    return input.norm("nuc", dim, keepdim)


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
greater_equal, gt, is_distributed = Tensor.greater_equal, Tensor.gt, Tensor.is_distributed
is_same_size, is_signed, isfinite, isinf = Tensor.is_same_size, Tensor.is_signed, Tensor.isfinite, Tensor.isinf
isnan, le, less, less_equal, log = Tensor.isnan, Tensor.le, Tensor.less, Tensor.less_equal, Tensor.log
log1p, log2, log_softmax, logical_and = Tensor.log1p, Tensor.log2, Tensor.log_softmax, Tensor.logical_and
logical_not, logical_or, logsumexp, lt = Tensor.logical_not, Tensor.logical_or, Tensor.logsumexp, Tensor.lt
masked_fill, masked_select, matmul, max = Tensor.masked_fill, Tensor.masked_select, Tensor.matmul, Tensor.max
maximum, mean, min, minimum, movedim = Tensor.maximum, Tensor.mean, Tensor.min, Tensor.minimum, Tensor.movedim
mul, multiply, ne, neg, negative = Tensor.mul, Tensor.multiply, Tensor.ne, Tensor.neg, Tensor.negative
norm, not_equal, permute, pow, prod = Tensor.norm, Tensor.not_equal, Tensor.permute, Tensor.pow, Tensor.prod
reciprocal, relu, remainder, reshape = Tensor.reciprocal, Tensor.relu, Tensor.remainder, Tensor.reshape
roll, round, rsqrt, sigmoid, sign = Tensor.roll, Tensor.round, Tensor.rsqrt, Tensor.sigmoid, Tensor.sign
sin, softmax, sort, split, sqrt = Tensor.sin, Tensor.softmax, Tensor.sort, Tensor.split, Tensor.sqrt
square, squeeze, std, sub, subtract = Tensor.square, Tensor.squeeze, Tensor.std, Tensor.sub, Tensor.subtract
sum, t, tan, tanh, topk, transpose = Tensor.sum, Tensor.t, Tensor.tan, Tensor.tanh, Tensor.topk, Tensor.transpose
tril, triu, true_divide, trunc, unbind = Tensor.tril, Tensor.triu, Tensor.true_divide, Tensor.trunc, Tensor.unbind
unflatten, unsafe_chunk, unsafe_split = Tensor.unflatten, Tensor.unsafe_chunk, Tensor.unsafe_split
unsafe_split_with_sizes, unsqueeze, var = Tensor.unsafe_split_with_sizes, Tensor.unsqueeze, Tensor.var
