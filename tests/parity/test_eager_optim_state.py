"""State dicts of optimizers in torch's form: each side resumes what the other one has saved."""

import copy
import io

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import optim

from .reference import assert_close, random

SHAPES = ((3, 4), (2, 3))
OPTIMIZERS = {
    "SGD": {"lr": 0.1}, "SGD momentum": {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}, "Adam": {"amsgrad": True},
    "AdamW": {}, "RMSprop": {"momentum": 0.9, "centered": True}, "Adagrad": {"lr_decay": 0.1}, "Adadelta": {},
    "Adamax": {}, "NAdam": {}, "RAdam": {}, "Rprop": {}, "ASGD": {"lambd": 0.01, "t0": 2}, "Adafactor": {}, "Muon": {},
}  # fmt: skip


def params():
    arrays = [random(i, *shape) for i, shape in enumerate(SHAPES)]
    ours = [eager.tensor(array, requires_grad=True) for array in arrays]
    return ours, [torch.tensor(array, requires_grad=True) for array in arrays]


def step(step, *pairs):
    """One step of each optimizer with the same gradients."""
    for optimizer, tensors, make in pairs:
        for i, tensor in enumerate(tensors):
            tensor.grad = make(random(10 * step + i, *SHAPES[i]))
        optimizer.step()


def arrays(state_dict):
    """A state dict with its Tensors, of either library, as lists, to be compared."""
    state = {
        number: {name: np.asarray(value.tolist(), np.float32) for name, value in of_param.items() if value is not None}
        for number, of_param in state_dict["state"].items()
    }
    return state, state_dict["param_groups"]


def as_torch(state_dict):
    state = {
        number: {name: torch.tensor(value.tolist()) for name, value in of_param.items()}
        for number, of_param in state_dict["state"].items()
    }
    return {"state": state, "param_groups": copy.deepcopy(state_dict["param_groups"])}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dicts_in_both_directions(name):
    algorithm, options = name.split()[0], OPTIMIZERS[name]
    rtol = 2e-2 if algorithm == "Muon" else 2e-6
    ours, theirs = params()
    optimizer = getattr(optim, algorithm)(ours, **options)
    reference = getattr(torch.optim, algorithm)(theirs, **options)
    for number in range(3):
        step(number, (optimizer, ours, eager.tensor), (reference, theirs, torch.tensor))

    (state, groups), (wanted, wanted_groups) = arrays(optimizer.state_dict()), arrays(reference.state_dict())
    assert groups == wanted_groups
    assert state.keys() == wanted.keys()
    for number, of_param in state.items():
        assert of_param.keys() == wanted[number].keys()
        for key, value in of_param.items():
            assert value.shape == wanted[number][key].shape, key
            assert_close(value, wanted[number][key], rtol=2e-6, what=key)

    resumed = getattr(optim, algorithm)(ours, lr=0.5)
    resumed.load_state_dict(reference.state_dict())
    their_resumed = getattr(torch.optim, algorithm)(theirs, lr=0.5)
    their_resumed.load_state_dict(as_torch(optimizer.state_dict()))
    for number in range(3, 6):
        step(number, (resumed, ours, eager.tensor), (their_resumed, theirs, torch.tensor))
        for our, their in zip(ours, theirs, strict=True):
            assert_close(np.asarray(our.tolist(), np.float32), their, rtol=rtol)


def test_half_precision_states():
    """The step is computed in float32, so that a decay of 0.999 is not rounded to 1; states are stored as torch's."""
    start, gradient = random(0, 40), random(1, 40)
    ours = eager.tensor(start).to("bfloat16").detach().requires_grad_()
    theirs = torch.tensor(start).bfloat16().requires_grad_()
    optimizer, reference = optim.AdamW([ours], lr=0.1), torch.optim.AdamW([theirs], lr=0.1)
    for scale in (1.0, -0.5, 2.0):
        ours.grad = eager.tensor(gradient * scale).to("bfloat16")
        theirs.grad = torch.tensor(gradient * scale).bfloat16()
        optimizer.step()
        reference.step()
    assert str(optimizer.state[ours]["exp_avg"].dtype).endswith("bfloat16")
    assert_close(np.asarray(ours.float().tolist(), np.float32), theirs.float(), rtol=1e-2)


def test_complex_parameters():
    start = random(0, 6) + 1j * random(1, 6)
    gradient = random(2, 6) + 1j * random(3, 6)
    for algorithm in ("SGD", "Adam", "RMSprop", "Rprop", "Adadelta"):
        ours = eager.tensor(start.astype(np.complex64), requires_grad=True)
        theirs = torch.tensor(start).to(torch.complex64).requires_grad_()
        optimizer = getattr(optim, algorithm)([ours], lr=0.1)
        reference = getattr(torch.optim, algorithm)([theirs], lr=0.1)
        for scale in (1.0, -0.5, 0.3):
            ours.grad = eager.tensor((gradient * scale).astype(np.complex64))
            theirs.grad = torch.tensor(gradient * scale).to(torch.complex64)
            optimizer.step()
            reference.step()
        np.testing.assert_allclose(np.asarray(ours.tolist()), theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_muon_and_its_learning_rates():
    for adjust in (None, "original", "match_rms_adamw"):
        ours, theirs = params()
        options = {"lr": 0.1, "adjust_lr_fn": adjust, "nesterov": adjust is None, "momentum": 0.8}
        optimizer, reference = optim.Muon(ours, **options), torch.optim.Muon(theirs, **options)
        for number in range(3):
            step(number, (optimizer, ours, eager.tensor), (reference, theirs, torch.tensor))
        for our, their in zip(ours, theirs, strict=True):
            assert_close(np.asarray(our.tolist(), np.float32), their, rtol=1e-2)
    with pytest.raises(ValueError, match="Muon takes matrices"):
        optim.Muon([eager.ones(3, requires_grad=True)])


def test_a_learning_rate_that_is_a_tensor():
    ours, theirs = params()
    optimizer = optim.Adam(ours, lr=eager.tensor(0.1), betas=(0.8, 0.9))
    reference = torch.optim.Adam(theirs, lr=torch.tensor(0.1), betas=(0.8, 0.9))
    for number in range(2):
        step(number, (optimizer, ours, eager.tensor), (reference, theirs, torch.tensor))
    for our, their in zip(ours, theirs, strict=True):
        assert_close(np.asarray(our.tolist(), np.float32), their)


@pytest.mark.parametrize("name", ["Adam", "LBFGS", "ASGD"])
def test_checkpoint_files_in_both_directions(name):
    ours = eager.tensor([1.0, 2.0], requires_grad=True)
    theirs = torch.tensor([1.0, 2.0], requires_grad=True)
    options = {"max_iter": 3} if name == "LBFGS" else {}

    def made(module, tensor, state=None):
        """An optimizer, a schedule, and a function that takes a step of both."""
        optimizer = getattr(module, name)([tensor], lr=0.02, **options)
        if state is not None:
            optimizer.load_state_dict(state["optimizer"])
        schedule = module.lr_scheduler.MultiStepLR(optimizer, [2, 3])
        if state is not None:
            schedule.load_state_dict(state["schedule"])

        def closure():
            optimizer.zero_grad()
            loss = (tensor**4).sum()
            loss.backward()
            return loss

        def step():
            optimizer.step(closure)
            schedule.step()
            return {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}

        return step

    our_step, their_step = made(optim, ours), made(torch.optim, theirs)
    for _ in range(2):
        our_file, their_file = io.BytesIO(), io.BytesIO()
        eager.save(our_step(), our_file)
        torch.save(their_step(), their_file)
        our_file.seek(0)
        their_file.seek(0)
        our_step = made(optim, ours, eager.load(their_file))
        their_step = made(torch.optim, theirs, torch.load(our_file, weights_only=True))
        our_step()
        their_step()
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-5)
