"""torch.autograd: each program runs with torch and with the eager face, and both must return the same."""

import contextlib
import warnings

import jax
import numpy as np
import pytest
import torch
import torch.utils.checkpoint

from funcvision import eager

BOTH = {"torch": torch, "eager": eager}


def plain(value):
    """A result without Tensors: nested lists of arrays and Python values."""
    if isinstance(value, torch.Tensor | eager.Tensor):
        return np.asarray(value.detach().numpy())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def agree(mine, theirs, rtol=2e-5, atol=1e-6):
    if isinstance(theirs, np.ndarray):
        np.testing.assert_allclose(mine, theirs, rtol, atol)
    elif isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            agree(one, other, rtol, atol)
    else:
        assert mine == theirs


def check(program, **tolerances):
    theirs, mine = plain(program(torch)), plain(program(eager))
    agree(mine, theirs, **tolerances)


def leaf(t, *values, grad=True):
    return t.tensor(values, requires_grad=grad)


# grad and backward


def penalty(t):
    """A gradient penalty, as of WGAN-GP: a norm of gradients by the input is differentiated by the weights."""
    rng = np.random.default_rng(0)
    w = t.tensor(rng.standard_normal((3, 4), np.float32), requires_grad=True)
    v = t.tensor(rng.standard_normal((4, 1), np.float32), requires_grad=True)
    x = t.tensor(rng.standard_normal((5, 3), np.float32), requires_grad=True)
    score = t.tanh(x @ w).matmul(v)
    (slopes,) = t.autograd.grad(score, x, t.ones_like(score), retain_graph=True, create_graph=True, only_inputs=True)
    loss = ((slopes.norm(2, dim=1) - 1) ** 2).mean() - score.mean()
    loss.backward()
    return loss, w.grad, v.grad, x.grad


def meta_learning(t):
    """An inner step of gradient descent through which an outer loss is differentiated."""
    w, x, y = leaf(t, 0.5, -1.0), leaf(t, 1.0, 2.0, grad=False), leaf(t, 2.0, 1.0, grad=False)
    fast = w
    for _ in range(2):
        (slope,) = t.autograd.grad(((t.sigmoid(fast * x) - y) ** 2).sum(), fast, create_graph=True)
        fast = fast - 0.3 * slope
    ((t.exp(fast) - y) ** 2).mean().backward()
    return fast, w.grad


def higher_orders(t):
    x = leaf(t, 0.3, 0.7)
    orders, y = [], (t.sin(x) * t.exp(x)).sum()
    for _ in range(4):
        (slope,) = t.autograd.grad(y, x, create_graph=True)
        orders.append(slope)
        y = slope.sum()
    return orders


def hessian_vector(t):
    x, v = leaf(t, 1.0, 2.0, 3.0), leaf(t, 1.0, -1.0, 0.5, grad=False)
    (slope,) = t.autograd.grad((x**3).sum() * x.prod(), x, create_graph=True)
    return t.autograd.grad(slope, x, v)


def accumulated(t):
    """backward with create_graph: the gradients have a history, and are summed."""
    x = leaf(t, 1.0, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x**3).sum().backward(create_graph=True)
        (x**2).sum().backward(create_graph=True)
    total = x.grad
    x.grad = None
    (total**2).sum().backward()
    return total, total.requires_grad, x.grad


def several(t):
    x, y, unused = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0), leaf(t, 0.0)
    a, b = x * y, y.exp()
    found = t.autograd.grad([a.sum(), b], [x, y, a], [None, t.ones(2)], retain_graph=True)
    missing = t.autograd.grad(a.sum(), [x, unused], retain_graph=True, allow_unused=True)
    zeros = t.autograd.grad(a.sum(), [x, unused], retain_graph=True, materialize_grads=True)
    t.autograd.backward([a.sum(), b.sum()], retain_graph=True)
    grads = [x.grad, y.grad]
    t.autograd.backward([a, b], [t.ones(2), t.ones(2) * 2], inputs=[y])
    return found, missing[0], missing[1] is None, zeros, grads, x.grad, y.grad


def inputs_of_backward(t):
    x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
    middle = x * y
    (middle**2).sum().backward(inputs=[x, middle])
    return x.grad, middle.grad, y.grad is None


def batched(t):
    x = leaf(t, 1.0, 2.0)
    return t.autograd.grad(x**3, x, t.eye(2), is_grads_batched=True)


def in_place(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 2
    y.mul_(x)
    y += x.exp()
    (slope,) = t.autograd.grad(y.sum(), x, create_graph=True)
    return slope, t.autograd.grad(slope.sum(), x)


def changed_after_a_use_that_does_not_need_it(t):
    x = leaf(t, 1.0, 2.0)
    y = (x.exp() + x).sum()
    with t.no_grad():
        x += 1
    return t.autograd.grad(y, x)


@pytest.mark.parametrize("program", [
    penalty, meta_learning, higher_orders, hessian_vector, accumulated, several, inputs_of_backward, batched, in_place,
    changed_after_a_use_that_does_not_need_it,
])  # fmt: skip
def test_gradients(program):
    check(program)


def test_double_gradients_of_functions():
    def program(t):
        x = t.tensor(np.linspace(0.2, 1.4, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
        weights = t.tensor(np.cos(np.arange(12, dtype=np.float32)).reshape(3, 4))
        results = []
        for f in (
            lambda x: x.sqrt(), lambda x: x.log(), lambda x: 1 / x, lambda x: x.sigmoid(), lambda x: t.softmax(x, 1),
            lambda x: x.logsumexp(1), lambda x: x.std(0), lambda x: x.t() @ x, lambda x: x[1:, ::2] ** 2,
            lambda x: t.cat([x * x, x]), lambda x: t.where(x > 0.5, x**3, x), lambda x: x.max(1)[0] ** 2,
            lambda x: x.prod(1), lambda x: x.cumsum(0) ** 2, lambda x: t.relu(x - 0.5) ** 2,
        ):  # fmt: skip
            y = f(x)
            y = (y * y * y).sum()
            (slope,) = t.autograd.grad(y, x, create_graph=True)
            (second,) = t.autograd.grad((slope * weights).sum(), x, allow_unused=True)
            results += [slope, 0 * x if second is None else second]
        return results

    check(program, rtol=1e-4, atol=1e-5)


# Functions


def function_classes(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return factor * x**3

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * ctx.factor * 3 * x**2, None

    class Exp(t.autograd.Function):
        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, gradient):
            (result,) = ctx.saved_tensors
            return gradient * result

    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, scale=1.0):
            ctx.scale = scale
            ctx.save_for_backward(x, None, y)
            rounded = x.round()
            ctx.mark_non_differentiable(rounded)
            return x * y, "text", rounded, x + y

        @staticmethod
        def backward(ctx, first, text, rounded, second):
            x, nothing, y = ctx.saved_tensors
            received.append((text, nothing, ctx.needs_input_grad, rounded.sum()))
            return first * y + second, (first * x + second).sum(0, keepdim=True) if y.shape[0] == 1 else first * x, None

    class Add(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            return x.add_(y)

        @staticmethod
        def backward(ctx, gradient):
            return gradient, gradient * 2

    class Sparse(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            received.append((first is None, second is None))
            return second * 3

    class Reversed(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):
            ctx.strength = strength
            return x.view_as(x)

        @staticmethod
        def backward(ctx, gradient):
            return -ctx.strength * gradient, None

    received = []
    return Cube, Exp, Two, Add, Sparse, Reversed, received


def test_functions():
    def program(t):
        Cube, Exp, Two, Add, Sparse, Reversed, received = function_classes(t)
        x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0)
        cube = Cube.apply(x, 2.0)
        (slope,) = t.autograd.grad(cube.sum(), x, create_graph=True)
        second = t.autograd.grad((slope**2).sum(), x)
        (of_exp,) = t.autograd.grad(Exp.apply(x * 2).sum(), x, create_graph=True)
        second_of_exp = t.autograd.grad(of_exp.sum(), x)
        product, text, rounded, total = Two.apply(x, y)
        (product.sum() + total.sum()).backward()
        grads = x.grad, y.grad
        base = x * 1
        changed = Add.apply(base, y)
        own = changed is base, base.grad_fn is changed.grad_fn, changed.grad_fn.name()
        from_dirty = t.autograd.grad((changed * x).sum(), [x, y])
        from_sparse = t.autograd.grad(Sparse.apply(x)[1].sum(), x)
        from_reversed = t.autograd.grad((Reversed.apply(x, 0.5) ** 2).sum(), x)
        with t.no_grad():
            silent = Cube.apply(x, 2.0)
        return (
            cube, slope, second, of_exp, second_of_exp, product, text, rounded, rounded.requires_grad, total, grads,
            own, from_dirty, from_sparse, from_reversed, silent.requires_grad, received, cube.grad_fn.name(),
        )  # fmt: skip

    check(program)


def test_functions_within_compile():
    def program(t):
        Cube, Exp, Two, Add, Sparse, Reversed, _ = function_classes(t)

        def loss(x, y):
            product, _, rounded, total = Two.apply(Cube.apply(x, 2.0), Exp.apply(y))
            changed = Add.apply(product * 1, total * rounded.sum())
            return (changed * Reversed.apply(x, 0.5)).sum() + Sparse.apply(x)[1].sum()

        results = []
        for f in (loss, loss if t is torch else eager.compile(loss)):
            for _ in range(2):
                x, y = leaf(t, 1.0, 2.0), leaf(t, 0.3, 0.2)
                value = f(x, y)
                value.backward()
                results += [value, x.grad, y.grad]
            with t.no_grad():
                results.append(f(x, y))
        return results

    check(program)


def test_second_derivatives_of_a_compiled_function():
    def program(t):
        Cube = function_classes(t)[0]

        def f(x):
            return (Cube.apply(x, 2.0) * x).sum()

        x = leaf(t, 1.0, 2.0)
        (slope,) = t.autograd.grad((f if t is torch else eager.compile(f))(x), x, create_graph=True)
        return slope, t.autograd.grad((slope * slope).sum(), x)

    check(program)


def test_a_function_frees_what_it_saved():
    def program(t):
        Cube = function_classes(t)[0]
        x = leaf(t, 1.0, 2.0)
        y = Cube.apply(x, 2.0).sum()
        y.backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            y.backward()
        y = Cube.apply(x, 2.0).sum()
        y.backward(retain_graph=True)
        y.backward()
        return x.grad

    check(program)


@pytest.mark.parametrize("t", BOTH.values(), ids=BOTH)
def test_errors_of_functions(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, result):
            ctx.result = result
            return x * y

        @staticmethod
        def backward(ctx, gradient):
            return ctx.result(gradient)

    class Keeping(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x

    class Once(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx, gradient):
            return 2 * gradient * ctx.saved_tensors[0]

    x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 3, got 1\)"):
        Wrong.apply(x, y, lambda g: g).sum().backward()
    with pytest.raises(RuntimeError, match="invalid gradient at index 1"):
        Wrong.apply(x, y, lambda g: (g, t.ones(3), None)).sum().backward()
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 0 is of type int"):
        Keeping.apply(x)
    with pytest.raises(NotImplementedError):
        t.autograd.Function.apply(x)
    with pytest.raises((RuntimeError, DeprecationWarning)):
        Wrong()(x)
    result = Once.apply(x)
    start = t.ones(2).requires_grad_()
    (slope,) = t.autograd.grad(result, x, start, create_graph=True)
    np.testing.assert_array_equal(slope.detach().numpy(), [2, 4])
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
    Wrong.apply(x, y, lambda g: (t.ones(3, 2), None, None)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 3])
    assert y.grad is None


# Hooks


def test_hooks_of_tensors():
    def program(t):
        order = []

        def note(name, change=None):
            def hook(gradient):
                order.append((name, gradient.detach().numpy().copy()))
                return change(gradient) if change else None

            return hook

        x, w = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
        h = x * w
        y = h * h
        handle = h.register_hook(note("removed"))
        h.register_hook(note("first", lambda g: g * 2))
        h.register_hook(note("second"))
        h.retain_grad()
        y.register_hook(note("later", lambda g: g + 1))
        x.register_hook(note("leaf", lambda g: -g))
        x.register_hook(note("leaf again"))
        handle.remove()
        y.sum().backward(retain_graph=True)
        first = x.grad, w.grad, h.grad, h.retains_grad, x.retains_grad
        returned = [t.autograd.grad(y.sum(), tensor, retain_graph=True) for tensor in (x, h)]
        with x.register_hook(lambda g: g * 0):
            (zero,) = t.autograd.grad(y.sum(), x, retain_graph=True)
        (slope,) = t.autograd.grad(y.sum(), x, create_graph=True)
        return order, first, returned, zero, t.autograd.grad(slope.sum(), x)

    check(program, rtol=1e-4)


def test_gradients_that_are_retained_through_a_write():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = x * 2
        y.retain_grad()
        y.mul_(3)
        (y * y).sum().backward()
        return y.grad, x.grad

    check(program)


def test_the_rest_of_graph():
    def program(t):
        x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
        loss = (x * y).sum()
        edge = t.autograd.graph.get_gradient_edge(x)
        t.autograd.graph.increment_version(x)
        with pytest.raises(RuntimeError, match="inplace"):
            loss.backward()
        with t.autograd.graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
            t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x).__enter__()
        seen = []
        t.autograd.graph.register_multi_grad_hook([x, y], lambda g: seen.append(g.numpy().copy()), mode="any")
        (x + y * 2).sum().backward()
        return edge.output_nr, edge.node.variable is x, len(seen)

    check(program)


def test_hooks_after_accumulation():
    def program(t):
        seen = []
        x = leaf(t, 1.0, 2.0)

        def step(parameter):
            seen.append(parameter.grad.numpy().copy())
            with t.no_grad():
                parameter -= 0.1 * parameter.grad
            parameter.grad = None

        handle = x.register_post_accumulate_grad_hook(step)
        for _ in range(2):
            (x**2).sum().backward()
        t.autograd.grad((x**2).sum(), x)
        handle.remove()
        (x**2).sum().backward()
        return seen, x, x.grad

    check(program)


def test_hooks_of_nodes():
    def program(t):
        seen = []
        x = leaf(t, 1.0, 2.0)
        y = x.exp()

        def before(outputs):
            seen.append(outputs[0].numpy().copy())
            return (outputs[0] * 2,)

        def after(inputs, outputs):
            seen.append((inputs[0].numpy().copy(), outputs[0].numpy().copy()))
            return (inputs[0] * 3,)

        y.grad_fn.register_prehook(before)
        handle = y.grad_fn.register_hook(after)
        y.sum().backward(retain_graph=True)
        handle.remove()
        y.sum().backward()
        y.grad_fn.metadata["place"] = 3
        return seen, x.grad, y.grad_fn.metadata["place"]

    check(program)


def test_multi_grad_hooks():
    def program(t):
        seen = []
        x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
        handle = t.autograd.graph.register_multi_grad_hook(
            [x, y], lambda grads: seen.append([g.numpy().copy() for g in grads])
        )
        (x * y).sum().backward()
        handle.remove()
        (x * y).sum().backward()
        return seen

    check(program)


def test_grad_fn():
    def program(t):
        x, w = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
        y = (x * w).sum()
        names, node = [], y.grad_fn
        while node is not None:
            names.append((node.name(), [(child.name(), index) for child, index in node.next_functions]))
            node = node.next_functions[0][0] if node.next_functions else None
        child = y.grad_fn.next_functions[0][0]
        variables = [accumulate.variable is tensor for (accumulate, _), tensor in zip(child.next_functions, (x, w))]
        return names, variables, x.grad_fn is None, repr(y.grad_fn).split(" at ")[0], y.is_leaf, y.requires_grad

    check(program)


@pytest.mark.parametrize("t", BOTH.values(), ids=BOTH)
def test_errors(t):
    x, unused, constant = leaf(t, 1.0, 2.0), leaf(t, 1.0), leaf(t, 1.0, grad=False)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        t.autograd.grad((x * x).sum(), [x, unused])
    with pytest.raises(RuntimeError, match="does not require grad"):
        t.autograd.grad((x * x).sum(), [constant])
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        t.autograd.grad(constant.sum(), [x])
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (x * x).backward()
    with pytest.raises(RuntimeError):
        (x * x).backward(t.ones(3))
    with pytest.raises(ValueError, match="allow_unused"):
        t.autograd.grad((x * x).sum(), x, allow_unused=False, materialize_grads=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"in-place|in place"):
        x.add_(1)
    y = x.exp() * x
    loss = (y * y).sum()
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    for method in ("register_hook", "register_post_accumulate_grad_hook"):
        with pytest.raises(RuntimeError, match="doesn't require grad"):
            getattr(constant, method)(print)
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        constant.retain_grad()
    with pytest.raises(RuntimeError, match="non-leaf"):
        y.register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError):
        x.grad = t.ones(3)
    with pytest.raises(TypeError):
        x.grad = 3
    with pytest.warns(UserWarning, match=r"not a leaf|retain_grad"):
        assert y.grad is None
    with pytest.raises(RuntimeError):
        (x * x).sum().backward(inputs=[])


# Modes


def test_modes():
    def program(t):
        x = leaf(t, 1.0)
        seen = []

        @t.no_grad()
        def generator(n):
            for i in range(n):
                got = yield (x * i).requires_grad
                seen.append((got, t.is_grad_enabled()))
            return "end"

        @t.inference_mode
        def bare(x):
            return x * 2

        @t.inference_mode()
        def called(x):
            return x * 2

        def consume():
            return (yield from generator(2))

        running = consume()
        seen.append((next(running), t.is_grad_enabled()))
        seen.append((running.send("sent"), t.is_grad_enabled()))
        with pytest.raises(StopIteration) as end:
            running.send("again")
        seen.append(end.value.value)
        for result in (bare(x), called(x)):
            seen.append((result.requires_grad, result.is_inference(), result.is_leaf))
        with t.inference_mode():
            inside = t.ones(2)
            seen.append((t.is_inference_mode_enabled(), t.is_grad_enabled(), inside.is_inference(), x.is_inference()))
            with t.inference_mode(False):
                seen.append((t.is_inference_mode_enabled(), (x * 2).requires_grad))
        seen.append((t.is_inference_mode_enabled(), t.is_grad_enabled(), (x * 2).is_inference()))
        with t.set_grad_enabled(False), t.enable_grad():
            seen.append((x * 2).requires_grad)
        with t.autograd.no_grad():
            seen.append((x * 2).requires_grad)
        return seen

    check(program)


def test_a_generator_in_a_mode_is_closed_and_thrown_into():
    def program(t):
        seen = []

        @t.no_grad()
        def generator():
            try:
                while True:
                    try:
                        yield t.is_grad_enabled()
                    except KeyError:
                        seen.append(("caught", t.is_grad_enabled()))
            finally:
                seen.append(("closed", t.is_grad_enabled()))

        running = generator()
        seen += [next(running), running.throw(KeyError()), t.is_grad_enabled()]
        running.close()
        return [*seen, t.is_grad_enabled()]

    check(program)


@pytest.mark.parametrize("t", BOTH.values(), ids=BOTH)
def test_anomalies(t):
    x = leaf(t, 0.0, 1.0)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        detecting = t.autograd.detect_anomaly()
    with detecting:
        y = (x.sqrt() * 0).sum()
        with pytest.raises(RuntimeError, match=r"Function 'SqrtBackward0' returned nan values in its 0th output"):
            y.backward()
        (x * 2).sum().backward()
    with t.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    with contextlib.suppress(AttributeError):
        assert not torch.is_anomaly_enabled()
    assert bool(x.grad.isnan().any())


def test_an_anomaly_names_the_place():
    x = leaf(eager, 0.0)
    with eager.autograd.set_detect_anomaly(True):
        y = (x.sqrt() * 0).sum()  # this line is named
        with pytest.raises(RuntimeError, match="this line is named"):
            y.backward()


def test_hooks_on_what_is_saved():
    def program(t):
        packed = []
        Cube = function_classes(t)[0]
        x = leaf(t, 1.0, 2.0)

        def pack(tensor):
            packed.append(tensor.detach().numpy().copy())
            return tensor.detach().numpy() * 2

        with t.autograd.graph.saved_tensors_hooks(pack, lambda array: t.tensor(array / 2)):
            y = Cube.apply(x, 2.0).sum()
        count = len(packed)
        y.backward()
        with t.autograd.graph.save_on_cpu():
            z = (x * x).sum()
        z.backward()
        return count, packed, x.grad

    check(program)


def test_checkpoints():
    def program(t):
        x, w = leaf(t, 0.5, 1.0), leaf(t, 0.3, 0.4)
        calls = []

        def part(x, factor=1.0):
            calls.append(t.is_grad_enabled())
            return (t.sin(x * w) * factor).exp()

        checkpoint = t.utils.checkpoint.checkpoint
        y = checkpoint(part, checkpoint(part, x, use_reentrant=False), factor=2.0, use_reentrant=False).sum()
        forward = len(calls)
        y.backward(retain_graph=True)
        backward = len(calls)
        grads = [x.grad.clone(), w.grad.clone()]
        y.backward()
        layers = [t.sin, t.tanh, t.exp, t.cos]
        z = t.utils.checkpoint.checkpoint_sequential(layers, 2, x, use_reentrant=False)
        return y, forward, backward, grads, x.grad, w.grad, z, t.autograd.grad(z.sum(), x)

    check(program)


# functional and gradcheck


def functional(t):
    x, y = leaf(t, 1.0, 2.0, grad=False), leaf(t, 3.0, grad=False)
    v, u = leaf(t, 0.5, -1.0, grad=False), leaf(t, 2.0, grad=False)
    F = t.autograd.functional

    def pair(x, y):
        return x.exp() * y, (x * x).sum()

    def scalar(x, y):
        return (x**3).sum() * y.exp().sum()

    return [
        F.jacobian(lambda x: x.exp() * x[0], x), F.jacobian(pair, (x, y)),
        F.jacobian(lambda x: x**2, x, vectorize=True), F.hessian(lambda x: (x**3).sum() * x[0], x),
        F.hessian(scalar, (x, y)), F.vjp(lambda x: x.exp(), x, v), F.vjp(scalar, (x, y)), F.jvp(pair, (x, y), (v, u)),
        F.hvp(lambda x: (x**3).prod(), x, v), F.vhp(scalar, (x, y), (v, u)), F.jacobian(lambda x: t.ones(3), x),
        F.hessian(lambda x: x.sum(), x),
    ]  # fmt: skip


def test_functional():
    check(functional, rtol=1e-4)


@pytest.mark.parametrize("t", BOTH.values(), ids=BOTH)
def test_errors_of_functional(t):
    x = leaf(t, 1.0, 2.0)
    with pytest.raises(RuntimeError):
        t.autograd.functional.vjp(lambda x: x * 2, x)
    with pytest.raises(RuntimeError, match="single element"):
        t.autograd.functional.hessian(lambda x: x * 2, x)
    with pytest.raises(RuntimeError):
        t.autograd.functional.jacobian(lambda x: t.ones(2), x, strict=True)
    with pytest.raises(RuntimeError):
        t.autograd.functional.vjp(lambda x: x * 2, x, t.ones(3))
    with pytest.raises(TypeError):
        t.autograd.functional.vjp(lambda x: x * 2, 3.0)


@pytest.mark.parametrize("double", [False, True])
def test_gradcheck(double):
    with jax.enable_x64(double), contextlib.nullcontext() if double else pytest.warns(UserWarning, match="not float64"):
        x = eager.Tensor(np.array([0.5, 1.5]), requires_grad=True) if not double else eager.Tensor(
            np.array([0.5, 1.5])
        ).double().requires_grad_()
        assert eager.autograd.gradcheck(lambda x: (x.sin() * x, x.exp()), (x,))
        assert eager.autograd.gradgradcheck(lambda x: x.sin() * x, x)

        class Wrong(eager.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x**2

            @staticmethod
            def backward(ctx, gradient):
                return gradient

        with pytest.raises(eager.autograd.GradcheckError, match="Jacobian mismatch"):
            eager.autograd.gradcheck(Wrong.apply, x)
        assert not eager.autograd.gradcheck(Wrong.apply, x, raise_exception=False)
        with pytest.raises(ValueError, match="at least one input"):
            eager.autograd.gradcheck(Wrong.apply, x.detach())
