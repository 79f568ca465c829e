"""Optimizers and schedules against torch's: the same after each step on the same gradients."""

import inspect

import jax
import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import optim
from funcvision.eager.optim import lr_scheduler

from .reference import assert_close, random

SHAPES = ((3, 4), (5,), ())
STEPS = 12
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam options": ("Adam", {"lr": 0.01, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    "amsgrad": ("Adam", {"lr": 0.01, "betas": (0.7, 0.9), "amsgrad": True, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "adamw options": ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop options": ("RMSprop", {"lr": 0.01, "alpha": 0.8, "eps": 1e-4, "momentum": 0.9, "weight_decay": 0.1}),
    "centered": ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad options": ("Adagrad", {
        "lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.1, "weight_decay": 0.1, "eps": 1e-3,
        "maximize": True,
    }),
    "decoupled adam": ("Adam", {"lr": 0.01, "weight_decay": 0.3, "decoupled_weight_decay": True, "eps": 1e-4}),
    "adamax": ("Adamax", {"lr": 0.01}),
    "adamax options": ("Adamax", {"lr": 0.01, "betas": (0.4, 0.99), "weight_decay": 0.1, "maximize": True}),
    "nadam": ("NAdam", {"lr": 0.01}),
    "nadam options": ("NAdam", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1, "momentum_decay": 0.1}),
    "nadam decoupled": ("NAdam", {
        "lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True,
    }),
    "radam": ("RAdam", {"lr": 0.01}),
    "radam options": ("RAdam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    "radam decoupled": ("RAdam", {"lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    "adadelta": ("Adadelta", {}),
    "adadelta options": ("Adadelta", {"lr": 0.3, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    "rprop": ("Rprop", {}),
    "rprop options": ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.02, 0.3), "maximize": True}),
    "asgd": ("ASGD", {}),
    "asgd options": ("ASGD", {
        "lr": 0.1, "lambd": 0.01, "alpha": 0.6, "t0": 4, "weight_decay": 0.1, "maximize": True,
    }),
    "adafactor": ("Adafactor", {}),
    "adafactor options": ("Adafactor", {
        "lr": 0.5, "beta2_decay": -0.6, "eps": (1e-5, 0.1), "d": 1.2, "weight_decay": 0.1, "maximize": True,
    }),
}  # fmt: skip


def pair(dtype="float32"):
    """The same parameters as Tensors and in torch, and a function that gives both the same new gradients."""
    arrays = [random(i, *shape, dtype=dtype, low=0.5, high=1.5) for i, shape in enumerate(SHAPES)]
    ours = [eager.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]

    def gradients(step, leave_out=()):
        for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            gradient = random(100 * step + i, *SHAPES[i], dtype=dtype)
            our.grad = None if i in leave_out else eager.tensor(gradient)
            their.grad = None if i in leave_out else torch.tensor(gradient)

    return ours, theirs, gradients


def assert_same(ours, theirs, rtol=None):
    for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        assert_close(our.data, their, rtol=rtol, what=f"parameter {i}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(name, dtype):
    algorithm, options = OPTIMIZERS[name]
    with jax.enable_x64(dtype == "float64"):
        ours, theirs, gradients = pair(dtype)
        optimizer = getattr(optim, algorithm)(ours, **options)
        reference = getattr(torch.optim, algorithm)(theirs, **options)
        for step in range(STEPS):
            gradients(step, leave_out=[1] if step in (0, 3) else [])  # its moments and count do not change
            optimizer.step()
            reference.step()
            assert_same(ours, theirs, rtol=2e-6 if dtype == "float32" else 1e-12)


def test_defaults_are_torchs():
    tensors, parameters = [eager.ones(1, requires_grad=True)], [torch.ones(1, requires_grad=True)]
    for name in (
        "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "ASGD", "Adadelta", "Adafactor", "Adamax", "NAdam", "RAdam",
        "Rprop",
    ):  # fmt: skip
        ours, theirs = getattr(optim, name), getattr(torch.optim, name)
        assert ours(tensors).defaults == theirs(parameters).defaults, name
        kinds = [{n: (p.kind, p.default) for n, p in inspect.signature(c).parameters.items()} for c in (ours, theirs)]
        assert kinds[0] == kinds[1], name
        assert list(kinds[0])[:6] == list(kinds[1])[:6], name


def test_groups_have_options_of_their_own():
    ours, theirs, gradients = pair()

    def groups(params):
        return [{"params": params[:2]}, {"params": params[2], "lr": 0.5, "momentum": 0.0}]

    optimizer = optim.SGD(groups(ours), lr=0.1, momentum=0.9)
    reference = torch.optim.SGD(groups(theirs), lr=0.1, momentum=0.9)
    for step in range(4):
        gradients(step)
        optimizer.step()
        reference.step()
        for either in (optimizer, reference):
            either.param_groups[0]["lr"] *= 0.5
            either.param_groups[1]["weight_decay"] = 0.1
            either.param_groups[1]["momentum"] = 0.5 if step else 0.0
    assert_same(ours, theirs)


@pytest.mark.parametrize("options", [{}, {"nesterov": True}, {"dampening": 0.3}])
def test_a_momentum_that_is_turned_off_and_on_again(options):
    ours, theirs, gradients = pair()
    optimizer = optim.SGD(ours, lr=0.1, momentum=0.9, **options)
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, **options)
    for step, momentum in enumerate([0.9, 0.9, 0.0, 0.0, 0.9, 0.5, 0.0, 0.9]):
        gradients(step)
        for either in (optimizer, reference):
            either.param_groups[0]["momentum"] = momentum
            either.step()
        if step == 3:  # a resumed optimizer remembers it, too
            saved = optimizer.state_dict()
            optimizer = optim.SGD(ours, lr=0.1)
            optimizer.load_state_dict(saved)
        assert_same(ours, theirs)


def test_a_dampening_that_is_turned_on_later():
    ours, theirs, gradients = pair()
    optimizer, reference = (m.SGD(p, lr=0.1, momentum=0.9) for m, p in ((optim, ours), (torch.optim, theirs)))
    for step, dampening in enumerate([0.0, 0.0, 0.5, 0.5, 0.0, 0.5]):
        gradients(step)
        for either in (optimizer, reference):
            either.param_groups[0]["dampening"] = dampening
            either.step()
        assert_same(ours, theirs)


MAGNITUDES = [0, 1e-38, 1e-30, 1e-23, 1e-20, 1e-12, 1e-8, 1e-4, 1, 1e4, 1e8, 1e15, 1e18, 1e19, 1e20, 1e25, 1e30, 3e38]
MAGNITUDES += [np.inf, np.nan]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_of_all_magnitudes(name):
    """Rprop multiplies two gradients, and XLA rounds products below 1e-38 to 0."""
    algorithm, options = OPTIMIZERS[name]
    magnitudes = [size for size in MAGNITUDES if not 0 < size < 1e-15] if algorithm == "Rprop" else MAGNITUDES
    gradient = np.array([sign * size for size in magnitudes for sign in (1, -1)], np.float32)
    start = np.linspace(-2, 2, len(gradient)).astype(np.float32)
    ours, theirs = eager.tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    optimizer = getattr(optim, algorithm)([ours], **options)
    reference = getattr(torch.optim, algorithm)([theirs], **options)
    for factor in (1, -0.5, 0.25, 1, 0.1):
        with np.errstate(under="ignore", invalid="ignore"):
            scaled = gradient * np.float32(factor)
        ours.grad, theirs.grad = eager.tensor(scaled), torch.tensor(scaled)
        optimizer.step()
        reference.step()
        np.testing.assert_allclose(np.asarray(ours.data), theirs.detach().numpy(), 2e-6, 1e-7)


REFUSED = {
    "optimizer": lambda s, o: s.StepLR([o], 2),
    "optimizer of OneCycleLR": lambda s, o: s.OneCycleLR([o], 0.1, 10),
    "optimizer of a plateau": lambda s, o: s.ReduceLROnPlateau([o]),
    "functions": lambda s, o: s.LambdaLR(o, [abs]), "no function": lambda s, o: s.LambdaLR(o, 0.5),
    "factor": lambda s, o: s.ConstantLR(o, 1.5), "negative factor": lambda s, o: s.ConstantLR(o, -0.1),
    "start": lambda s, o: s.LinearLR(o, 0.0), "large start": lambda s, o: s.LinearLR(o, 1.1),
    "end": lambda s, o: s.LinearLR(o, 0.5, 1.1), "negative end": lambda s, o: s.LinearLR(o, 0.5, -0.1),
    "no steps": lambda s, o: s.OneCycleLR(o, 0.1), "steps": lambda s, o: s.OneCycleLR(o, 0.1, 0),
    "fractional steps": lambda s, o: s.OneCycleLR(o, 0.1, 10.5),
    "epochs": lambda s, o: s.OneCycleLR(o, 0.1, None, 0, 5),
    "fractional epochs": lambda s, o: s.OneCycleLR(o, 0.1, None, 2, 2.5),
    "pct_start": lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=1.5),
    "negative pct_start": lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=-0.5),
    "strategy": lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="sin"),
    "peaks": lambda s, o: s.OneCycleLR(o, [0.1, 0.2, 0.3], 10),
    "momenta": lambda s, o: s.OneCycleLR(o, 0.1, 10, base_momentum=[0.8]),
    "highest momenta": lambda s, o: s.OneCycleLR(o, 0.1, 10, max_momentum=[0.9, 0.9, 0.9]),
    "plateau in a sequence": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), s.ReduceLROnPlateau(o)], [3]),
    "empty sequence": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), s.StepLR(o, 3)], [2, 3]),
    "no schedule": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), "cos"], [2]),
    "plateau in a chain": lambda s, o: s.ChainedScheduler([s.ReduceLROnPlateau(o)]),
    "empty chain": lambda s, o: s.ChainedScheduler([]),
    "no function to multiply by": lambda s, o: s.MultiplicativeLR(o, 2),
    "other optimizer in a chain": lambda s, o: s.ChainedScheduler([s.StepLR(o, 2), s.StepLR(another(o), 2)]),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "multiple": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 0.5),
    "cyclic mode": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"),
    "other optimizer": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 2), s.StepLR(another(o), 2)], [2]),
    "reduction": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), "mode": lambda s, o: s.ReduceLROnPlateau(o, "least"),
    "threshold": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="ratio"),
    "limits": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
}  # fmt: skip


def another(optimizer):
    return type(optimizer)(optimizer.param_groups[0]["params"], lr=0.1)


@pytest.mark.parametrize("name", REFUSED)
def test_options_of_schedules_that_torch_refuses(name):
    ours, theirs = scheduled("SGD")
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name](torch.optim.lr_scheduler, theirs)
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name](lr_scheduler, ours)


def test_options_of_schedules_that_torch_notices_too_late():
    """Torch takes unsorted milestones and then skips a schedule; it divides by a length of 0 in mid-training."""
    optimizer, _ = scheduled("SGD")
    parts = [lr_scheduler.StepLR(optimizer, 2) for _ in range(3)]
    with pytest.raises(ValueError, match=r"milestones of a SequentialLR must be sorted; got \[5, 3\]"):
        lr_scheduler.SequentialLR(optimizer, parts, [5, 3])
    lr_scheduler.SequentialLR(optimizer, parts, [3, 3])
    for make in (lr_scheduler.StepLR, lr_scheduler.CosineAnnealingLR):
        for length in (0, -1, 2.5):
            with pytest.raises(ValueError, match="takes a positive integer"):
                make(optimizer, length)


SCHEDULES = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)]),
    "StepLR": lambda s, o: s.StepLR(o, 7, gamma=0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 5, 5, 20], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=6),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=9),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 11, power=0.9),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 10, eta_min=0.001),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.3, 0.1], total_steps=60),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(o, 0.3, 60, anneal_strategy="linear", cycle_momentum=False),
    "OneCycleLR phases": lambda s, o: s.OneCycleLR(
        o, 0.3, epochs=6, steps_per_epoch=10, three_phase=True, pct_start=0.4
    ),
    "OneCycleLR lists": lambda s, o: s.OneCycleLR(o, 0.3, 60, base_momentum=[0.7, 0.8], max_momentum=(0.9, 0.95)),
    "OneCycleLR at once": lambda s, o: s.OneCycleLR(o, 0.3, 60, pct_start=0.0, base_momentum=0.7, max_momentum=0.8),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, [lambda epoch: 0.95, lambda epoch: 1 - 0.5 / (1 + epoch)]),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, eta_min=0.001),
    "CosineAnnealingWarmRestarts longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, T_mult=2),
    "CyclicLR": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.1, step_size_up=7, step_size_down=5),
    "CyclicLR halving": lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=6, mode="triangular2", cycle_momentum=False),
    "CyclicLR falling": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, step_size_up=6, mode="exp_range", gamma=0.98, base_momentum=0.7, max_momentum=[0.8, 0.95]
    ),
    "CyclicLR function": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, step_size_up=6, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations"
    ),
    "SequentialLR restarts": lambda s, o: s.SequentialLR(
        o, [s.ExponentialLR(o, 0.9), s.CosineAnnealingWarmRestarts(o, 5, T_mult=2)], [8]
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.8)], [5, 40]
    ),
}  # fmt: skip


def scheduled(algorithm):
    tensors = [[module.ones(1, requires_grad=True) for _ in range(2)] for module in (eager, torch)]
    options = {"momentum": 0.9} if algorithm == "SGD" else {}
    return [
        getattr(module, algorithm)([{"params": [a]}, {"params": [b], "lr": 0.05}], lr=0.1, **options)
        for module, (a, b) in zip((optim, torch.optim), tensors, strict=True)
    ]


@pytest.mark.parametrize("algorithm", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, algorithm):
    ours, theirs = scheduled(algorithm)
    schedule, reference = SCHEDULES[name](lr_scheduler, ours), SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    theirs.step()  # without this torch warns
    for epoch in range(60):
        np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9, atol=1e-15)
        assert schedule.last_epoch == reference.last_epoch == epoch
        for group, wanted in zip(ours.param_groups, theirs.param_groups, strict=True):
            for option in ("lr", "momentum", "betas"):
                if option in wanted:
                    np.testing.assert_allclose(group[option], wanted[option], rtol=1e-9, atol=1e-15)
        schedule.step()
        reference.step()


def test_schedules_on_top_of_each_other():
    ours, theirs = scheduled("SGD")
    both = []
    for module, optimizer in ((lr_scheduler, ours), (torch.optim.lr_scheduler, theirs)):
        both.append([module.LinearLR(optimizer, 0.1, total_iters=5), module.ExponentialLR(optimizer, 0.9)])
        optimizer.step()
    for _ in range(12):
        for schedule, reference in zip(*both, strict=True):
            schedule.step()
            reference.step()
        for schedule, reference in zip(*both, strict=True):
            np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9)


@pytest.mark.parametrize(
    "name", ["StepLR", "MultiStepLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR", "OneCycleLR"]
)
def test_state_dicts_of_schedules_in_both_directions(name):
    ours, theirs = scheduled("SGD")
    schedule, reference = SCHEDULES[name](lr_scheduler, ours), SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    theirs.step()
    for _ in range(6):
        schedule.step()
        reference.step()
    our_other, their_other = scheduled("SGD")
    resumed = SCHEDULES[name](lr_scheduler, our_other)
    their_resumed = SCHEDULES[name](torch.optim.lr_scheduler, their_other)
    our_other.load_state_dict(theirs.state_dict())
    their_other.load_state_dict(ours.state_dict())
    resumed.load_state_dict(reference.state_dict())
    their_resumed.load_state_dict(schedule.state_dict())
    their_other.step()
    for _ in range(4):
        resumed.step()
        their_resumed.step()
        np.testing.assert_allclose(resumed.get_last_lr(), their_resumed.get_last_lr(), rtol=1e-9)
        assert resumed.last_epoch == their_resumed.last_epoch


RESUMED = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "LambdaLR", "OneCycleLR")


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's about the order of steps
def test_schedules_that_start_at_a_later_epoch(name):
    arguments = {
        "StepLR": (3,), "MultiStepLR": ([3, 6, 8],), "ConstantLR": (0.5, 7), "LinearLR": (0.5, 1.0, 9),
        "ExponentialLR": (0.9,), "PolynomialLR": (11,), "LambdaLR": (lambda epoch: 1 / (1 + epoch),),
        "OneCycleLR": (0.3, 20),
    }[name]  # fmt: skip
    ours, theirs = scheduled("SGD")
    lrs = []
    for module, optimizer in ((lr_scheduler, ours), (torch.optim.lr_scheduler, theirs)):
        with pytest.raises(KeyError, match="initial_lr"):
            getattr(module, name)(optimizer, *arguments, last_epoch=4)
        schedule = getattr(module, name)(optimizer, *arguments)
        for _ in range(4):
            schedule.step()
        schedule = getattr(module, name)(optimizer, *arguments, last_epoch=4)
        lrs.append([schedule.get_last_lr()])
        for _ in range(6):
            schedule.step()
            lrs[-1].append(schedule.get_last_lr())
    np.testing.assert_allclose(*lrs, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_schedules_that_go_to_an_epoch():
    for name in ("StepLR", "ExponentialLR", "CosineAnnealingLR", "LambdaLR", "CosineAnnealingWarmRestarts longer"):
        ours, theirs = scheduled("SGD")
        schedule, reference = SCHEDULES[name](lr_scheduler, ours), SCHEDULES[name](torch.optim.lr_scheduler, theirs)
        for epoch in (2, 9, 4, 17.5 if "Warm" in name else 17):
            schedule.step(epoch)
            reference.step(epoch)
            np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9, err_msg=name)
        schedule.step()
        reference.step()
        np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9, err_msg=name)


def test_schedules_in_a_chain():
    ours, theirs = scheduled("SGD")
    chains = []
    for module, optimizer in ((lr_scheduler, ours), (torch.optim.lr_scheduler, theirs)):
        parts = [module.ConstantLR(optimizer, 0.1, total_iters=4), module.ExponentialLR(optimizer, 0.9)]
        chains.append(module.ChainedScheduler(parts))
        optimizer.step()
    for _ in range(10):
        np.testing.assert_allclose(chains[0].get_last_lr(), chains[1].get_last_lr(), rtol=1e-9)
        chains[0].step()
        chains[1].step()
    chains[0].load_state_dict(chains[1].state_dict())
    assert chains[0].state_dict()["_schedulers"][0]["last_epoch"] == 10


def test_a_schedule_with_a_get_lr_of_its_own():
    def make(base):
        class Warmup(base):
            def __init__(self, optimizer, steps, last_epoch=-1):
                self.steps = steps
                super().__init__(optimizer, last_epoch)

            def get_lr(self):
                return [lr * min(1.0, (self.last_epoch + 1) / self.steps) for lr in self.base_lrs]

        return Warmup

    ours, theirs = scheduled("SGD")
    schedule = make(lr_scheduler._LRScheduler)(ours, 5)
    reference = make(torch.optim.lr_scheduler._LRScheduler)(theirs, 5)
    theirs.step()
    for _ in range(7):
        np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9)
        schedule.step()
        reference.step()


def test_a_schedule_of_a_learning_rate_that_is_a_tensor():
    x = eager.ones(1, requires_grad=True)
    optimizer = optim.SGD([x], lr=eager.tensor(0.5))
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    schedule.step()
    assert isinstance(optimizer.param_groups[0]["lr"], eager.Tensor)
    x.grad = eager.ones(1)
    optimizer.step()
    assert x.tolist() == [0.75]


@pytest.mark.parametrize("options", [
    {}, {"mode": "max", "patience": 2, "factor": 0.5, "cooldown": 3},
    {"threshold_mode": "abs", "threshold": 0.1, "patience": 1},
    {"mode": "max", "threshold_mode": "abs", "patience": 0, "min_lr": 0.02, "eps": 0.01},
    {"patience": 0, "min_lr": [0.01, 0.002]},
])  # fmt: skip
def test_plateaus(options):
    ours, theirs = scheduled("SGD")
    schedule = lr_scheduler.ReduceLROnPlateau(ours, **options)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for loss in np.concatenate([np.linspace(3, 1, 10), 1 + 0.05 * random(0, 30)]):
        schedule.step(loss)
        reference.step(loss)
        np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-9)
