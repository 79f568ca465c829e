"""Gradients of gradients of the eager face's functions against torch's."""

import numpy as np
import pytest
import torch

from funcvision import eager

from .eager_rows import floats, positive, units

X, P, U, S = floats(3, 4), positive(3, 4), units(3, 4), floats(3, 3)
C = floats(3, 4, dtype="complex64")
I = np.array([[0, 1, 0, 2], [1, 1, 0, 0], [2, 0, 0, 1]])
ROWS = {
    "acos": (lambda t, x: t.acos(x), U), "exp2": (lambda t, x: t.exp2(x), X), "sinc": (lambda t, x: t.sinc(x), X),
    "lgamma": (lambda t, x: t.lgamma(x), P), "hypot": (lambda t, x: t.hypot(x, x * 2), X),
    "xlogy": (lambda t, x: t.xlogy(x, x), P), "erfinv": (lambda t, x: t.erfinv(x), U),
    "logaddexp": (lambda t, x: t.logaddexp(x, x * x), X), "inv": (lambda t, x: t.linalg.inv(x), S),
    "det": (lambda t, x: t.det(x), S), "cholesky": (lambda t, x: t.linalg.cholesky(x @ x.mT + t.eye(3)), S),
    "eigvalsh": (lambda t, x: t.linalg.eigvalsh(x @ x.mT), S), "pinv": (lambda t, x: t.linalg.pinv(x), X),
    "fft": (lambda t, x: t.fft.fft(x).abs(), X), "complex product": (lambda t, x: (x * x.conj() * x).real, C),
    "complex exp": (lambda t, x: t.exp(x).abs(), C), "cumprod": (lambda t, x: t.cumprod(x, 1), X),
    "scatter_add": (lambda t, x: t.zeros(3, 4).scatter_add(0, t.tensor(I), x * x), X),
    "scatter_reduce prod": (lambda t, x: t.ones(3, 4).scatter_reduce(0, t.tensor(I), x * x, "prod"), X),
    "scatter_reduce amax": (lambda t, x: x.scatter_reduce(0, t.tensor(I), x * x, "amax"), X),
    "logcumsumexp": (lambda t, x: t.logcumsumexp(x, 1), X), "median": (lambda t, x: t.median(x * x), X),
    "quantile": (lambda t, x: t.quantile(x * x, 0.3), X), "corrcoef": (lambda t, x: t.corrcoef(x), X),
    "vector_norm": (lambda t, x: t.linalg.vector_norm(x, 3), X),
}  # fmt: skip


def of_the_gradient(function, t, array):
    """The gradient of the squared norm of the gradient of the sum."""
    x = t.tensor(array, requires_grad=True)
    (slope,) = t.autograd.grad(function(t, x).sum(), x, create_graph=True)
    size = (slope * slope.conj()).real if slope.is_complex() else slope * slope
    return np.asarray(t.autograd.grad(size.sum(), x)[0].detach())


@pytest.mark.parametrize("name", ROWS)
def test_gradients_of_gradients(name):
    function, array = ROWS[name]
    expected = of_the_gradient(function, torch, array)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(of_the_gradient(function, eager, array), expected, 1e-3, 2e-4 * scale)
