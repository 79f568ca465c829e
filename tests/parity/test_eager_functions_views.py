"""Writes through views that functions of the eager face make, against torch's: values, gradients and strides."""

import numpy as np
import pytest
import torch

from funcvision import eager

from .eager_rows import floats

X = floats(4, 3, 6)
VIEWS = {
    "diagonal": lambda x: x.diagonal(), "diagonal of axes": lambda x: x.diagonal(-1, 0, 2),
    "narrow": lambda x: x.narrow(2, 1, 3),
    "select": lambda x: x.select(1, -1), "unfold": lambda x: x.unfold(2, 2, 3), "hsplit": lambda x: x.hsplit(3)[1],
    "vsplit": lambda x: x.vsplit(2)[1], "dsplit": lambda x: x.dsplit([1, 4])[1], "ravel": lambda x: x.ravel(),
    "tensor_split": lambda x: x.tensor_split(4, -1)[2],
    "swapaxes": lambda x: x.swapaxes(0, 2)[1], "of a view": lambda x: x[1:].transpose(0, 2).diagonal(0, 1, 2)[1:],
}  # fmt: skip
COMPLEX = {
    "real": lambda t, x: x.real, "imag": lambda t, x: x.imag, "view_as_real": lambda t, x: t.view_as_real(x)[..., 1],
    "of real": lambda t, x: t.view_as_complex(t.view_as_real(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_writes_through_views(name):
    results = []
    for t in (torch, eager):
        leaf = t.tensor(X, requires_grad=True)
        x = leaf * 1
        view = VIEWS[name](x)
        strides = tuple(view.stride())
        view.mul_(3.0)
        (x * x).sum().backward()
        results.append((np.asarray(x.detach()), np.asarray(view.detach()), np.asarray(leaf.grad), strides))
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, 1e-5)


@pytest.mark.parametrize("name", COMPLEX)
def test_writes_through_parts_of_complex_numbers(name):
    results = []
    for t in (torch, eager):
        x = t.tensor(floats(3, 4, dtype="complex64"))
        view = COMPLEX[name](t, x)
        strides = tuple(view.stride())
        view.mul_(2.0)
        results.append((np.asarray(x), np.asarray(view), strides))
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, 1e-5)
