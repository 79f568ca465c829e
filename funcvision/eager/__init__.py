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

from . import (
    accelerator,
    amp,
    autograd,
    backends,
    cuda,
    distributions,
    dtypes,
    fft,
    func,
    functions,
    in_place,
    linalg,
    mps,
    nn,
    operations,
    optim,
    random,
    special,
    utils,
    xpu,
)
from ._legacy import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from ._lift import lift
from ._modes import (
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from ._printing import get_printoptions, set_printoptions
from ._questions import (
    broadcast_shapes,
    get_device,
    is_floating_point,
    is_inference,
    is_nonzero,
    is_tensor,
    numel,
    result_type,
    typename,
)
from ._size import Size
from ._strided import as_strided, as_strided_scatter
from .amp import autocast, get_autocast_dtype, is_autocast_enabled
from .compile import compile
from .constants import e, inf, nan, newaxis, pi
from .creation import (
    arange,
    as_tensor,
    asarray,
    cat,
    concat,
    concatenate,
    empty,
    empty_like,
    empty_strided,
    eye,
    from_dlpack,
    from_numpy,
    frombuffer,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    range,
    scalar_tensor,
    stack,
    tensor,
    tril_indices,
    triu_indices,
    vander,
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
from .functions import *  # noqa: F403
from .in_place import *  # noqa: F403
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
from .nn.functional import (
    adaptive_avg_pool1d,
    adaptive_max_pool1d,
    alpha_dropout,
    avg_pool1d,
    bilinear,
    celu,
    channel_shuffle,
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_similarity,
    dropout,
    feature_alpha_dropout,
    group_norm,
    hardshrink,
    layer_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pairwise_distance,
    pdist,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    rms_norm,
    rrelu,
    selu,
    threshold,
)
from .operations import *  # noqa: F403
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .sampling import (
    bernoulli,
    binomial,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .serialization import load, save
from .settings import (
    are_deterministic_algorithms_enabled,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    set_default_tensor_type,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    use_deterministic_algorithms,
)
from .tensor import Tensor
from .windows import bartlett_window, blackman_window, hamming_window, hann_window, kaiser_window

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "Generator",
    "HalfTensor", "IntTensor", "LongTensor", "Module", "ShortTensor", "Size", "Tensor", "accelerator",
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "amp", "arange",
    "are_deterministic_algorithms_enabled", "as_strided", "as_strided_scatter", "as_tensor", "asarray", "autocast",
    "autograd", "avg_pool1d", "backends", "bartlett_window", "bernoulli", "bfloat16", "bilinear", "binomial",
    "blackman_window", "bool", "broadcast_shapes", "can_cast", "cat", "cdouble", "celu", "cfloat", "channel_shuffle",
    "channels_last", "channels_last_3d", "compile", "complex128", "complex64", "concat", "concatenate",
    "contiguous_format", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_similarity", "cuda", "default_generator", "device", "distributions", "double",
    "dropout", "dtype", "dtypes", "e", "empty", "empty_like", "empty_strided", "enable_grad", "eye",
    "feature_alpha_dropout", "fft", "finfo", "float", "float16", "float32", "float64", "from_dlpack", "from_numpy",
    "frombuffer", "full", "full_like", "func", "get_autocast_dtype", "get_default_device", "get_default_dtype",
    "get_device", "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "get_printoptions",
    "get_rng_state", "group_norm", "half", "hamming_window", "hann_window", "hardshrink", "iinfo", "inf",
    "inference_mode", "initial_seed", "int", "int16", "int32", "int64", "int8", "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled", "is_autocast_enabled", "is_floating_point", "is_grad_enabled", "is_inference",
    "is_inference_mode_enabled", "is_nonzero", "is_tensor", "kaiser_window", "layer_norm", "layout", "lift", "linalg",
    "linspace", "load", "logspace", "long", "manual_seed", "max_pool1d", "max_pool2d", "max_pool3d", "memory_format",
    "mps", "multinomial", "nan", "newaxis", "nn", "no_grad", "normal", "numel", "ones", "ones_like", "optim",
    "pairwise_distance", "pdist", "pi", "pixel_shuffle", "pixel_unshuffle", "poisson", "prelu", "preserve_format",
    "promote_types", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "randperm",
    "range", "result_type", "rms_norm", "rrelu", "save", "scalar_tensor", "seed", "selu", "set_default_device",
    "set_default_dtype", "set_default_tensor_type", "set_float32_matmul_precision", "set_flush_denormal",
    "set_grad_enabled", "set_num_interop_threads", "set_num_threads", "set_printoptions", "set_rng_state", "short",
    "special", "stack", "strided", "tensor", "threshold", "tril_indices", "triu_indices", "typename", "uint16",
    "uint32", "uint64", "uint8", "use_deterministic_algorithms", "utils", "vander", "where", "xpu", "zeros",
    "zeros_like",
    *functions.__all__, *in_place.__all__, *operations.__all__,
]
