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

from . import accelerator, backends, cuda, dtypes, functional, mps, optim, random, xpu
from ._graph import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from ._lift import lift
from ._printing import get_printoptions, set_printoptions
from ._size import Size
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
from .devices import device, get_default_device, set_default_device
from .dtypes import (
    bfloat16,
    bool,
    can_cast,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    dtype,
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
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
from .layouts import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .module import Module
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .tensor import Tensor

__all__ = [
    "accelerator", "backends", "cuda", "dtypes", "functional", "mps", "optim", "random", "xpu",
    # tensors, modules and modes
    "Module", "Tensor", "enable_grad", "initial_seed", "is_grad_enabled", "lift", "manual_seed",
    "no_grad", "set_grad_enabled",
    # dtypes, devices, layouts, printing, generators
    "Generator", "Size", "bfloat16", "bool", "can_cast", "cdouble", "cfloat", "channels_last", "channels_last_3d",
    "complex64", "complex128", "contiguous_format", "default_generator", "device", "double", "dtype", "finfo", "float",
    "float16", "float32", "float64", "get_default_device", "get_default_dtype", "get_printoptions", "get_rng_state",
    "half", "iinfo", "int", "int8", "int16", "int32", "int64", "layout", "long", "memory_format", "preserve_format",
    "promote_types", "seed", "set_default_device", "set_default_dtype", "set_printoptions", "set_rng_state", "short",
    "strided", "uint8", "uint16", "uint32", "uint64",
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
