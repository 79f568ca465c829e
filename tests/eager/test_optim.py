"""Optimizers and schedules: groups, states, compilation, errors. tests/parity compares their results with torch."""

import copy
import pickle

import jax
import numpy as np
import pytest

from funcvision import eager
from funcvision.eager import optim
from funcvision.eager.optim import lr_scheduler


def params(count=2):
    tensors = [eager.full((3,), float(i + 1), requires_grad=True) for i in range(count)]
    for tensor in tensors:
        tensor.grad = eager.full((3,), 0.5)
    return tensors


def test_a_step_in_numbers():
    (x,) = params(1)
    optimizer = optim.SGD([x], lr=0.1)
    assert optimizer.step() is None
    np.testing.assert_allclose(x.tolist(), [0.95] * 3, rtol=1e-6)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0, 0, 0]
    optimizer.zero_grad()
    assert x.grad is None
    optimizer.step()  # nothing to do
    np.testing.assert_allclose(x.tolist(), [0.95] * 3, rtol=1e-6)


def test_closure():
    (x,) = params(1)
    optimizer = optim.SGD([x], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss

    with eager.no_grad():
        assert optimizer.step(closure).item() == 3
    assert x.tolist() == [0.5] * 3


def test_learning_rates_and_momenta_do_not_compile_anew(caplog):
    tensors = params()
    optimizer = optim.Adam(tensors, lr=0.1)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    optimizer.step()
    with jax.log_compiles():
        for _ in range(4):
            schedule.step()
            optimizer.step()
        assert "Compiling" not in caplog.text
        optimizer.param_groups[0]["weight_decay"] = 0.1
        optimizer.step()
        assert "Compiling" in caplog.text


def test_parameters_held_elsewhere_stay():
    (x,) = params(1)
    before = x.array
    optimizer = optim.Adam([x])
    optimizer.step()
    saved = optimizer.state_dict()
    optimizer.step()  # donates its own state
    assert before.tolist() == [1] * 3
    assert all(np.isfinite(saved["state"][0][name].tolist()).all() for name in ("step", "exp_avg", "exp_avg_sq"))
    assert saved["state"][0]["step"].item() == 2  # as in torch, a state_dict refers to the Tensors of the optimizer


@pytest.mark.parametrize("algorithm", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "ASGD", "Rprop"])
def test_resuming(algorithm):
    options = {"momentum": 0.9} if algorithm in ("SGD", "RMSprop") else {}
    first, second = params(), params()
    optimizer = getattr(optim, algorithm)(first, lr=0.1, **options)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    resumed = getattr(optim, algorithm)(second, lr=0.7, **options)
    later = lr_scheduler.StepLR(resumed, 2)
    resumed.load_state_dict(optimizer.state_dict())
    later.load_state_dict(schedule.state_dict())
    for ours, theirs in zip(second, first, strict=True):
        ours.data = theirs.data
    for _ in range(3):
        for each in (optimizer, schedule, resumed, later):
            each.step()
    for ours, theirs in zip(second, first, strict=True):
        assert ours.equal(theirs)
    assert later.get_last_lr() == schedule.get_last_lr() == [pytest.approx(0.0001)]


def test_resuming_a_sequence():
    def make():
        optimizer = optim.SGD(params(1), lr=0.1)
        parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(optimizer, 5)]
        return optimizer, lr_scheduler.SequentialLR(optimizer, parts, [3])

    optimizer, schedule = make()
    resumed, later = make()
    for _ in range(5):
        schedule.step()
    resumed.load_state_dict(optimizer.state_dict())
    later.load_state_dict(schedule.state_dict())
    schedule.step()
    later.step()
    assert later.get_last_lr() == schedule.get_last_lr()


def test_a_state_that_does_not_fit():
    adam, sgd = optim.Adam(params()), optim.SGD(params(), momentum=0.9)
    sgd.step()
    with pytest.raises(ValueError, match="is not one of Adam"):
        adam.load_state_dict({**sgd.state_dict(), "param_groups": adam.state_dict()["param_groups"]})
    with pytest.raises(ValueError, match=r"saved groups have \[2\] parameters; the groups of .* have \[1\]"):
        optim.SGD(params(1)).load_state_dict(sgd.state_dict())


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: optim.SGD([]), ValueError, "got none"),
    (lambda: optim.SGD(eager.ones(2)), TypeError, "takes Tensors, such"),
    (lambda: optim.SGD([np.ones(2)]), TypeError, "got ndarray"),
    (lambda: optim.SGD([params()[0] * 2]), ValueError, "takes leaves"),
    (lambda: optim.SGD(params() * 2), ValueError, "twice"),
    (lambda: optim.SGD(params(), lr=-1), ValueError, r"SGD got lr=-1; it must be at least 0$"),
    (lambda: optim.Adam(params(), betas=(0.9, 1.0)), ValueError, r"betas=.* must be at least 0 and below 1"),
    (lambda: optim.SGD(params(), nesterov=True), ValueError, "nesterov needs a positive momentum"),
    (lambda: optim.SGD([{"params": params(), "lr": -2}]), ValueError, "lr=-2"),
    (lambda: lr_scheduler.StepLR(params(), 2), TypeError, "takes an optimizer; got list"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD(params()), 0.1), ValueError, "needs total_steps, or epochs"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD(params()), 0.1, 10, pct_start=2), ValueError, "pct_start=2"),
    (lambda: lr_scheduler.OneCycleLR(optim.Adagrad(params()), 0.1, 10), ValueError, "cycle_momentum=False"),
    (lambda: lr_scheduler.LinearLR(optim.SGD(params()), 0.0), ValueError, "start_factor=0.0"),
    (lambda: lr_scheduler.ConstantLR(optim.SGD(params()), 2.0), ValueError, "factor above 0"),
    (lambda: lr_scheduler.LambdaLR(optim.SGD(params()), [abs, abs]), ValueError, "2 functions for 1 groups"),
    (lambda: lr_scheduler.SequentialLR(optim.SGD(params()), [], [1]), ValueError, "at least one schedule"),
    (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD(params()), mode="up"), ValueError, "mode='up'"),
    (lambda: lr_scheduler.StepLR(optim.SGD(params()), 0), ValueError, "positive integer as step_size; got 0"),
    (lambda: lr_scheduler.CosineAnnealingLR(optim.SGD(params()), 0), ValueError, "positive integer as T_max; got 0"),
])  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_sequence_of_another_optimizer_and_a_cycle_that_is_over():
    optimizer = optim.SGD(params(), lr=0.1)
    with pytest.raises(ValueError, match="made with its optimizer"):
        lr_scheduler.SequentialLR(optim.SGD(params()), [lr_scheduler.StepLR(optimizer, 1)], [])
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match="total_steps=2"):
        schedule.step()


def test_groups_added_later_and_text():
    optimizer = optim.SGD(params(), lr=0.1)
    optimizer.add_param_group({"params": params()[0], "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert "Parameter Group 1" in repr(optimizer)
    assert "    lr: 0.5\n" in repr(optimizer)


def test_named_parameters():
    a, b = params()
    optimizer = optim.SGD([("weight", a), ("bias", b)], lr=0.1, momentum=0.9)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    optimizer.step()
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="have names, or none"):
        optim.SGD([("weight", a), b])
    with pytest.raises(ValueError, match="have names, or none"):
        optimizer.add_param_group({"params": params()})


def test_hooks():
    (x,) = params(1)
    optimizer = optim.SGD([x], lr=0.1)
    calls = []
    before = optimizer.register_step_pre_hook(lambda opt, args, kwargs: calls.append(("before", opt, args)))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: calls.append(("after", opt, args)))
    optimizer.step()
    assert calls == [("before", optimizer, ()), ("after", optimizer, ())]
    before.remove()
    optimizer.step()
    assert [name for name, _, _ in calls] == ["before", "after", "after"]
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "epoch": 3})
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: {k: v for k, v in state.items() if k != "epoch"})
    saved = optimizer.state_dict()
    assert saved["epoch"] == 3
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert len(calls) == 4  # the hooks are kept


def test_an_optimizer_with_a_step_of_its_own():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with eager.no_grad():
                for group in self.param_groups:
                    for param in group["params"]:
                        count = self.state[param].setdefault("count", eager.zeros(()))
                        count += 1
                        param -= group["lr"] * param.grad

    (x,) = params(1)
    optimizer = Plain([x], lr=0.5)
    calls = []
    optimizer.register_step_post_hook(lambda *call: calls.append(call))
    optimizer.step()
    assert x.tolist() == [0.75] * 3
    assert len(calls) == 1
    again = Plain([x], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.param_groups[0]["lr"] == 0.5
    assert again.state[x]["count"].item() == 1


def test_copies_and_pickles_go_on_by_themselves():
    (x,) = params(1)
    optimizer = optim.Adam([x], lr=0.1)
    optimizer.step()
    copied = copy.deepcopy(optimizer)
    pickled = pickle.loads(pickle.dumps(optimizer))
    optimizer.step()
    for other in (copied, pickled):
        param = other.param_groups[0]["params"][0]
        assert param is not x
        other.step()
        assert param.equal(x)
        assert other.state[param]["exp_avg"].equal(optimizer.state[x]["exp_avg"])


def test_the_state_can_be_read_and_reset():
    (x,) = params(1)
    optimizer = optim.Adam([x], lr=0.1)
    optimizer.step()
    state = optimizer.state[x]
    assert sorted(state) == ["exp_avg", "exp_avg_sq", "step"]
    np.testing.assert_allclose(state["exp_avg"].tolist(), [0.05] * 3, rtol=1e-6)
    first = x.tolist()
    with eager.no_grad():
        x.fill_(1.0)
        for tensor in state.values():
            tensor.zero_()
    optimizer.step()
    assert x.tolist() == first
    with eager.no_grad():
        x.fill_(1.0)
    optimizer.state.clear()
    optimizer.step()
    assert x.tolist() == first


def test_tensors_that_share_a_state_follow_it():
    """A step donates the arrays of the state to XLA, so that they are gone afterwards."""
    (x,) = params(1)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.5)
    optimizer.step()
    shared = optimizer.state[x]["momentum_buffer"].detach()
    view, copied = shared[1:], shared.clone()
    optimizer.step()
    assert (shared.tolist(), view.tolist(), copied.tolist()) == ([0.75] * 3, [0.75] * 2, [0.5] * 3)


def test_differentiable_steps_are_refused():
    with pytest.raises(NotImplementedError, match="not recorded"):
        optim.SGD(params(), differentiable=True)
