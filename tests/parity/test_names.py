"""What of `torch.nn` and `torch.nn.functional` is there: every public name but those that are listed here."""

import inspect

import torch

from funcvision import functional, nn

ABSENT_LAYERS = {
    "Container", "DataParallel",  # deprecated in torch; jax.jit shards over devices
    "Parameter", "UninitializedBuffer", "UninitializedParameter",  # arrays are declared: nn.Param, nn.Buffer
}
LAZY = "Lazy"  # shapes are declared before an input is seen; the eager face has these layers
ABSENT_FUNCTIONS = {
    "grouped_mm", "scaled_grouped_mm", "scaled_mm",  # matrix products in formats of CUDA devices
    # an array cannot be changed in place
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
    # no functions for users
    "assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "native_channel_shuffle",
}


def test_layers():
    theirs = {name for name, value in vars(torch.nn).items() if inspect.isclass(value) and not name.startswith("_")}
    missing = {name for name in theirs - set(nn.__all__) if not name.startswith(LAZY)}
    assert missing == ABSENT_LAYERS


def test_functions():
    theirs = {
        name for name, value in vars(torch.nn.functional).items()
        if callable(value) and not inspect.isclass(value) and not name.startswith("_")
    }
    missing = {name for name in theirs - set(functional.__all__) if not name[0].isupper()}
    assert missing == ABSENT_FUNCTIONS
