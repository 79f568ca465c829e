"""`gradcheck` and `gradgradcheck`: derivatives compared with differences of function values."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._modes import enable_grad, no_grad
from .._operation import differentiable
from ..tensor import Tensor
from .differentiation import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

_FLOAT32_STEP, _FLOAT32_TOLERANCE = 1e-2, 2e-2  # differences of float32 values have about 5 digits less than float64


class GradcheckError(RuntimeError):
    """The derivatives of a function differ from the differences of its values."""


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:
    """Compares the derivatives of a function with central differences of its values, element by element.

    float64, which needs jax_enable_x64, gives reliable differences. For float32 a warning is given, and the step and
    the tolerances are at least 1e-2 and 2e-2.

    Args:
        func: a function of Tensors that returns a Tensor or a tuple of Tensors.
        inputs: its arguments. Those that require a gradient are checked.
        eps: the step of the differences.
        atol: the absolute tolerance.
        rtol: the relative tolerance.
        raise_exception: whether a difference raises an error. Otherwise the result is False.
        nondet_tol: the difference allowed between two computations of the same derivative.
        check_undefined_grad: accepted, without effect.
        check_grad_dtypes: accepted, without effect: a gradient always has the dtype of its input.
        check_batched_grad: accepted, without effect.
        check_forward_ad: accepted, without effect.
        check_backward_ad: whether to check at all.
        fast_mode: accepted; all elements are compared.
        masked: accepted, without effect.

    Returns:
        Whether all derivatives agree.

    Raises:
        GradcheckError: a derivative differs.
        ValueError: no input requires a gradient.
    """
    inputs = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    if any(inputs[i].array.dtype != np.float64 for i in checked):
        warnings.warn(
            "gradcheck got inputs that are not float64, whose differences are not precise. The step and the tolerances "
            "are made larger; for a reliable check turn jax_enable_x64 on and give float64",
            stacklevel=2,
        )
        eps, atol, rtol = max(eps, _FLOAT32_STEP), max(atol, _FLOAT32_TOLERANCE), max(rtol, _FLOAT32_TOLERANCE)
    fault = _fault(func, inputs, checked, eps, atol, rtol, nondet_tol) if check_backward_ad else None
    if fault is not None and raise_exception:
        raise GradcheckError(fault)
    return fault is None


def _fault(
    func: Callable[..., Any], inputs: list[Any], checked: list[int], eps: float, atol: float, rtol: float,
    nondet_tol: float,
) -> str | None:
    """What is wrong with the derivatives."""
    with enable_grad():
        outputs = _outputs(func, inputs)
        for number, output in enumerate(outputs):
            if not differentiable(output.array):
                continue
            for i in checked:
                analytical, again = _analytical(output, inputs[i])
                if np.abs(analytical - again).max(initial=0) > nondet_tol:
                    return f"Backward is not reentrant: two gradients of output {number} by input {i} differ"
                numerical = _numerical(func, inputs, i, number, eps)
                if not np.allclose(analytical, numerical, rtol, atol, equal_nan=True):
                    return (
                        f"Jacobian mismatch for output {number} with respect to input {i},\nnumerical:{numerical}\n"
                        f"analytical:{analytical}\n"
                    )
    return None


def _outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    result = func(*inputs)
    results = result if isinstance(result, tuple | list) else (result,)
    return [tensor for tensor in results if isinstance(tensor, Tensor)]


def _differentiable_outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    return [output for output in _outputs(func, inputs) if differentiable(output.array) and output.requires_grad]


def _analytical(output: Tensor, leaf: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Jacobian [elements of the input, elements of the output], computed twice."""
    twice = []
    for _ in range(2):
        jacobian = np.zeros((leaf.numel(), output.numel()), np.float64)
        for i in range(output.numel() if output.requires_grad else 0):
            unit = np.zeros(output.numel())
            unit[i] = 1
            vector = Tensor.wrap(jnp.asarray(unit.reshape(output.shape).astype(output.array.dtype)))
            (gradient,) = grad([output], [leaf], [vector], retain_graph=True, allow_unused=True)
            if gradient is not None:
                jacobian[:, i] = np.asarray(gradient.array).ravel()
        twice.append(jacobian)
    return twice[0], twice[1]


def _numerical(func: Callable[..., Any], inputs: list[Any], i: int, number: int, eps: float) -> np.ndarray:
    """The Jacobian [elements of the input, elements of the output] from central differences."""
    leaf = inputs[i]
    values, rows = np.asarray(leaf.array), []
    for place in range(values.size):
        both = []
        for step in (eps, -eps):
            moved = values.copy()
            moved.reshape(-1)[place] += step
            with no_grad():
                output = _outputs(func, [*inputs[:i], Tensor.wrap(jnp.asarray(moved)), *inputs[i + 1 :]])[number]
            both.append((np.asarray(output.array, np.float64).ravel(), np.float64(moved.reshape(-1)[place])))
        (high, above), (low, below) = both
        rows.append((high - low) / (above - below))
    return np.array(rows).reshape(values.size, -1)


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
    nondet_tol: float = 0.0, **options: Any,
) -> bool:
    """Compares second derivatives with central differences of first derivatives.

    Args:
        func: a function of Tensors that returns a Tensor or a tuple of Tensors.
        inputs: its arguments. Those that require a gradient are checked.
        grad_outputs: the gradients with respect to the outputs; by default random ones, which are checked, too.
        eps: the step of the differences.
        atol: the absolute tolerance.
        rtol: the relative tolerance.
        gen_non_contig_grad_outputs: accepted, without effect.
        raise_exception: whether a difference raises an error. Otherwise the result is False.
        nondet_tol: the difference allowed between two computations of the same derivative.
        options: further options of `gradcheck`.

    Raises:
        GradcheckError: a derivative differs.
    """
    inputs = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    outputs = _differentiable_outputs(func, inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        drawn = [rng.standard_normal(output.shape).astype(output.array.dtype) for output in outputs]
        vectors = [Tensor.wrap(jnp.asarray(array)).requires_grad_() for array in drawn]
    else:
        vectors = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def first_derivatives(*args: Any) -> tuple[Any, ...]:
        with enable_grad():
            given, cotangents = list(args[: len(inputs)]), args[len(inputs) :]
            for i in places:
                given[i] = given[i] if given[i].requires_grad else given[i].detach().requires_grad_()
            results = _differentiable_outputs(func, given)
            found = grad(results, [given[i] for i in places], cotangents, create_graph=True, allow_unused=True)
        return tuple(gradient for gradient in found if gradient is not None)

    return gradcheck(
        first_derivatives, [*inputs, *vectors], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, **options,
    )
