"""Recomputation in backward, and logs for TensorBoard."""

import sys

import numpy as np
import pytest

from funcvision import eager as torch
from funcvision.eager import nn
from funcvision.eager.utils.checkpoint import checkpoint, checkpoint_sequential
from funcvision.eager.utils.tensorboard import SummaryWriter


def test_a_checkpoint_gives_the_same_gradients():
    weight, x = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor([1.0, -1.0], requires_grad=True)
    calls = []

    def function(x, *, scale):
        calls.append(1)
        return (x * weight).exp() * scale, x.sum()

    def gradients(call):
        weight.grad = x.grad = None
        first, second = call(x, scale=2.0)
        (first.sum() * second + second).backward()
        return weight.grad.tolist(), x.grad.tolist()

    expected = gradients(function)
    assert len(calls) == 1
    found = gradients(lambda *args, **kwargs: checkpoint(function, *args, use_reentrant=False, **kwargs))
    assert len(calls) == 3
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with torch.no_grad():
        assert not checkpoint(function, x, scale=1.0)[0].requires_grad


def test_dropout_drops_the_same_when_it_is_called_again():
    x = torch.ones(64, requires_grad=True)
    drop = nn.Dropout(0.5)
    torch.manual_seed(0)
    y = checkpoint(lambda x: drop(x) * x, x)
    after = torch.rand(3).tolist()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), (2 * y).tolist(), rtol=1e-6)
    torch.manual_seed(0)
    drop(x)
    assert torch.rand(3).tolist() == after


def test_parameters_get_gradients_though_the_input_needs_none():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = torch.ones(4, 2)
    net(x).sum().backward()
    expected = [p.grad.tolist() for p in net.parameters()]
    for parameter in net.parameters():
        parameter.grad = None
    checkpoint_sequential(net, 2, x, use_reentrant=False).sum().backward()
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.grad.tolist(), gradient, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="segments=9"):
        checkpoint_sequential(net, 9, x)


def test_summaries_are_written(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", torch.tensor(0.5), 1)
        writer.add_image("image", torch.rand(3, 4, 4), 1)
        writer.add_scalars("both", {"a": torch.tensor(1.0), "b": 2.0}, 1)
        writer.add_histogram("weights", torch.ones(3), 1)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*tfevents*"))
    for name in (b"loss", b"image", b"weights"):
        assert name in content


def test_without_tensorboardx_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r"funcvision\[train\]"):
        SummaryWriter()
