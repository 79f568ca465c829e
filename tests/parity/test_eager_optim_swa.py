"""`swa_utils` against torch's: averaged models, batch statistics, the schedule."""

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import nn, optim
from funcvision.eager.optim import swa_utils

from .reference import assert_close, random

T = torch.optim.swa_utils


def numbers(tensor):
    return np.asarray(tensor.detach().tolist(), np.float32)


def net(module):
    return module.Sequential(module.Linear(4, 3), module.BatchNorm1d(3), module.ReLU())


def set_weights(ours, theirs, seed):
    values = {
        name: np.float32(1.5 + random(seed + i, *tensor.shape)) if tensor.dtype.is_floating_point else np.int32(seed)
        for i, (name, tensor) in enumerate(theirs.state_dict().items())
    }
    ours.load_state_dict(values)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in values.items()})


AVERAGES = {
    "swa": lambda m: {}, "swa multi": lambda m: {"multi_avg_fn": m.get_swa_multi_avg_fn()},
    "swa one by one": lambda m: {"avg_fn": m.get_swa_avg_fn()}, "ema": lambda m: {"avg_fn": m.get_ema_avg_fn(0.9)},
    "ema multi": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.8)},
    "ema of buffers": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.8), "use_buffers": True},
    "own": lambda m: {"avg_fn": lambda average, value, count: (average + value) / 2},
}  # fmt: skip


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_models(name):
    ours, theirs = net(nn), net(torch.nn)
    averaged = swa_utils.AveragedModel(ours, **AVERAGES[name](swa_utils))
    wanted = T.AveragedModel(theirs, **AVERAGES[name](T))
    for seed in (1, 20, 40):
        set_weights(ours, theirs, seed)
        averaged.update_parameters(ours)
        wanted.update_parameters(theirs)
        assert list(averaged.state_dict()) == list(wanted.state_dict())
        for key, tensor in wanted.state_dict().items():
            assert_close(numbers(averaged.state_dict()[key]), tensor.float(), rtol=2e-6, what=key)
    x = random(0, 5, 4)
    assert_close(numbers(averaged.eval()(eager.tensor(x))), wanted.eval()(torch.tensor(x)))
    assert averaged.n_averaged.item() == 3
    ours[0].weight.data.fill_(7.0)
    assert not (numbers(averaged.module[0].weight) == 7).any()


def test_batch_statistics():
    ours, theirs = net(nn), net(torch.nn)
    set_weights(ours, theirs, 3)
    batches = [random(i, 6, 4) for i in range(3)]
    swa_utils.update_bn([(eager.tensor(batch), None) for batch in batches], ours.eval())
    T.update_bn([torch.tensor(batch) for batch in batches], theirs.eval())
    for key, tensor in theirs.state_dict().items():
        assert_close(numbers(ours.state_dict()[key]), tensor.float(), what=key)
    assert ours[1].momentum == 0.1
    assert not ours.training
    swa_utils.update_bn([], nn.Linear(2, 2))


@pytest.mark.parametrize("options", [{}, {"anneal_epochs": 4, "anneal_strategy": "linear"}, {"anneal_epochs": 0}])
def test_schedule(options):
    both = []
    for module, optimizers, schedules in ((eager, optim, swa_utils), (torch, torch.optim, T)):
        a, b = (module.ones(1, requires_grad=True) for _ in range(2))
        optimizer = optimizers.SGD([{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.1)
        both.append((optimizer, schedules.SWALR(optimizer, [0.05, 0.4], **options)))
    both[1][0].step()
    for _ in range(8):
        np.testing.assert_allclose(both[0][1].get_last_lr(), both[1][1].get_last_lr(), rtol=1e-9)
        for _, schedule in both:
            schedule.step()


def test_refusals():
    with pytest.raises(AssertionError, match="Only one of"):
        swa_utils.AveragedModel(nn.Linear(2, 2), avg_fn=max, multi_avg_fn=max)
    optimizer = optim.SGD([eager.ones(1, requires_grad=True)], lr=0.1)
    for options in ({"anneal_strategy": "square"}, {"anneal_epochs": -1}):
        with pytest.raises(ValueError, match="anneal"):
            swa_utils.SWALR(optimizer, 0.1, **options)
    with pytest.raises(ValueError, match="decay"):
        swa_utils.get_ema_avg_fn(1.5)
