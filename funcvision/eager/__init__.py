"""A PyTorch-style face: Tensors that record operations on them, modules that hold their arrays, and optimizers.

    from funcvision import eager
    from funcvision.eager import functional as F, optim

    net = eager.Module(models.resnet18(num_classes=10), seed=0)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""

from . import distributions, functional, optim
from ._graph import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from ._lift import lift
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
from .random import initial_seed, manual_seed
from .tensor import Tensor

__all__ = [
    "distributions", "functional", "optim",
    # tensors, modules and modes
    "Module", "Tensor", "enable_grad", "initial_seed", "is_grad_enabled", "lift", "manual_seed",
    "no_grad", "set_grad_enabled",
    # creation
    "arange", "cat", "eye", "from_numpy", "full", "full_like", "linspace", "ones", "ones_like", "rand", "rand_like",
    "randint", "randn", "randn_like", "randperm", "stack", "tensor", "where", "zeros", "zeros_like",
    # functions
    "abs", "all", "allclose", "any", "argmax", "argmin", "argsort", "chunk", "clamp", "clone", "cos", "cumsum", "equal",
    "exp", "flatten", "flip", "gather", "log", "logsumexp", "masked_select", "matmul", "max", "maximum", "mean", "min",
    "minimum", "nonzero", "norm", "permute", "pow", "prod", "relu", "reshape", "roll", "round", "sigmoid", "sign",
    "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sum", "tanh", "topk", "transpose", "tril",
    "triu", "unbind", "unsqueeze", "var",
]  # fmt: skip
