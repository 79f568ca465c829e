"""eager.Module: one node for each call, its arrays, its modes, and uncompiled forward."""

import contextlib
import copy
import io
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from funcvision import eager, nn
from funcvision import functional as pure
from funcvision.eager import optim
from funcvision.eager.nn import functional as F


class Net(nn.Module):
    def __init__(self, drop: float = 0.0):
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(drop)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.drop(pure.relu(self.bn(self.conv(x)))).mean((-3, -2)))


X = jax.random.normal(jax.random.key(1), (5, 6, 6, 2))
LABELS = jnp.arange(5) % 3


@pytest.mark.parametrize("jit", [True, False])
def test_training_equals_the_pure_functions(jit):
    model = Net()
    params, state = model.init(jax.random.key(0))
    transformation = optax.sgd(0.1, momentum=0.9)
    moments = transformation.init(params)
    net = eager.Module(model, seed=0, jit=jit)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @jax.jit
    def step(params, state, moments):
        def objective(params):
            logits, new_state = model.apply(params, state, X, train=True)
            return pure.cross_entropy(logits, LABELS), new_state

        (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = transformation.update(gradients, moments, params)
        return optax.apply_updates(params, updates), state, moments, loss

    for _ in range(3):
        params, state, moments, expected = step(params, state, moments)
        loss = F.cross_entropy(net(X), LABELS)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    for wanted, found in ((params, net.params), (state, net.state)):
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)
    expected, _ = model.apply(params, state, X)
    np.testing.assert_allclose(net.eval()(X).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_call_is_one_node_and_compiles_once():
    traces = []

    class Counted(Net):
        def forward(self, x):
            traces.append(x.shape)
            return super().forward(x)

    net = eager.Module(Counted())
    for _ in range(3):
        y = net(eager.Tensor(X))
        assert y._node.operation == "Counted"
        assert {type(edge.target) for edge in y._node.edges} == {eager.nn.Parameter}
        y.sum().backward()
    assert len(traces) == 1
    net.eval()
    for _ in range(2):
        net(X)
    assert len(traces) == 2
    with eager.no_grad():
        net(X)
    assert len(traces) == 3
    net.requires_grad_(False)
    net.get_parameter("fc.weight").requires_grad = True  # another set of parameters to differentiate
    net(X).sum().backward()
    assert len(traces) == 4
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["fc.weight"]


def test_parameters_are_not_copied_for_backward():
    net = eager.Module(nn.Linear(64, 64))
    x = eager.Tensor(jnp.ones((2, 64)), requires_grad=True)
    held = jax.tree.leaves(net(x)._node.held)
    assert any(array is net.params["weight"] for array in held)
    assert sum(array.size for array in held) == 64 * 64 + 2 * 64


def test_what_is_held_for_backward_is_what_is_costly_to_compute():
    net = eager.Module(Net())
    parameters = {id(array) for array in net.params.values()}
    held = [array for array in jax.tree.leaves(net(X)._node.held) if id(array) not in parameters]
    image, features = X.size, 5 * 6 * 6 * 4
    outputs = 2 * features  # of the convolution and of the relu
    assert sum(array.size for array in held) < image + outputs + 200


def test_gradients_of_inputs_accumulate_and_stop_at_frozen_parameters():
    net = eager.Module(Net())
    x = eager.Tensor(X, requires_grad=True)
    net(x).sum().backward()
    once = net.get_parameter("fc.weight").grad.numpy().copy()
    net.get_parameter("conv.weight").requires_grad_(False)
    net.get_parameter("conv.weight").grad = None
    net(x).sum().backward()
    np.testing.assert_allclose(net.get_parameter("fc.weight").grad.numpy(), 2 * once, rtol=1e-5)
    assert net.get_parameter("conv.weight").grad is None
    assert x.grad.shape == X.shape
    net.zero_grad(set_to_none=False)
    assert float(net.get_parameter("fc.weight").grad.abs().sum()) == 0
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_running_statistics_move_in_training_only():
    net = eager.Module(Net())
    before = net.state["bn.running_mean"]
    with eager.no_grad():
        net(X)  # as in torch, no_grad does not change this
    after = net.state["bn.running_mean"]
    assert not np.allclose(before, after)
    assert int(net.state["bn.num_batches_tracked"]) == 1
    assert net.eval() is net
    assert not net.training
    net(X)
    np.testing.assert_array_equal(net.state["bn.running_mean"], after)
    assert net.train().training


def test_every_call_draws_anew_from_the_seed():
    net, same, other = (eager.Module(Net(drop=0.5), seed=seed, params=None) for seed in (0, 0, 1))
    first, second = net(X), net(X)
    assert not first.allclose(second)
    assert first.equal(same(X))
    assert not first.allclose(other(X))
    assert net(X, key=jax.random.key(5)).equal(net(X, key=jax.random.key(5)))
    assert net.eval()(X).equal(net(X))


def test_an_optimizer_step_before_backward():
    net = eager.Module(Net())
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    stale = net(X).sum()
    net(X).sum().backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"'Net' used and that was changed in place.*an optimizer's step"):
        stale.backward()


class Wandering(nn.Module):
    """Doubles its input until it is large, and then takes one of two branches."""

    def __init__(self):
        self.scale = nn.Param((), nn.init.ones)
        self.shift = nn.Param((), nn.init.zeros)

    def forward(self, x):
        x = x * self.scale
        steps = 0
        while float(lax.stop_gradient(x)) < 10:
            x, steps = x * (self.scale + 1), steps + 1
        print("steps", steps, x > 12)
        if x > 12:
            return x**2
        return x + self.shift


@pytest.mark.parametrize(("start", "steps", "value", "derivative", "shift"), [
    (3.0, 2, 12.0, 3 * (4 + 2 * 2), True),  # s (s + 1)^2 x at s = 1
    (2.0, 3, 256.0, 2 * 16 * 2 * (8 + 3 * 4), False),
    (11.0, 0, 11.0, 11.0, True),
])  # fmt: skip
def test_branches_and_loops_on_values(start, steps, value, derivative, shift):
    net = eager.Module(Wandering(), jit=False)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        y = net(eager.tensor(start))
    assert printed.getvalue().startswith(f"steps {steps} ")
    assert ("True" in printed.getvalue()) == (not shift)
    y.backward()
    assert y.item() == value
    assert net.get_parameter("scale").grad.item() == pytest.approx(derivative)
    assert net.get_parameter("shift").grad.item() == (1.0 if shift else 0.0)
    with eager.no_grad(), contextlib.redirect_stdout(printed):
        assert net(eager.tensor(start)).item() == value


def test_branches_on_values_need_jit_false():
    with pytest.raises(jax.errors.ConcretizationTypeError):
        eager.Module(Wandering())(eager.tensor(3.0))


def test_outputs_and_inputs_may_be_trees():
    class Two(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

        def forward(self, batch, *, scale=1):
            return {"out": self.fc(batch["x"]) * scale, "count": batch["n"] + 1, "name": None}

    net = eager.Module(Two())
    result = net({"x": eager.ones(3, 2), "n": jnp.asarray(4)}, scale=2)
    assert result["count"].item() == 5
    assert result["name"] is None
    result["out"].sum().backward()
    assert net.get_parameter("fc.bias").grad.tolist() == [6, 6]


def test_captured_layers_are_differentiated():
    net = eager.Module(Net())
    y, captured = net(X, capture=("bn", "fc"))
    assert captured["fc"].equal(y)
    captured["bn"].square().sum().backward()
    assert net.get_parameter("conv.weight").grad is not None
    assert float(net.get_parameter("fc.weight").grad.abs().sum()) == 0


def test_state_dict_round_trip():
    net, other = eager.Module(Net(), seed=0), eager.Module(Net(), seed=1)
    net(X)
    live = net.state_dict()
    saved = {name: np.array(tensor) for name, tensor in live.items()}
    assert list(saved) == list(Net().declarations())
    net(X).sum().backward()
    optim.SGD(net.parameters(), lr=0.1).step()
    assert not np.allclose(saved["fc.weight"].T, net.params["fc.weight"])
    np.testing.assert_array_equal(np.asarray(live["fc.weight"]).T, net.params["fc.weight"])  # views, as in torch
    result = other.load_state_dict({name: np.asarray(array) for name, array in saved.items()})
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, saved[name])
    assert other.get_parameter("fc.weight").requires_grad


def test_state_dict_that_does_not_fit():
    net = eager.Module(Net())
    before = net.params["fc.weight"]
    arrays = net.state_dict()
    arrays["extra"] = arrays.pop("fc.bias")
    arrays["fc.weight"] = arrays["fc.weight"] + 1
    with pytest.raises(ValueError, match=r"does not fit Net; 1 missing: fc\.bias; 1 unexpected: extra\. Its"):
        net.load_state_dict(arrays)
    assert net.params["fc.weight"] is before
    assert net.load_state_dict(arrays, strict=False) == (["fc.bias"], ["extra"])
    arrays["fc.weight"] = arrays["fc.weight"].T
    fault = r"Net; 1 of another shape: fc\.weight is \(4, 3\), not \(3, 4\)\. Its .*eager\.Module\(model, params="
    with pytest.raises(ValueError, match=fault):
        net.load_state_dict(arrays, strict=False)


def test_arrays_given_at_the_start():
    params, state = Net().init(jax.random.key(7))
    net = eager.Module(Net(), params=params, state=state)
    assert net.params["fc.weight"] is params["fc.weight"]
    with pytest.raises(ValueError, match=r"3 missing: bn\.running_mean"):
        eager.Module(Net(), params=params)
    with pytest.raises(TypeError, match=r"takes a model of funcvision\.nn; got dict"):
        eager.Module({})


def test_names_and_places():
    net = eager.Module(Net())
    assert [name for name, _ in net.named_parameters(under="bn")] == ["bn.weight", "bn.bias"]
    assert len(list(net.parameters(under="conv"))) == 2
    assert next(name for name, _ in net.named_buffers()) == "bn.running_mean"
    assert len(list(net.buffers(under="bn"))) == 3
    with pytest.raises(KeyError, match=r"no array has a name under 'layer1'.*conv, bn, fc"):
        net.parameters(under="layer1")
    with pytest.raises(KeyError, match="no parameter 'fc'"):
        net.get_parameter("fc")
    assert repr(net).startswith("eager.Module(Net(")


def test_to():
    net = eager.Module(Net())
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    assert net.to(jnp.bfloat16) is net
    assert (net.params["fc.weight"].dtype, net.state["bn.running_mean"].dtype) == (jnp.bfloat16, np.float32)
    assert net.state["bn.num_batches_tracked"].dtype == np.int32
    assert net(X.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    device = jax.devices()[1]
    net.to(np.float32).to(device)
    assert {tensor.device for tensor in [*net.parameters(), *net.buffers()]} == {device}
    before = net.params["fc.weight"]
    net(jax.device_put(X, device)).sum().backward()
    optimizer.step()
    assert not np.allclose(before, net.params["fc.weight"])


def test_errors_of_layers_come_through():
    with pytest.raises(ValueError, match="conv2d takes") as caught:
        eager.Module(Net())(jnp.ones((2, 6, 6, 3)))
    assert "in layer conv" in caught.value.__notes__[0]


def test_a_module_without_arrays():
    loss = eager.Module(nn.CrossEntropyLoss(label_smoothing=0.1))
    logits = eager.randn(4, 3, key=jax.random.key(0), requires_grad=True)
    loss(logits, eager.tensor([0, 1, 2, 0])).backward()
    assert logits.grad.shape == (4, 3)
    assert list(loss.parameters()) == []


def test_two_networks_in_one_graph():
    generator, critic = eager.Module(nn.Linear(2, 2), seed=0), eager.Module(nn.Linear(2, 1), seed=1)
    critic(generator(eager.ones(3, 2))).mean().backward()
    assert generator.get_parameter("weight").grad is not None
    generator.zero_grad()
    critic(generator(eager.ones(3, 2)).detach()).mean().backward()
    assert generator.get_parameter("weight").grad is None


def test_assignments_that_would_do_nothing():
    net = eager.Module(Net())
    for name, value in (
        ("fc", nn.Linear(4, 5)), ("fc", eager.Module(nn.Linear(4, 5))), ("conv", None), ("head", nn.Linear(4, 5)),
        ("weight", eager.ones(3)), ("fc", eager.ones(3)),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=rf"{name!r} cannot be assigned.*model\.replace\({name!r}, layer\)"):
            setattr(net, name, value)
    with pytest.raises(AttributeError, match="'weight' cannot be assigned"):
        eager.Module(nn.Linear(2, 2)).weight = np.ones((2, 2))
    net.training = False
    net.note = "text is no part of the model"
    with pytest.raises(AttributeError, match=r"net\.model\.fc, .*named_parameters\(under='fc'\)"):
        _ = net.fc
    assert not hasattr(net, "foo")


def test_as_a_part_of_a_module():
    class Holder(eager.nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = eager.Module(Net(), seed=0, channels_first=True)
            self.head = eager.nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.trunk(x))

    first, second = Holder(), Holder()
    assert [name for name in first.state_dict() if name.startswith("trunk.fc")] == ["trunk.fc.weight", "trunk.fc.bias"]
    second.load_state_dict(first.state_dict())
    images = eager.tensor(X).permute(0, 3, 1, 2)
    first.eval()
    second.eval()
    assert first(images).equal(second(images))
    plain = eager.Module(Net(), seed=0)
    plain.eval()
    np.testing.assert_allclose(first.trunk(images).detach().numpy(), plain(X).detach().numpy(), rtol=1e-6)
    first(images).sum().backward()
    assert all(p.grad is not None for p in first.parameters())

def test_a_model_that_holds_an_eager_module():
    class Holder(nn.Module):
        def __init__(self, held):
            self.inner = nn.Identity()
            self.held = held

    for held in (eager.Module(nn.Linear(2, 2)), [eager.Module(nn.Linear(2, 2))], {"a": eager.Module(nn.ReLU())}):
        with pytest.raises(TypeError, match=r"held is an eager\.Module, whose parameters.*wrap the whole model"):
            eager.Module(Holder(held))
        with pytest.raises(TypeError, match=r"1\.held is an eager\.Module"):
            eager.Module(nn.Sequential(nn.ReLU(), Holder(held)))


def test_the_generator_decides_initial_values_and_dropout():
    def made():
        first, second = eager.Module(Net(drop=0.5)), eager.Module(Net(drop=0.5))
        return first(X).array, second(X).array, first.params["fc.weight"], second.params["fc.weight"]

    eager.manual_seed(3)
    once = made()
    eager.manual_seed(3)
    for before, again in zip(once, made(), strict=True):
        np.testing.assert_array_equal(before, again)
    assert not np.allclose(once[2], once[3])
    eager.manual_seed(4)
    assert not np.allclose(made()[2], once[2])
    eager.manual_seed(2**40 + 3)
    assert eager.initial_seed() == 2**40 + 3
    assert not np.allclose(made()[2], once[2])  # all bits of the seed count
    eager.manual_seed(-1)
    assert made()[2].shape == once[2].shape
    params, _ = Net().init(jax.random.key(5))
    np.testing.assert_array_equal(eager.Module(Net(), seed=5).params["fc.weight"], params["fc.weight"])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(copied):
    net = eager.Module(Net(drop=0.5), seed=0)
    optimizer = optim.Adam(net.parameters())
    net.get_parameter("fc.bias").requires_grad = False
    net(X).sum().backward()
    optimizer.step()
    twin, twin_optimizer = copied((net, optimizer))
    assert twin_optimizer.param_groups[0]["params"][0] is twin.get_parameter("conv.weight")
    for _ in range(2):
        for module, steps in ((net, optimizer), (twin, twin_optimizer)):
            steps.zero_grad()
            module(X).square().sum().backward()
            steps.step()
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name], err_msg=name)
    assert not twin.get_parameter("fc.bias").requires_grad
    assert net.eval()(X).equal(twin.eval()(X))
    x = eager.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copied(x)
    assert y.requires_grad
    assert y.grad.tolist() == [2, 4]
    y.grad.zero_()
    assert x.grad.tolist() == [2, 4]
    with pytest.raises(RuntimeError, match=r"only leaves are copied.*detach"):
        copied(x * 2)


def test_losses_called_on_tensors_name_what_to_use():
    logits, labels = eager.randn(4, 3), eager.tensor([0, 1, 2, 0])
    with pytest.raises(AttributeError, match=r"F\.cross_entropy.*eager\.Module\(nn\.CrossEntropyLoss\(\)\)"):
        nn.CrossEntropyLoss()(logits, labels)
    assert eager.Module(nn.CrossEntropyLoss())(logits, labels).allclose(F.cross_entropy(logits, labels))


def test_where_the_faces_are_mixed():
    layer = eager.nn.Linear(3, 2)
    array, tensor = jnp.ones((1, 3)), eager.ones(1, 3)

    class Pure(nn.Module):
        def __init__(self):
            self.layer = layer

        def forward(self, x):
            return self.layer(x)

    for call in (
        lambda: pure.linear(tensor, array.T), lambda: jnp.exp(tensor),
        lambda: nn.Linear(3, 2).apply({"weight": jnp.ones((3, 2)), "bias": jnp.ones(2)}, {}, tensor),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"Tensor.*use its version.*eager\.Module"):
            call()
    for call in (lambda: layer(array), lambda: Pure().apply({}, {}, array)):
        with pytest.raises(TypeError, match=r"within a model of jax arrays use funcvision\.nn\.Linear"):
            call()
    with pytest.raises(TypeError, match=r"use funcvision\.eager\.nn\.ReLU"):
        eager.nn.Sequential(nn.ReLU())
    np.testing.assert_array_equal(jnp.asarray(tensor), array)
    assert isinstance(array + tensor, eager.Tensor)
