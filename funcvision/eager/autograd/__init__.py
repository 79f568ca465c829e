"""Automatic differentiation: `torch.autograd` for the eager face."""

from .._graph import Node
from .._modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..tensor import Tensor as Variable
from . import functional, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .differentiation import backward, grad
from .function import Function, once_differentiable
from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = [
    "Function", "GradcheckError", "Node", "Variable", "backward", "detect_anomaly", "enable_grad", "functional", "grad",
    "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad", "once_differentiable", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip
