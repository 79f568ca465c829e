"""`eager.nn.init` against `torch.nn.init`: equal values where nothing is drawn, equal distributions elsewhere."""

import inspect

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager.nn import init

SHAPE = (40, 30, 3, 3)
LARGE = (150, 200)
FIXED = {
    "zeros": (lambda i, t: i.zeros_(t), (3, 4)), "ones": (lambda i, t: i.ones_(t), (3, 4)),
    "constant": (lambda i, t: i.constant_(t, 0.3), (3, 4)), "eye": (lambda i, t: i.eye_(t), (3, 5)),
    "dirac": (lambda i, t: i.dirac_(t), (4, 6, 3)), "dirac groups": (lambda i, t: i.dirac_(t, 2), (4, 3, 3, 5)),
}  # fmt: skip
DRAWN = {
    "uniform": (lambda i, t: i.uniform_(t, -0.5, 2.0), LARGE), "normal": (lambda i, t: i.normal_(t, 1.0, 0.2), LARGE),
    "trunc_normal": (lambda i, t: i.trunc_normal_(t, 0.1, 0.5, -0.4, 1.0), LARGE),
    "xavier_uniform": (lambda i, t: i.xavier_uniform_(t, gain=2.0), SHAPE),
    "xavier_normal": (lambda i, t: i.xavier_normal_(t), SHAPE),
    "kaiming_uniform": (lambda i, t: i.kaiming_uniform_(t, a=0.5), SHAPE),
    "kaiming_normal": (lambda i, t: i.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), SHAPE),
    "sparse": (lambda i, t: i.sparse_(t, 0.3, std=0.5), LARGE),
    "orthogonal": (lambda i, t: i.orthogonal_(t, gain=1.5), (60, 3, 5)),
}  # fmt: skip


def tensors(shape):
    return eager.zeros(shape, requires_grad=True), torch.zeros(shape, requires_grad=True)


@pytest.mark.parametrize("name", FIXED)
def test_fixed_values(name):
    call, shape = FIXED[name]
    ours, theirs = tensors(shape)
    assert call(init, ours) is ours
    call(torch.nn.init, theirs)
    np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-6)
    assert ours.requires_grad
    assert ours.is_leaf


@pytest.mark.parametrize("name", DRAWN)
def test_distributions(name):
    call, shape = DRAWN[name]
    ours, theirs = tensors(shape)
    torch.manual_seed(0)
    eager.manual_seed(0)
    assert call(init, ours) is ours
    call(torch.nn.init, theirs)
    first, wanted = (np.sort(np.asarray(t.tolist()).ravel()) for t in (ours, theirs))
    spread = wanted.max() - wanted.min()
    quantiles = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(first, quantiles), np.quantile(wanted, quantiles), atol=0.03 * spread)
    np.testing.assert_allclose(first.std(), wanted.std(), rtol=0.03)
    eager.manual_seed(0)
    call(init, ours)
    assert np.array_equal(np.sort(np.asarray(ours.tolist()).ravel()), first)
    call(init, ours)
    assert not np.array_equal(np.sort(np.asarray(ours.tolist()).ravel()), first)


def test_orthogonal_matrices():
    for shape in ((5, 8), (8, 5), (4, 2, 3)):
        weight = init.orthogonal_(eager.zeros(shape), gain=2.0).reshape(shape[0], -1)
        product = weight @ weight.T if shape[0] <= weight.shape[1] else weight.T @ weight
        np.testing.assert_allclose(product.tolist(), 4 * np.eye(len(product)), atol=1e-5)


def test_sparse_matrices():
    weight = np.asarray(init.sparse_(eager.zeros(10, 4), 0.25).tolist())
    assert ((weight == 0).sum(0) == 3).all()


def test_signatures_are_torchs():
    for name in init.__all__:
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (init, torch.nn.init))
        defaults = [{p.name: p.default for p in signature.values()} for signature in (ours, theirs)]
        assert list(ours) == list(theirs), name
        assert defaults[0] == defaults[1], name


@pytest.mark.parametrize("call", [
    lambda i, t: i.eye_(t(3)), lambda i, t: i.dirac_(t(3, 4)), lambda i, t: i.dirac_(t(3, 4, 2), 2),
    lambda i, t: i.xavier_normal_(t(3)), lambda i, t: i.kaiming_uniform_(t(3)),
    lambda i, t: i.kaiming_normal_(t(3, 2), mode="fan"), lambda i, t: i.kaiming_normal_(t(3, 2), nonlinearity="gelu2"),
    lambda i, t: i.orthogonal_(t(3)), lambda i, t: i.sparse_(t(3), 0.1), lambda i, t: i.calculate_gain("none"),
])  # fmt: skip
def test_refusals(call):
    for module, make in ((init, eager.zeros), (torch.nn.init, torch.zeros)):
        with pytest.raises(ValueError):  # noqa: PT011
            call(module, make)


def test_values_are_seen_through_views_and_gradients_go_on():
    weight = eager.zeros(3, 4, requires_grad=True)
    row = weight.detach()[1]
    init.ones_(weight)
    assert row.tolist() == [1] * 4
    (weight * 2).sum().backward()
    assert weight.grad.tolist() == [[2] * 4] * 3
    with eager.no_grad():
        init.normal_(weight)
    assert weight.requires_grad
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)
    assert init._calculate_fan_in_and_fan_out(eager.zeros(4, 3, 5)) == (15, 20)
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_normal_(eager.zeros(0, 3))
