"""Module: declarations, binding, initial arrays, changed copies, errors."""

import copy
import pickle
import re
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn
from funcvision.nn import _initial_arrays, init


class Block(nn.Module):
    def __init__(self, channels: int):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.bn(self.conv(x))


class Net(nn.Module):
    def __init__(self, classes: int = 5):
        self.blocks = nn.Sequential(Block(3), Block(3))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(3 * 4 * 4, classes)

    def forward(self, x):
        return self.fc(self.flatten(self.blocks(x)))


class Noise(nn.Module):
    def forward(self, x):
        return jax.random.normal(self.random_key(), x.shape) if self.training else x


NAMES = [
    "blocks.0.conv.weight", "blocks.0.bn.weight", "blocks.0.bn.bias", "blocks.0.bn.running_mean",
    "blocks.0.bn.running_var", "blocks.0.bn.num_batches_tracked", "blocks.1.conv.weight", "blocks.1.bn.weight",
    "blocks.1.bn.bias", "blocks.1.bn.running_mean", "blocks.1.bn.running_var", "blocks.1.bn.num_batches_tracked",
    "fc.weight", "fc.bias",
]


@pytest.fixture(scope="module")
def net():
    model = Net()
    return model, *model.init(jax.random.key(0))


X = jnp.ones((2, 4, 4, 3))


def test_names_and_order_are_those_of_a_state_dict(net):
    model, params, state = net
    assert list(model.declarations()) == NAMES
    assert set(params) | set(state) == set(NAMES)
    assert all("running" in name or "tracked" in name for name in state)


def test_a_description_holds_no_arrays(net):
    def arrays(module):
        for value in vars(module).values():
            if isinstance(value, nn.Module):
                yield from arrays(value)
            elif isinstance(value, jax.Array | np.ndarray):
                yield value

    assert not list(arrays(net[0]))


def test_apply_is_pure(net):
    model, params, state = net
    before = {name: np.asarray(value) for name, value in state.items()}
    _, new = model.apply(params, state, X, train=True)
    for name in state:
        np.testing.assert_array_equal(state[name], before[name])
        assert new[name].dtype == state[name].dtype
    assert not np.array_equal(new["blocks.1.bn.running_mean"], state["blocks.1.bn.running_mean"])
    assert int(new["blocks.1.bn.num_batches_tracked"]) == 1
    _, unchanged = model.apply(params, state, X)
    assert unchanged.keys() == state.keys()
    assert all(unchanged[name] is state[name] for name in state)


def test_apply_under_jit_grad_and_vmap(net):
    model, params, state = net
    plain, _ = model.apply(params, state, X)
    np.testing.assert_allclose(jax.jit(model.apply)(params, state, X)[0], plain, atol=1e-6)
    each = jax.vmap(lambda x: model.apply(params, state, x[None])[0][0])(X)
    np.testing.assert_allclose(each, plain, atol=1e-5)
    gradient = jax.grad(lambda p: model.apply(p, state, X)[0].sum())(params)
    assert gradient.keys() == params.keys()
    assert float(jnp.abs(gradient["blocks.0.conv.weight"]).max()) > 0


def test_threads_do_not_see_each_other(net):
    model, params, state = net
    scaled = [jax.tree.map(lambda p, i=i: p * (1 + i), params) for i in range(8)]
    expected = [np.asarray(model.apply(p, state, X)[0]) for p in scaled]
    results = [None] * 8

    def work(i):
        for _ in range(5):
            results[i] = np.asarray(model.apply(scaled[i], state, X)[0])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, value)


def test_capture(net):
    model, params, state = net
    y, _, seen = model.apply(params, state, X, capture=("blocks.0", "fc", "blocks.1.conv"))
    assert list(seen) == ["blocks.0", "fc", "blocks.1.conv"]
    np.testing.assert_array_equal(seen["fc"], y)
    assert seen["blocks.0"].shape == X.shape
    with pytest.raises(ValueError, match=r"'blocks.2', but no module of that name ran.*similar names: 'blocks"):
        model.apply(params, state, X, capture=("blocks.2",))


def test_capture_counts_the_uses_of_a_module():
    class Twice(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.fc(self.fc(x))

    model = Twice()
    y, _, seen = model.apply(*model.init(jax.random.key(0)), jnp.ones((1, 3)), capture=("fc", "fc_1"))
    np.testing.assert_array_equal(seen["fc_1"], y)
    assert not np.array_equal(seen["fc"], y)


def test_keys_differ_by_layer_and_use_and_repeat_by_key():
    model = nn.ModuleDict({"a": Noise(), "b": Noise()})

    class Both(nn.Module):
        def __init__(self):
            self.parts = model

        def forward(self, x):
            return self.parts["a"](x), self.parts["a"](x), self.parts["b"](x)

    draw = lambda key: Both().apply({}, {}, jnp.zeros(100), train=True, key=key)[0]
    first, again, other = draw(jax.random.key(0)), draw(jax.random.key(0)), draw(jax.random.key(1))
    np.testing.assert_array_equal(first, again)
    values = [*first, *other]
    assert len({float(v[0]) for v in values}) == len(values)


def test_a_layer_without_key_says_which_and_how():
    model = nn.Sequential(nn.Identity(), Noise())
    model.apply({}, {}, jnp.zeros(3))
    with pytest.raises(ValueError, match=r"layer '1' \(Noise\(\)\) draws random numbers.*key=jax.random.key"):
        model.apply({}, {}, jnp.zeros(3), train=True)


def test_unbound_calls():
    with pytest.raises(RuntimeError, match=r"model.init\(key\).*model.apply"):
        Net()(X)
    np.testing.assert_array_equal(nn.Sequential(nn.Identity())(X), X)  # it declares no arrays
    with pytest.raises(RuntimeError, match="whether it trains"):
        Noise()(X)


def test_arrays_that_do_not_fit_are_all_named(net):
    model, params, state = net
    wrong = {name: value for name, value in params.items() if name != "fc.bias"}
    wrong |= {"fc.weight": params["fc.weight"].T, "head.weight": params["fc.bias"]}
    faults = (
        "these arrays do not fit Net; params: 1 missing: fc.bias; 1 unexpected: head.weight; "
        "1 of another shape: fc.weight is (5, 48), not (48, 5)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(faults)}$"):
        model.apply(wrong, state, X)
    with pytest.raises(ValueError, match=r"Net; state: 6 missing: blocks\.0\.bn\.running_mean"):
        model.apply(params, {}, X)
    with pytest.raises(ValueError, match=r"Net; state: 1 misplaced: fc\.bias is a parameter$"):
        model.apply(params, state | {"fc.bias": params["fc.bias"]}, X)
    with pytest.raises(ValueError, match=r"6 misplaced: .*running_mean is a buffer, .* \| state: 6 missing: "):
        model.apply(params | state, {}, X)


def test_errors_name_the_layer(net):
    model, params, state = net
    with pytest.raises(ValueError, match="channels-first order") as caught:
        model.apply(params, state, X.transpose(0, 3, 1, 2))
    assert caught.value.__notes__ == [f"in layer blocks.0.conv: {model.blocks[0].conv!r}"]


def test_a_description_does_not_change():
    model = Net()
    with pytest.raises(AttributeError, match=r"does not change after __init__.*replace\('fc'"):
        model.fc = nn.Linear(2, 3)
    other = model.replace("fc", nn.Linear(48, 7)).replace("blocks.1.bn", nn.Identity())
    assert other.declarations()["fc.weight"].shape == (7, 48)
    assert "blocks.1.bn.weight" not in other.declarations()
    assert list(model.declarations()) == NAMES
    with pytest.raises(KeyError, match="Net has no child 'head'; its children are blocks, flatten, fc"):
        model.replace("head", nn.Identity())
    with pytest.raises(KeyError, match=r"'blocks\.1\.norm': Block has no child 'norm'; its children are conv, bn"):
        model.replace("blocks.1.norm", nn.Identity())


def test_forward_may_set_buffers_only():
    class Sets(nn.Module):
        def __init__(self, name, value):
            self.count = nn.Buffer((2,), init.zeros)
            self.name, self.value = name, value

        def forward(self, x):
            setattr(self, self.name, self.value)
            return x

    run = lambda model: model.apply(*model.init(jax.random.key(0)), X)[1]
    np.testing.assert_array_equal(run(Sets("count", jnp.ones(2)))["count"], [1, 1])
    with pytest.raises(AttributeError, match="only a declared Buffer"):
        run(Sets("cache", 3))
    with pytest.raises(ValueError, match=r"buffer 'count' of Sets is float32\(2,\); it cannot become float32\(3,\)"):
        run(Sets("count", jnp.ones(3)))


def test_what_a_module_refuses_to_hold():
    class Holds(nn.Module):
        def __init__(self, name, value):
            setattr(self, name, value)

    for kind, value in {
        "list": [nn.Identity()], "tuple": (None, nn.Identity()), "dict": {"a": nn.Identity()}, "set": {nn.Identity()},
    }.items():  # fmt: skip
        fault = rf"Holds\.layers is a plain {kind} that holds modules \(Identity\)\. .*use ModuleList or ModuleDict"
        with pytest.raises(TypeError, match=fault):
            Holds("layers", value)
    for value in ([[nn.Identity()]], {"a": [nn.Identity()]}, [{"a": (1, nn.Identity())}]):
        with pytest.raises(TypeError, match="holds modules"):
            Holds("layers", value)
    for value in ([nn.Param((2,))], {"a": [nn.Param((2,))]}, ((nn.Param((2,)),),)):
        with pytest.raises(TypeError, match=r"holds a Param\. It would not be declared: assign it to an attribute"):
            Holds("weights", value)
    with pytest.raises(TypeError, match="holds a Buffer"):
        Holds("counts", [nn.Buffer((2,))])
    with pytest.raises(AttributeError, match="'apply': every Module has a member of that name"):
        Holds("apply", nn.Identity())
    assert Holds("sizes", [(1, 2), {"a": [3]}]).sizes == [(1, 2), {"a": [3]}]


def test_a_list_that_gets_modules_after_its_assignment_is_refused():
    class Appends(nn.Module):
        def __init__(self):
            self.layers = []
            self.layers.append(nn.Identity())

    with pytest.raises(TypeError, match=r"Appends\.layers is a plain list that holds modules"):
        Appends()


class Tied(nn.Module):
    """One layer under two names."""

    def __init__(self):
        self.first = nn.Linear(3, 3)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x))


def test_a_module_held_twice_has_one_set_of_arrays():
    model = Tied()
    params, state = model.init(jax.random.key(0))
    assert list(params) == ["first.weight", "first.bias"]
    w, b = params["first.weight"], params["first.bias"]
    x = jnp.ones((1, 3))
    np.testing.assert_allclose(model.apply(params, state, x)[0], (x @ w + b[None]) @ w + b[None], atol=1e-5)


@pytest.mark.parametrize("path", ["first", "second"])
def test_replacing_a_shared_module_replaces_it_everywhere(path):
    model = Tied().replace(path, nn.Linear(3, 3, bias=False))
    assert model.first is model.second
    assert list(model.declarations()) == ["first.weight"]


def test_changed_copies_keep_shared_modules_shared():
    class Deep(nn.Module):
        def __init__(self):
            self.norm = nn.BatchNorm1d(3)
            self.inner = nn.Sequential(Tied(), self.norm)
            self.outer = self.inner[0].first

        def forward(self, x):
            return self.outer(self.inner(self.norm(x)))

    model = Deep()
    names = list(model.declarations())
    ones = lambda layer: {"weight": init.ones} if isinstance(layer, nn.Linear) else {}
    changed = model.with_init(ones)
    replaced = model.replace("inner.1", nn.BatchNorm1d(3, affine=False))
    for copied in (changed, replaced):
        assert copied.outer is copied.inner[0].first is copied.inner[0].second
        assert copied.norm is copied.inner[1]
    assert list(changed.declarations()) == names
    assert [n for n in names if n not in replaced.declarations()] == ["norm.weight", "norm.bias"]
    assert changed.norm is model.norm  # nothing changes below it
    assert changed.outer is not model.outer
    params, state = changed.init(jax.random.key(0))
    np.testing.assert_array_equal(params["inner.0.first.weight"], np.ones((3, 3)))
    _, new = changed.apply(params, state, jnp.ones((2, 3)), train=True)
    assert new.keys() == state.keys()
    assert int(new["norm.num_batches_tracked"]) == 2


def test_a_replacement_may_hold_modules_of_the_description():
    model = Tied()
    wrapped = model.replace("first", nn.Sequential(model.first, nn.ReLU()))
    assert list(wrapped.declarations()) == ["first.0.weight", "first.0.bias"]
    pair = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied = pair.replace("1", nn.Sequential(pair[0], nn.ReLU()))
    assert list(tied.declarations()) == ["0.weight", "0.bias"]
    assert tied[0] is tied[1][0]


def test_with_init_refuses_names_that_are_not_declared():
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    assert list(model.with_init(lambda m: {"bias": init.ones} if isinstance(m, nn.Linear) else {}).declarations()) == [
        "0.weight"
    ]
    for name in ("wieght", "in_features"):
        with pytest.raises(KeyError, match=rf"'{name}' of Linear \(0\), which declares weight"):
            model.with_init(lambda m, name=name: {name: init.ones} if isinstance(m, nn.Linear) else {})


def test_init_is_deterministic_traceable_and_shardable():
    model = Net()
    params, _ = model.init(jax.random.key(3))
    jitted, _ = jax.jit(model.init)(jax.random.key(3))
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))

    def over_even_axes(array):
        axes = ["x" if n % 2 == 0 and n == max(array.shape) else None for n in array.shape]
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))

    spread = jax.tree.map(over_even_axes, jax.eval_shape(model.init, jax.random.key(3)))
    sharded, _ = jax.jit(model.init, out_shardings=spread)(jax.random.key(3))
    assert len(sharded["fc.weight"].sharding.device_set) == 2
    for name in params:
        np.testing.assert_allclose(jitted[name], params[name], rtol=1e-6)
        np.testing.assert_allclose(sharded[name], params[name], rtol=1e-6)
    other, _ = model.init(jax.random.key(4))
    assert not np.array_equal(other["fc.weight"], params["fc.weight"])


def test_init_takes_the_initialisers_of_jax():
    model = nn.Linear(30, 20, weight_init=jax.nn.initializers.lecun_normal(), bias_init=jax.nn.initializers.ones)
    params, _ = model.init(jax.random.key(0))
    assert params["weight"].shape == (30, 20)
    assert 0 < float(params["weight"].std()) < 1
    np.testing.assert_array_equal(params["bias"], np.ones(20))


def test_parameters_in_bfloat16_keep_their_statistics_in_float32():
    params, state = Block(3).init(jax.random.key(0), dtype=jnp.bfloat16)
    assert {value.dtype.name for value in params.values()} == {"bfloat16"}
    assert {value.dtype.name for value in state.values()} == {"float32", "int32"}


def test_copies_and_pickles(net):
    model, params, state = net
    for twin in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert list(twin.declarations()) == NAMES
        assert repr(twin) == repr(model)
        np.testing.assert_array_equal(twin.apply(params, state, X)[0], model.apply(params, state, X)[0])


def test_containers():
    layers = nn.Sequential(nn.Linear(2, 3), nn.Identity(), nn.Linear(3, 1))
    assert len(layers) == 3
    assert list(layers[1:].declarations()) == ["2.weight", "2.bias"]
    assert isinstance(layers[-1], nn.Linear)
    named = nn.Sequential({"a": nn.Linear(2, 2), "b": nn.Identity()})
    assert list(named.declarations()) == ["a.weight", "a.bias"]
    assert [type(m) for m in nn.ModuleList([nn.Identity()])] == [nn.Identity]
    table = nn.ModuleDict({"x": nn.Identity()})
    assert "x" in table
    assert table.keys() == ["x"]
    with pytest.raises(TypeError, match="holds modules"):
        nn.Sequential(lambda x: x)
    with pytest.raises(ValueError, match="cannot be named"):
        nn.ModuleDict({"a.b": nn.Identity()})
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList([nn.Identity()])(1)


def test_repr_shows_options_and_children():
    assert repr(Net(7)).splitlines()[-2:] == ["  (fc): Linear(in_features=48, out_features=7)", ")"]


class Twice(nn.Module):
    """A child that is called twice, with or without recomputation in the backward pass."""

    def __init__(self, again: bool):
        self.again = again
        self.child = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))

    def forward(self, x):
        call = nn.remat if self.again else lambda module, x: module(x)
        return call(self.child, call(self.child, x))


@jax.enable_x64(True)  # the gradient of a bias before a norm is only rounding error
def test_remat_changes_nothing_but_what_is_kept():
    x, key = jax.random.normal(jax.random.key(1), (8, 3)), jax.random.key(2)
    params, state = Twice(False).init(jax.random.key(0))
    found = []
    for again in (False, True):
        model = Twice(again)

        def loss(params, model=model):
            y, new = model.apply(params, state, x, train=True, key=key)
            return (y**2).sum(), new

        (value, new), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
        found.append((value, new, gradients))
        assert bool(re.search("remat|checkpoint", str(jax.make_jaxpr(loss)(params)))) == again
        _, _, seen = model.apply(params, state, x, train=True, key=key, capture=("child.0", "child.0_1"))
        found[-1] += (seen,)
    assert int(found[1][1]["child.1.num_batches_tracked"]) == 2
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), *found)


def test_many_initial_values_are_made_in_groups(monkeypatch):
    """Each group has its own draws. The first group has the values that it has without others."""
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)))
    whole, _ = model.init(jax.random.key(0))
    monkeypatch.setattr(_initial_arrays, "_MAX_NUMBERS_PER_GROUP", 80)  # a layer has 72
    apart, _ = model.init(jax.random.key(0))
    assert list(apart) == list(whole)
    assert {name: array.shape for name, array in apart.items()} == {name: array.shape for name, array in whole.items()}
    weights = np.stack([apart[f"{i}.weight"] for i in range(4)]).reshape(4, -1)
    assert len(np.unique(weights)) == weights.size
    assert (np.abs(weights) <= 8**-0.5).all()
    first, _ = model[:1].init(jax.random.key(0))
    np.testing.assert_array_equal(first["0.weight"], apart["0.weight"])


def test_no_two_groups_of_initial_values_share_a_key(monkeypatch):
    class Declares(nn.Module):
        def __init__(self, **declared):
            for name, declaration in declared.items():
                setattr(self, name, declaration)

    def keys(key, shape, dtype):
        """The key that an initialiser gets and those that it may derive."""
        return jnp.stack([jax.random.key_data(one) for one in (key, *jax.random.split(key))]).astype(dtype)

    monkeypatch.setattr(_initial_arrays, "_MAX_NUMBERS_PER_GROUP", 12)  # two arrays of 6
    found, _ = Declares(**{f"a{i}": nn.Param((3, 2), keys, dtype=np.uint32) for i in range(10)}).init(jax.random.key(0))
    rows = np.concatenate(list(found.values()))
    assert len(np.unique(rows, axis=0)) == len(rows) == 30

    def draws(key, shape, dtype):
        return init.uniform(-1, 1)(jax.random.split(key)[0], shape, dtype)

    model = Declares(own=nn.Param((12,), draws), **{f"a{i}": nn.Param((12,), init.uniform(-1, 1)) for i in range(4)})
    values = np.concatenate(list(model.init(jax.random.key(0))[0].values()))
    assert len(np.unique(values)) == values.size == 60


def test_lists_and_dicts_of_parameters():
    class Mixture(nn.Module):
        def __init__(self):
            self.scales = nn.ParameterList([nn.Param((2,), nn.init.ones), nn.Param((3, 2), nn.init.ones, "OI->IO")])
            self.shifts = nn.ParameterDict({"a": nn.Param((2,), nn.init.zeros), "b": nn.Param((), nn.init.ones)})

        def forward(self, x):
            first, second = self.scales
            return x * first[None] @ self.scales[-1] + second.sum() + sum(v.sum() for _, v in self.shifts.items())

    model = Mixture()
    params, state = model.init(jax.random.key(0))
    assert list(params) == ["scales.0", "scales.1", "shifts.a", "shifts.b"]
    assert params["scales.1"].shape == (2, 3)
    y, _ = model.apply(params, state, jnp.ones((1, 2)))
    np.testing.assert_array_equal(y, [[9, 9, 9]])
    twin = copy.deepcopy(model)
    assert len(twin.scales) == len(twin.shifts) == 2
    assert list(twin.shifts) == twin.shifts.keys() == ["a", "b"]
    assert "a" in twin.shifts
    assert "c" not in twin.shifts
    assert twin.shifts.values() == [twin.shifts["a"], twin.shifts["b"]]
    assert twin.scales[:1] == [twin.scales[0]]
    with pytest.raises(KeyError, match="ParameterDict has no 'c'; it has a, b"):
        twin.shifts["c"]
    with pytest.raises(ValueError, match="a parameter cannot be named 'keys'"):
        nn.ParameterDict({"keys": nn.Param(())})
    with pytest.raises(TypeError, match=r"ParameterList holds nn\.Param, but item '0' is"):
        nn.ParameterList([nn.Linear(2, 3)])


def test_with_init_reaches_parameters_in_lists():
    model = nn.Sequential(nn.Linear(2, 2)), nn.ParameterList([nn.Param((2,))])
    ones = model[1].with_init(lambda m: {"0": nn.init.ones} if isinstance(m, nn.ParameterList) else {})
    np.testing.assert_array_equal(ones.init(jax.random.key(0))[0]["0"], [1, 1])
