"""`eager.compile` and `eager.func`: one node, the same results as without, and what makes another trace."""

import numpy as np
import pytest

from funcvision import eager
from funcvision.eager import func, nn


def net():
    eager.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3))


def images(count=4):
    return eager.tensor(np.random.default_rng(0).standard_normal((count, 1, 5, 5)).astype(np.float32))


def test_a_compiled_module_computes_the_same():
    plain, other = net(), net()
    compiled = eager.compile(other)
    for _ in range(2):
        for module in (plain, compiled):
            module.zero_grad()
            module(images()).square().sum().backward()
        for ours, theirs in zip(compiled.parameters(), plain.parameters(), strict=True):
            np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-5)
    assert other[1].num_batches_tracked.item() == 2
    np.testing.assert_allclose(other[1].running_var.numpy(), plain[1].running_var.numpy(), rtol=1e-5)
    compiled.eval()
    plain.eval()
    assert not other[1].training
    ours, theirs = (module(images()).detach().numpy() for module in (compiled, plain))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert list(compiled.state_dict()) == [f"_orig_mod.{name}" for name in other.state_dict()]


def test_it_is_traced_once_for_each_shape_and_mode():
    calls = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            calls.append(tuple(x.shape))
            return self.layer(x)

    module = Counting()
    compiled = eager.compile(module)
    for count in (4, 4, 3, 4, 3):
        compiled(eager.ones(count, 2))
    traces = len(calls)
    assert set(calls) == {(4, 2), (3, 2)}
    compiled(eager.ones(4, 2))
    assert len(calls) == traces
    compiled.eval()
    compiled(eager.ones(4, 2))
    assert len(calls) > traces
    with eager.no_grad():
        assert not compiled(eager.ones(4, 2)).requires_grad


def test_random_numbers_differ_in_every_call_and_repeat_with_the_seed():
    compiled = eager.compile(nn.Dropout(0.5))
    eager.manual_seed(1)
    first, second = compiled(eager.ones(50)), compiled(eager.ones(50))
    assert not first.equal(second)
    eager.manual_seed(1)
    assert compiled(eager.ones(50)).equal(first)


def test_a_function_reads_and_writes_tensors_from_outside():
    weight, count = eager.ones(3, requires_grad=True), eager.zeros(())
    outer = weight * 2

    @eager.compile
    def function(x, *, scale):
        with eager.no_grad():
            count.add_(1)
            fixed = (outer * x).sum()
        return {"loss": (outer * x * scale).sum() * fixed, "scale": scale}

    for _ in range(3):
        result = function(eager.ones(3), scale=2.0)
    assert count.item() == 3
    assert result["scale"] == 2.0
    result["loss"].backward()
    np.testing.assert_allclose(weight.grad.numpy(), [24, 24, 24])


def test_values_are_not_known():
    def absolute(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(RuntimeError, match=r"absolute needs the value of a Tensor.*eager\.where.*line \d+"):
        eager.compile(absolute)(eager.ones(2))
    lenient = eager.compile(absolute, fullgraph=False)
    with pytest.warns(UserWarning, match="runs uncompiled"):
        assert lenient(-eager.ones(2)).tolist() == [1, 1]
    assert lenient(eager.ones(2)).tolist() == [1, 1]


def test_hooks_and_replaced_parameters():
    module = nn.Linear(2, 1, bias=False)
    compiled = eager.compile(module)
    before = compiled(eager.ones(1, 2))
    module.weight = nn.Parameter(module.weight * 2)
    np.testing.assert_allclose(compiled(eager.ones(1, 2)).detach().numpy(), 2 * before.detach().numpy(), rtol=1e-6)
    handle = module.register_forward_hook(lambda module, args, output: output + 1)
    np.testing.assert_allclose(compiled(eager.ones(1, 2)).detach().numpy(), 2 * before.detach().numpy() + 1, rtol=1e-6)
    handle.remove()
    seen = []
    module.register_full_backward_hook(lambda module, into, out: seen.append(out[0].tolist()))
    compiled(eager.ones(1, 2)).backward()
    assert seen == [[[1.0]]]


def test_transformations():
    module = nn.Linear(3, 2)
    params = {name: p.detach() for name, p in module.named_parameters()}

    def loss(params, x):
        return func.functional_call(module, params, (x,)).sum()

    x = eager.tensor(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    each = func.vmap(func.grad(loss), in_dims=(None, 0))(params, x)
    np.testing.assert_allclose(each["weight"].numpy(), np.stack([np.stack([row, row]) for row in x.numpy()]))
    cube = eager.tensor([1.0, 2.0])
    assert func.hessian(lambda x: (x**3).sum())(cube).tolist() == [[6, 0], [0, 12]]
    assert func.jacrev(lambda x: x**2)(cube).tolist() == func.jacfwd(lambda x: x**2)(cube).tolist() == [[2, 0], [0, 4]]
    value, back = func.vjp(lambda x: x.sin(), cube)
    np.testing.assert_allclose(back(eager.ones(2)).numpy(), np.cos([1, 2]), rtol=1e-6)
    value, tangent = func.jvp(lambda x: x * x, (cube,), (eager.ones(2),))
    assert (value.tolist(), tangent.tolist()) == ([1, 4], [2, 4])
    gradient, value = func.grad_and_value(lambda x: (x * x).sum())(cube)
    assert (gradient.tolist(), value.item()) == ([2, 4], 5)
    stacked, _ = func.stack_module_state([module, nn.Linear(3, 2)])
    both = func.vmap(lambda params: func.functional_call(module, params, (x,)))(stacked)
    assert both.shape == (2, 4, 2)
    y = eager.tensor([1.0, 2.0], requires_grad=True)
    func.grad(lambda x: (x**3).sum())(y).sum().backward()
    assert y.grad.tolist() == [6, 12]
