"""L-BFGS against torch's: the same losses, parameters and states after each call of `step`."""

import jax
import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import optim

from .reference import random

OPTIONS = {
    "fixed steps": {"lr": 0.1, "max_iter": 6},
    "short history": {"lr": 0.2, "max_iter": 8, "history_size": 2},
    "line search": {"line_search_fn": "strong_wolfe"},
    "few evaluations": {"line_search_fn": "strong_wolfe", "max_iter": 5, "max_eval": 7, "lr": 3.0},
    "large first step": {"line_search_fn": "strong_wolfe", "lr": 40.0, "max_iter": 4},
    "small first step": {"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_iter": 4},
    "tolerance": {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-1, "tolerance_change": 1e-3},
}


def rosenbrock(x, y):
    return ((1 - x) ** 2).sum() + 20 * ((y - x * x) ** 2).sum()


def problem(module, make, options):
    """Two parameters, an optimizer, and a closure that counts its calls."""
    x, y = (make(random(i, 3, dtype="float64")) for i in range(2))
    x.requires_grad_()
    y.requires_grad_()
    optimizer = module.LBFGS([x, y], **options)
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x, y)
        loss.backward()
        calls.append(loss.item())
        return loss

    return (x, y), optimizer, closure, calls


@pytest.mark.parametrize("name", OPTIONS)
def test_steps(name):
    with jax.enable_x64(True):
        ours, optimizer, closure, losses = problem(optim, eager.tensor, OPTIONS[name])
        theirs, reference, their_closure, wanted = problem(torch.optim, torch.tensor, OPTIONS[name])
        for _ in range(4):
            loss, their_loss = optimizer.step(closure), reference.step(their_closure)
            assert loss.item() == pytest.approx(their_loss.item(), rel=1e-8)
            assert len(losses) == len(wanted)
            np.testing.assert_allclose(losses, wanted, rtol=1e-7, atol=1e-10)
            for our, their in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(our.tolist(), their.tolist(), rtol=1e-8, atol=1e-9)
        state, wanted_state = optimizer.state_dict(), reference.state_dict()
        assert state["param_groups"] == wanted_state["param_groups"]
        assert state["state"][0].keys() == wanted_state["state"][0].keys()
        for key in ("func_evals", "n_iter"):
            assert state["state"][0][key] == wanted_state["state"][0][key]
        assert len(state["state"][0]["old_dirs"]) == len(wanted_state["state"][0]["old_dirs"])


def test_resuming_from_torch():
    with jax.enable_x64(True):
        options = OPTIONS["line search"] | {"max_iter": 3}
        ours, optimizer, closure, _ = problem(optim, eager.tensor, options)
        theirs, reference, their_closure, _ = problem(torch.optim, torch.tensor, options)
        reference.step(their_closure)
        for our, their in zip(ours, theirs, strict=True):
            our.array = their.detach().numpy()
        optimizer.load_state_dict(reference.state_dict())
        reference.step(their_closure)
        optimizer.step(closure)
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(our.tolist(), their.tolist(), rtol=1e-8, atol=1e-9)


def test_refusals():
    x = eager.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="step\\(closure\\)"):
        optim.LBFGS([x]).step()
    with pytest.raises(ValueError, match="one group"):
        optim.LBFGS([{"params": [x]}, {"params": [eager.ones(2, requires_grad=True)]}])
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        optim.LBFGS([x], line_search_fn="armijo").step(lambda: None)
