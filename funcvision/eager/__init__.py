"""A PyTorch-style face: Tensors that record operations on them, modules that hold their arrays, and optimizers.

    from funcvision import eager
    from funcvision.eager import optim
    from funcvision.eager.nn import functional as F

    net = eager.Module(models.resnet18(num_classes=10), seed=0)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""

from . import autograd, fft, func, linalg, nn, operations, optim, special, utils
from ._lift import lift
from ._modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .compile import compile
from .creation import (
    arange,
    cat,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    stack,
    tensor,
    where,
    zeros,
    zeros_like,
)
from .functions import (
    abs,
    all,
    allclose,
    any,
    argmax,
    argmin,
    argsort,
    chunk,
    clamp,
    clone,
    cos,
    cumsum,
    equal,
    exp,
    flatten,
    flip,
    gather,
    log,
    logsumexp,
    masked_select,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    nonzero,
    norm,
    permute,
    pow,
    prod,
    relu,
    reshape,
    roll,
    round,
    sigmoid,
    sign,
    sin,
    softmax,
    sort,
    split,
    sqrt,
    square,
    squeeze,
    std,
    sum,
    tanh,
    topk,
    transpose,
    tril,
    triu,
    unbind,
    unsqueeze,
    var,
)
from .module import Module
from .operations import *  # noqa: F403
from .random import initial_seed, manual_seed
from .serialization import load, save
from .tensor import Tensor

__all__ = [
    "Module", "Tensor", "abs", "all", "allclose", "any", "arange", "argmax", "argmin", "argsort", "autograd", "cat",
    "chunk", "clamp", "clone", "compile", "cos", "cumsum", "enable_grad", "equal", "exp", "eye", "fft", "flatten",
    "flip", "from_numpy", "full", "full_like", "func", "functional", "gather", "inference_mode", "initial_seed",
    "is_grad_enabled", "is_inference_mode_enabled", "lift", "linalg", "linspace", "load", "log", "logsumexp",
    "manual_seed", "masked_select", "matmul", "max", "maximum", "mean", "min", "minimum", "nn", "no_grad", "nonzero",
    "norm", "ones", "ones_like", "optim", "permute", "pow", "prod", "rand", "rand_like", "randint", "randn",
    "randn_like", "randperm", "relu", "reshape", "roll", "round", "save", "set_grad_enabled", "sigmoid", "sign",
    "sin", "softmax", "sort", "special", "split", "sqrt", "square", "squeeze", "stack", "std", "sum", "tanh",
    "tensor", "topk", "transpose", "tril", "triu", "unbind", "unsqueeze", "utils", "var", "where", "zeros",
    "zeros_like",
]
