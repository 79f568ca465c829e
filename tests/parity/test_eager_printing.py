"""The text of Tensors against torch's, character by character."""

import contextlib

import jax
import numpy as np
import pytest
import torch

from funcvision import eager

from .reference import random

VALUES = {
    "numbers": np.array([1.0, 2.0, 2.5], "f"), "number": np.float32(1.5), "whole": np.array([[1.0, -2.0]], "f"),
    "negative zero": np.float32(-0.0), "zeros": np.zeros((2, 3), "f"), "empty": np.zeros(0, "f"),
    "no columns": np.zeros((2, 0), np.uint8), "integers": np.arange(10) * 1000, "integer": np.array(-7),
    "bools": np.array([[True, False]]), "bytes": np.array([1, 200], np.uint8), "short": np.array([-1, 200], np.int16),
    "random": random(0, 3, 4), "line": random(1, 30), "cube": random(2, 2, 3, 4), "axes": random(3, 1, 2, 1, 2, 1),
    "many": random(4, 1001), "matrix": random(5, 40, 50), "large": random(6, 12, 11, 10),
    "many integers": np.arange(2000), "many bools": np.ones((40, 40), bool), "small": np.array([1e-5, 1.0], "f"),
    "tiny": np.full(3, 1e-8, "f"), "huge": np.array([1e9, 1.0], "f"), "huge fraction": np.array([1e10, 1.5], "f"),
    "wide": np.array([1000.5, 1.0], "f"), "edge of wide": np.array([1000.0, 1.0], "f"),
    "long": np.array([123456789.0], "f"), "infinity": np.array([0, np.inf], "f"), "nan": np.array([np.nan], "f"),
    "not finite": np.array([np.nan, 1.5, -np.inf], "f"), "not finite and whole": np.array([np.nan, 2, np.inf], "f"),
    "complex": np.array([1 + 2j, -1.5 - 1j], np.complex64), "whole complex": np.array([1 + 2j, 0], np.complex64),
    "complex number": np.array(1 - 0.5j, np.complex64), "halves": np.array([1.5, 2], np.float16),
    "range": np.arange(30.0, dtype="f"), "doubles": np.array([1.5, 2.25]),
}  # fmt: skip
OPTIONS = [
    {}, {"precision": 2}, {"sci_mode": True}, {"sci_mode": False}, {"edgeitems": 1, "threshold": 5}, {"linewidth": 40},
    {"profile": "short"}, {"profile": "full"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _default_options():
    yield
    for module in (eager, torch):
        module.set_printoptions(profile="default")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_text_of_values(options):
    for module in (eager, torch):
        module.set_printoptions(**options)
    for name, values in VALUES.items():
        with jax.enable_x64(True) if values.dtype == np.float64 else contextlib.nullcontext():
            assert repr(eager.tensor(values)) == repr(torch.tensor(values)), name


def test_text_of_dtypes_and_history():
    for make in (
        lambda t: t.tensor([1.0, 2.0], dtype=t.bfloat16), lambda t: t.tensor([1.0, 2.0], requires_grad=True),
        lambda t: t.ones(2, requires_grad=True) * 2, lambda t: (t.ones(2, requires_grad=True) * 2).sum(),
        lambda t: t.ones(9, requires_grad=True) * 2.12345, lambda t: t.ones(2, requires_grad=True).exp(),
        lambda t: t.ones(40, dtype=t.float16, requires_grad=True), lambda t: t.ones(2, 3).shape,
        lambda t: t.ones(2, 3).size()[1:], lambda t: t.ones(2).device, lambda t: t.tensor([1]).dtype,
        lambda t: t.device("cuda:1"), lambda t: t.Size([1]) + t.Size([2]),
    ):  # fmt: skip
        assert repr(make(eager)) == repr(make(torch))
        assert str(make(eager)) == str(make(torch))


def test_formats():
    for make in (lambda t: t.tensor(1.5), lambda t: t.tensor(3), lambda t: t.tensor(True)):
        assert f"{make(eager)}" == f"{make(torch)}"
        assert f"{make(eager):5.2f}" == f"{make(torch):5.2f}"
    assert f"{eager.tensor([1.0])}" == f"{torch.tensor([1.0])}"
    with pytest.raises(TypeError):
        f"{eager.tensor([1.0, 2.0]):.2f}"


def test_options_of_printing():
    eager.set_printoptions(precision=6, linewidth=100)
    assert eager.get_printoptions() == {
        "precision": 6, "threshold": 1000, "edgeitems": 3, "linewidth": 100, "sci_mode": None
    }
    with pytest.raises(ValueError, match="profile='long'"):
        eager.set_printoptions(profile="long")


def test_tensors_of_another_device_say_so():
    x = eager.ones(2).to(jax.devices()[1])
    assert repr(x) == "tensor([1., 1.], device='cpu:1')"
