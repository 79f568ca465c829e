"""`eager.nn.utils` against `torch.nn.utils`: values, gradients, names in state dicts, errors."""

import copy
import math

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import nn
from funcvision.eager.nn import utils

from .reference import assert_close, random

U = torch.nn.utils
SHAPES = ((3, 4), (5,), (2, 1, 3))


def numbers(tensor):
    return np.asarray(tensor.detach().tolist(), np.float32)


def pair(scale=1.0):
    """Parameters with the same gradients; one has none."""
    ours, theirs = [], []
    for i, shape in enumerate((*SHAPES, (2,))):
        for tensors, module in ((ours, eager), (theirs, torch)):
            parameter = module.tensor(random(i, *shape), requires_grad=True)
            parameter.grad = module.tensor(scale * random(10 + i, *shape)) if i < len(SHAPES) else None
            tensors.append(parameter)
    return ours, theirs


def same_module(ours, theirs, seed=0):
    """Gives both modules the same parameters and buffers."""
    names = theirs.state_dict()
    assert list(ours.state_dict()) == list(names)
    values = {name: random(seed + i, *tensor.shape) for i, (name, tensor) in enumerate(names.items())}
    theirs.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    ours.load_state_dict(values)


def assert_same_call(ours, theirs, x):
    """Outputs, and gradients with respect to all parameters."""
    ours.zero_grad()
    theirs.zero_grad()
    output, wanted = ours(eager.tensor(x)), theirs(torch.tensor(x))
    assert_close(numbers(output), wanted)
    weights = random(99, *wanted.shape)  # without them the loss would not depend on an orthogonal matrix
    (output**2 * eager.tensor(weights)).sum().backward()
    (wanted**2 * torch.tensor(weights)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert_close(numbers(parameter.grad), gradients[name], rtol=1e-4, what=name)


@pytest.mark.parametrize("norm_type", [2, 1, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clip_grad_norm(norm_type, max_norm):
    ours, theirs = pair()
    norm, wanted = utils.clip_grad_norm_(ours, max_norm, norm_type), U.clip_grad_norm_(theirs, max_norm, norm_type)
    assert_close(numbers(norm), wanted)
    for our, their in zip(ours[:-1], theirs[:-1], strict=True):
        assert_close(numbers(our.grad), their.grad)
    gradients = [our.grad for our in ours[:-1]], [their.grad for their in theirs[:-1]]
    assert_close(numbers(utils.get_total_norm(gradients[0], norm_type)), U.get_total_norm(gradients[1], norm_type))


def test_other_clipping():
    ours, theirs = pair(3.0)
    utils.clip_grad_value_(ours, 0.7)
    U.clip_grad_value_(theirs, 0.7)
    utils.clip_grads_with_norm_(ours[0], 0.5, eager.tensor(2.0))
    U.clip_grads_with_norm_(theirs[0], 0.5, torch.tensor(2.0))
    for our, their in zip(ours[:-1], theirs[:-1], strict=True):
        assert_close(numbers(our.grad), their.grad)
    assert utils.clip_grad_norm_(iter(ours[-1:]), 1.0).item() == 0
    ours[0].grad[0, 0] = math.nan
    with pytest.raises(RuntimeError, match="total norm of order"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    assert not math.isnan(ours[1].grad[0].item())
    assert math.isnan(utils.clip_grad_norm_(ours, 1.0).item())


def test_parameters_as_a_vector():
    ours, theirs = pair()
    vector, wanted = utils.parameters_to_vector(ours), U.parameters_to_vector(theirs)
    assert_close(numbers(vector), wanted)
    vector.sum().backward()
    assert_close(numbers(ours[-1].grad), np.ones(2, np.float32))
    values = random(3, len(wanted))
    utils.vector_to_parameters(eager.tensor(values), ours)
    U.vector_to_parameters(torch.tensor(values), theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert_close(numbers(our), their)
        assert our.requires_grad
    with pytest.raises(TypeError, match="takes a Tensor"):
        utils.vector_to_parameters(values, ours)


LAYERS = {
    "linear": (lambda n: n.Linear(4, 3), (5, 4)), "conv": (lambda n: n.Conv2d(2, 3, 3), (2, 2, 5, 6)),
    "transposed": (lambda n: n.ConvTranspose2d(2, 3, 3), (2, 2, 4, 5)),
}  # fmt: skip
FORMS = {
    "old weight norm": lambda u, m: u.weight_norm(m), "old weight norm of all": lambda u, m: u.weight_norm(m, dim=None),
    "weight norm": lambda u, m: u.parametrizations.weight_norm(m),
    "weight norm of columns": lambda u, m: u.parametrizations.weight_norm(m, dim=1),
    "old spectral norm": lambda u, m: u.spectral_norm(m, n_power_iterations=2),
    "spectral norm": lambda u, m: u.parametrizations.spectral_norm(m),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_normalised_weights(form, layer):
    make, shape = LAYERS[layer]
    ours, theirs = FORMS[form](utils, make(nn)), FORMS[form](U, make(torch.nn))
    same_module(ours, theirs)
    x = random(9, *shape)
    for mode in (True, True, False):
        ours.train(mode)
        theirs.train(mode)
        assert_same_call(ours, theirs, x)
    for name, buffer in theirs.named_buffers():
        assert_close(numbers(ours.get_buffer(name)), buffer, what=name)
    if form.startswith("old"):
        remove = "remove_spectral_norm" if "spectral" in form else "remove_weight_norm"
        getattr(utils, remove)(ours)
        getattr(U, remove)(theirs)
        with pytest.raises(ValueError, match="not found"):
            getattr(utils, remove)(ours)
    else:
        utils.parametrize.remove_parametrizations(ours, "weight")
        U.parametrize.remove_parametrizations(theirs, "weight")
        assert type(ours) is type(make(nn))
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    assert_close(numbers(ours.weight), theirs.weight)
    assert isinstance(ours.weight, nn.Parameter)
    assert_same_call(ours, theirs, x)


def test_a_normalised_weight_keeps_its_value():
    for form in ("old weight norm", "weight norm"):
        layer = nn.Linear(4, 3)
        before = numbers(layer.weight)
        FORMS[form](utils, layer)
        assert_close(numbers(layer.weight), before)
    with pytest.raises(RuntimeError, match="two weight_norm hooks"):
        utils.weight_norm(utils.weight_norm(nn.Linear(2, 2)))
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        utils.spectral_norm(utils.spectral_norm(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="n_power_iterations"):
        utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


def symmetric(module):
    class Symmetric(module.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).T

        def right_inverse(self, x):
            return x.triu()

    class Doubled(module.Module):
        def forward(self, x):
            return 2 * x

    return Symmetric(), Doubled()


def test_parametrizations_of_ones_own():
    layers = []
    for module, functions in ((nn, utils), (torch.nn, U)):
        layer = module.Linear(3, 3)
        first, second = symmetric(module)
        functions.parametrize.register_parametrization(layer, "weight", first)
        functions.parametrize.register_parametrization(layer, "weight", second)
        layers.append(layer)
    ours, theirs = layers
    same_module(ours, theirs)
    assert ours.__class__.__name__ == theirs.__class__.__name__ == "ParametrizedLinear"
    assert utils.parametrize.is_parametrized(ours, "weight")
    assert not utils.parametrize.is_parametrized(ours, "bias")
    assert utils.parametrize.type_before_parametrizations(ours) is nn.Linear
    assert_close(numbers(ours.weight), theirs.weight)
    assert_same_call(ours, theirs, random(5, 2, 3))
    with pytest.raises(RuntimeError, match="does not implement right_inverse"):
        ours.weight = eager.ones(3, 3)
    copied = copy.deepcopy(ours)
    copied.parametrizations.weight.original.data.fill_(0.0)
    assert numbers(copied.weight).sum() == 0
    assert numbers(ours.weight).sum() != 0
    utils.parametrize.remove_parametrizations(ours, "weight", leave_parametrized=False)
    U.parametrize.remove_parametrizations(theirs, "weight", leave_parametrized=False)
    assert_close(numbers(ours.weight), theirs.weight)
    assert not utils.parametrize.is_parametrized(ours)


def test_assignment_to_a_parametrized_weight():
    layer = nn.Linear(3, 3)
    parameter = layer.weight
    utils.parametrize.register_parametrization(layer, "weight", symmetric(nn)[0])
    assert layer.parametrizations.weight.original is parameter  # so an optimizer that has it need not be told
    value = random(0, 3, 3)
    value = value + value.T
    layer.weight = eager.tensor(value)
    assert_close(numbers(layer.weight), value)
    assert_close(numbers(parameter), np.triu(value))
    calls = []
    layer.parametrizations.weight[0].register_forward_hook(lambda *call: calls.append(call))
    with utils.parametrize.cached():
        assert layer.weight is layer.weight
    assert len(calls) == 1
    assert layer.weight is not layer.weight
    other = utils.parametrize.transfer_parametrizations_and_params(layer, nn.Linear(3, 3))
    assert_close(numbers(other.weight), value)
    with pytest.raises(ValueError, match="does not have a parameter"):
        utils.parametrize.register_parametrization(layer, "scale", symmetric(nn)[0])
    with pytest.raises(ValueError, match="may not change the shape"):
        utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.Flatten(0))
    with pytest.raises(ValueError, match="does not have a parametrization"):
        utils.parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal(orthogonal_map, shape):
    for trivial in (True, False):
        ours, theirs = (
            u.parametrizations.orthogonal(
                n.Linear(*shape[::-1], bias=False), orthogonal_map=orthogonal_map, use_trivialization=trivial
            )
            for u, n in ((utils, nn), (U, torch.nn))
        )
        weight = ours.weight.detach()
        product = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
        assert_close(numbers(product), np.eye(min(shape), dtype=np.float32), rtol=1e-5)
        state = {name: tensor.detach().numpy() for name, tensor in theirs.state_dict().items()}
        ours.load_state_dict(state)
        if orthogonal_map != "householder":  # its diagonal holds signs
            original = random(1, *shape)
            for module, make in ((ours, eager.tensor), (theirs, torch.tensor)):
                module.parametrizations.weight.original.data = make(original)
        assert_same_call(ours, theirs, random(2, 2, shape[1]))


def test_fusion():
    for make, bn, transpose, shape in (
        (lambda n: n.Conv2d(2, 3, 3), lambda n: n.BatchNorm2d(3), False, (2, 2, 5, 5)),
        (
            lambda n: n.ConvTranspose2d(2, 3, 3, bias=False), lambda n: n.BatchNorm2d(3, affine=False), True,
            (2, 2, 4, 5),
        ),
        (lambda n: n.Linear(4, 3), lambda n: n.BatchNorm1d(3, eps=1e-2), False, (6, 4)),
    ):
        layer, norm = make(nn), bn(nn)
        their_layer, their_norm = make(torch.nn).eval(), bn(torch.nn).eval()
        name = "fuse_linear_bn_eval" if len(shape) == 2 else "fuse_conv_bn_eval"
        fuse, wanted_fuse = getattr(utils, name), getattr(U.fusion, name)
        options = {"transpose": True} if transpose else {}
        with pytest.raises(AssertionError, match="eval"):
            fuse(layer, norm, **options)
        layer.eval()
        norm.eval()
        same_module(layer, their_layer)
        values = {n: 1 + abs(random(7, *t.shape)) for n, t in their_norm.state_dict().items() if "num" not in n}
        norm.load_state_dict(values, strict=False)
        their_norm.load_state_dict({n: torch.tensor(v) for n, v in values.items()}, strict=False)
        fused, wanted = fuse(layer, norm, **options), wanted_fuse(their_layer, their_norm, **options)
        assert sorted(fused.state_dict()) == sorted(wanted.state_dict())
        x = random(3, *shape)
        assert_close(numbers(fused(eager.tensor(x))), wanted(torch.tensor(x)))
        assert_close(numbers(fused(eager.tensor(x))), numbers(norm(layer(eager.tensor(x)))))


def test_skip_init():
    layer = utils.skip_init(nn.Linear, 4, 3, bias=False)
    assert tuple(layer.weight.shape) == (3, 4)
    with pytest.raises(RuntimeError, match="class of modules"):
        utils.skip_init(dict)


def test_a_module_called_with_other_parameters():
    layer = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    weight = eager.ones(2, 3, requires_grad=True)
    call = utils.stateless.functional_call
    output = call(layer, {"0.weight": weight, "0.bias": eager.zeros(2)}, (eager.ones(1, 3),))
    assert output.tolist() == [[3.0, 3.0]]
    output.sum().backward()
    assert weight.grad.tolist() == [[1] * 3] * 2
    assert layer[0].weight.grad is None
    with pytest.raises(RuntimeError, match="missing"):
        call(layer, {"0.weight": weight}, eager.ones(1, 3), strict=True)
