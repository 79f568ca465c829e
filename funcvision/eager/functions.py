"""Methods of `Tensor` as functions, as in torch: `eager.exp(x)` is `x.exp()`."""

from .tensor import Tensor

__all__ = [
    "abs", "all", "allclose", "any", "argmax", "argmin", "argsort", "chunk", "clamp", "clone", "cos", "cumsum", "equal",
    "exp", "flatten", "flip", "gather", "log", "logsumexp", "masked_select", "matmul", "max", "maximum", "mean", "min",
    "minimum", "nonzero", "norm", "permute", "pow", "prod", "relu", "reshape", "roll", "round", "sigmoid", "sign",
    "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sum", "tanh", "topk", "transpose", "tril",
    "triu", "unbind", "unsqueeze", "var",
]  # fmt: skip

abs, clamp, exp, log, pow, round = Tensor.abs, Tensor.clamp, Tensor.exp, Tensor.log, Tensor.pow, Tensor.round
cos, sin, sign, sqrt, square, tanh = Tensor.cos, Tensor.sin, Tensor.sign, Tensor.sqrt, Tensor.square, Tensor.tanh
maximum, minimum, relu, sigmoid, softmax = Tensor.maximum, Tensor.minimum, Tensor.relu, Tensor.sigmoid, Tensor.softmax
all, any, allclose, equal = Tensor.all, Tensor.any, Tensor.allclose, Tensor.equal
argmax, argmin, argsort, sort, topk = Tensor.argmax, Tensor.argmin, Tensor.argsort, Tensor.sort, Tensor.topk
cumsum, logsumexp, max, mean, min = Tensor.cumsum, Tensor.logsumexp, Tensor.max, Tensor.mean, Tensor.min
norm, prod, std, sum, var = Tensor.norm, Tensor.prod, Tensor.std, Tensor.sum, Tensor.var
chunk, split, unbind, gather = Tensor.chunk, Tensor.split, Tensor.unbind, Tensor.gather
flatten, flip, permute, reshape, roll = Tensor.flatten, Tensor.flip, Tensor.permute, Tensor.reshape, Tensor.roll
squeeze, transpose, tril, triu, unsqueeze = Tensor.squeeze, Tensor.transpose, Tensor.tril, Tensor.triu, Tensor.unsqueeze
clone, masked_select, matmul, nonzero = Tensor.clone, Tensor.masked_select, Tensor.matmul, Tensor.nonzero
