"""`eager.nn` against `torch.nn`: layers, functions, modules, hooks and state dicts, in torch's layouts."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager.nn import functional as F
from tests.parity.layers import randomise
from tests.parity.reference import assert_close, random

CHANNELS = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, [(2, 4, 9)]),
    ("Conv2d", (4, 6, 3), {"padding": 1}, [(2, 4, 7, 5)]),
    ("Conv2d", (4, 6, 3), {"groups": 2, "bias": False, "padding": "same", "padding_mode": "reflect"}, [(4, 7, 5)]),
    ("Conv3d", (2, 3, 2), {"dilation": (1, 2, 1)}, [(1, 2, 4, 5, 3)]),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 3}, [(2, 4, 5)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, [(2, 4, 5, 3)]),
    ("ConvTranspose3d", (2, 3, 2), {}, [(2, 3, 2, 3)]),
    ("BatchNorm1d", (5,), {}, [(4, 5)]), ("BatchNorm1d", (5,), {"momentum": None}, [(4, 5, 3)]),
    ("BatchNorm2d", (5,), {"affine": False}, [(2, 5, 3, 4)]), ("BatchNorm3d", (2,), {}, [(2, 2, 3, 2, 2)]),
    ("InstanceNorm1d", (5,), {"affine": True}, [(5, 6)]),
    ("InstanceNorm2d", (5,), {"track_running_stats": True}, [(2, 5, 3, 4)]),
    ("GroupNorm", (2, 4), {}, [(2, 4, 3, 5)]), ("LocalResponseNorm", (3,), {"alpha": 0.1}, [(2, 6, 3, 4)]),
    ("LayerNorm", ((3, 4),), {}, [(2, 5, 3, 4)]), ("RMSNorm", (4,), {}, [(2, 3, 4)]),
    ("PReLU", (4,), {}, [(2, 4, 3, 3)]), ("PReLU", (), {}, [(2, 4)]),
    ("MaxPool1d", (2,), {}, [(2, 3, 7)]), ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, [(2, 3, 6, 7)]),
    ("MaxPool3d", (2,), {}, [(2, 3, 4, 4, 5)]), ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, [(3, 6, 7)]),
    ("AvgPool1d", (2,), {}, [(2, 3, 7)]), ("AdaptiveAvgPool2d", ((3, None),), {}, [(2, 3, 7, 5)]),
    ("AdaptiveMaxPool1d", (3,), {}, [(2, 3, 7)]), ("LPPool2d", (2, 2), {}, [(2, 3, 4, 6)]),
    ("ReflectionPad2d", ((1, 2, 0, 1),), {}, [(2, 3, 4, 5)]), ("ConstantPad1d", (2, 0.5), {}, [(3, 4)]),
    ("ZeroPad2d", ((1, -1, 2, 0),), {}, [(2, 3, 4, 5)]), ("CircularPad3d", (1,), {}, [(1, 2, 3, 3, 3)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 3, 4)]), ("PixelUnshuffle", (2,), {}, [(2, 3, 4, 6)]),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear"}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"size": 7, "mode": "linear", "align_corners": True}, [(2, 3, 5)]),
    ("Dropout2d", (0.0,), {}, [(2, 3, 4, 4)]), ("Softmax", (1,), {}, [(2, 3, 4)]), ("GLU", (1,), {}, [(2, 4, 3)]),
    ("Linear", (4, 3), {}, [(2, 5, 4)]), ("Bilinear", (3, 4, 5), {}, [(2, 3), (2, 4)]), ("GELU", (), {}, [(2, 3)]),
    ("Flatten", (), {}, [(2, 3, 4, 5)]), ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (1, (2, -1)), {}, [(2, 6, 3)]),
    ("CosineSimilarity", (), {}, [(2, 3, 4), (2, 3, 4)]), ("PairwiseDistance", (), {}, [(2, 3), (2, 3)]),
    ("Identity", (1,), {"a": 2}, [(2, 3)]), ("RNN", (3, 4, 2), {}, [(5, 2, 3)]),
    ("LSTM", (3, 4), {"bidirectional": True, "batch_first": True}, [(2, 5, 3)]),
    ("GRU", (3, 4, 2), {"bias": False}, [(5, 2, 3)]), ("LSTMCell", (3, 4), {}, [(2, 3)]),
    ("GRUCell", (3, 4), {}, [(2, 3)]),
    ("MultiheadAttention", (8, 2), {"batch_first": True}, [(2, 3, 8), (2, 4, 8), (2, 4, 8)]),
    ("TransformerEncoderLayer", (8, 2, 16, 0.0), {}, [(3, 2, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16, 0.0), {"batch_first": True, "norm_first": True}, [(2, 3, 8), (2, 5, 8)]),
]  # fmt: skip


def leaves(result):
    return [leaf for part in result for leaf in leaves(part)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("name", "args", "options", "shapes"), CHANNELS)
def test_layers(name, args, options, shapes, train):
    ours, theirs = getattr(eager.nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    randomise(theirs)
    assert not any(ours.load_state_dict(theirs.state_dict()))
    ours.train(train)
    theirs.train(train)
    arrays = [np.asarray(random(place, *shape)) for place, shape in enumerate(shapes)]
    our_inputs = [eager.tensor(array, requires_grad=True) for array in arrays]
    their_inputs = [torch.tensor(array, requires_grad=True) for array in arrays]
    our_results, their_results = leaves(ours(*our_inputs)), leaves(theirs(*their_inputs))
    cotangents = [np.asarray(random(9 + place, *result.shape)) for place, result in enumerate(their_results)]
    for our, their in zip(our_results, their_results, strict=True):
        assert_close(our.detach().numpy(), their)
    sum((our * eager.tensor(c)).sum() for our, c in zip(our_results, cotangents, strict=True)).backward()
    sum((their * torch.tensor(c)).sum() for their, c in zip(their_results, cotangents, strict=True)).backward()
    for our, their in zip([*our_inputs, *ours.parameters()], [*their_inputs, *theirs.parameters()], strict=True):
        assert_close(our.grad.numpy(), their.grad, rtol=3e-5)
    for our, their in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert_close(our.numpy().astype(their.numpy().dtype), their)


FUNCTIONS = [
    (lambda F, x, t: F.conv2d(x, t(6, 2, 3, 3), t(6), 2, 1, 1, 2), (2, 4, 7, 5)),
    (lambda F, x, t: F.conv1d(x, t(6, 4, 3)), (4, 7)),
    (lambda F, x, t: F.conv_transpose2d(x, t(4, 3, 3, 3), stride=2, output_padding=1), (2, 4, 3, 5)),
    (lambda F, x, t: F.linear(x, t(5, 4), t(5)), (2, 3, 4)), (lambda F, x, t: F.linear(x, t(4)), (2, 4)),
    (lambda F, x, t: F.max_pool2d(x, 2), (2, 3, 4, 6)), (lambda F, x, t: F.avg_pool1d(x, 3, 1, 1), (2, 3, 6)),
    (lambda F, x, t: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), (2, 3, 4, 6)),
    (lambda F, x, t: F.adaptive_avg_pool2d(x, (1, 1)), (2, 3, 4, 6)),
    (lambda F, x, t: F.batch_norm(x, None, None, training=True), (4, 3, 2, 2)),
    (lambda F, x, t: F.instance_norm(x, weight=t(3)), (2, 3, 4, 4)), (lambda F, x, t: F.group_norm(x, 2), (2, 4, 3)),
    (lambda F, x, t: F.layer_norm(x, (4,), t(4), t(4)), (2, 3, 4)), (lambda F, x, t: F.normalize(x), (2, 3, 4)),
    (lambda F, x, t: F.cosine_similarity(x, t(2, 3, 4)), (2, 3, 4)), (lambda F, x, t: F.softmax(x), (2, 3, 4)),
    (lambda F, x, t: F.log_softmax(x, dim=1), (2, 3, 4)), (lambda F, x, t: F.relu(x, inplace=False), (2, 3)),
    (lambda F, x, t: F.pad(x, (1, 2)), (2, 3)), (lambda F, x, t: F.pad(x, (1, -1, 0, 2, 1, 1), value=2.0), (2, 3, 4)),
    (lambda F, x, t: F.pad(x, (1, 1, 2, 0), mode="reflect"), (2, 3, 4)),
    (lambda F, x, t: F.interpolate(x, scale_factor=2, mode="bicubic"), (2, 3, 4, 5)),
    (lambda F, x, t: F.grid_sample(x, F.affine_grid(t(2, 2, 3), (2, 3, 4, 4)), align_corners=False), (2, 3, 4, 5)),
    (lambda F, x, t: F.pixel_shuffle(x, 2), (2, 4, 3, 3)), (lambda F, x, t: F.prelu(x, t(3)), (2, 3, 4)),
    (lambda F, x, t: F.dropout(x, 0.5, training=False), (2, 3)), (lambda F, x, t: F.gelu(x), (2, 3)),
    (lambda F, x, t: F.leaky_relu(x, 0.2), (2, 3)), (lambda F, x, t: F.dropout2d(x, 0.0), (2, 3, 4, 4)),
    (lambda F, x, t: F.scaled_dot_product_attention(x, x, x, is_causal=True), (2, 2, 4, 3)),
    (lambda F, x, t: F.mse_loss(x, t(2, 3)), (2, 3)), (lambda F, x, t: F.smooth_l1_loss(x, t(2, 3)), (2, 3)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Implicit dimension", "ignore:Default grid_sample")
@pytest.mark.parametrize(("call", "shape"), FUNCTIONS)
def test_functions(call, shape):
    array = np.asarray(random(0, *shape))

    def tensors(make):
        return lambda *shape: make(np.asarray(random(sum(shape), *shape)) / 2)

    ours, theirs = eager.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    our = call(F, ours, tensors(eager.tensor))
    their = call(torch.nn.functional, theirs, tensors(torch.tensor))
    assert_close(our.detach().numpy(), their)
    cotangent = np.asarray(random(9, *their.shape))
    (our * eager.tensor(cotangent)).sum().backward()
    (their * torch.tensor(cotangent)).sum().backward()
    assert_close(ours.grad.numpy(), theirs.grad, rtol=3e-5)


@pytest.mark.parametrize("shape", [(4, 5), (2, 5, 3), (2, 5, 3, 4)])
def test_losses_of_classes(shape):
    scores = np.asarray(random(0, *shape))
    labels = np.random.default_rng(0).integers(0, 5, (shape[0], *shape[2:]))
    weights = np.linspace(0.5, 1.5, 5, dtype=np.float32)
    chances = np.asarray(random(1, *shape)) ** 2
    for torch_like, results in ((eager, []), (torch, theirs := [])):
        nn, tensor = torch_like.nn, torch_like.tensor
        x = tensor(scores, requires_grad=True)
        loss = nn.CrossEntropyLoss(tensor(weights), label_smoothing=0.1)(x, tensor(labels))
        loss = loss + nn.functional.cross_entropy(x, tensor(chances)) + nn.CrossEntropyLoss(reduction="none")(
            x, tensor(labels)
        ).square().mean()
        loss = loss + nn.NLLLoss()(nn.LogSoftmax(1)(x), tensor(labels))
        loss.backward()
        results += [loss.item(), x.grad.numpy()]
        if torch_like is eager:
            ours = results
        else:
            theirs += results
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    assert_close(ours[1], theirs[1])


class Block(eager.nn.Module):
    def __init__(self):
        super().__init__()
        nn, torch = eager.nn, eager
        self.conv = nn.Conv2d(1, 2, 3)
        self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 2)])
        self.scale = nn.Parameter(torch.ones(2, 1, 1))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("hidden", torch.zeros(1), persistent=False)
        self.none = None

    def forward(self, x):
        self.seen += x.size(0)
        x = (self.conv(x).relu() * self.scale).mean(dim=(2, 3))
        for layer in self.layers:
            x = layer(x)
        return x


def torch_block():
    class TorchBlock(torch.nn.Module):
        def __init__(self):
            super().__init__()
            nn = torch.nn
            self.conv = nn.Conv2d(1, 2, 3)
            self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 2)])
            self.scale = nn.Parameter(torch.ones(2, 1, 1))
            self.register_buffer("seen", torch.zeros(()))
            self.register_buffer("hidden", torch.zeros(1), persistent=False)

        forward = Block.forward

    return TorchBlock()


def test_a_module_of_the_user():
    ours, theirs = Block(), torch_block()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    ours.load_state_dict(theirs.state_dict())
    x = np.asarray(random(0, 2, 1, 5, 5))
    assert_close(ours(eager.tensor(x)).detach().numpy(), theirs(torch.tensor(x)))
    assert ours.seen.item() == theirs.seen.item() == 2
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    for made in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert made.conv.weight is not ours.conv.weight
        assert isinstance(made.conv.weight, eager.nn.Parameter)
        assert_close(made(eager.tensor(x)).detach().numpy(), theirs(torch.tensor(x)))
    ours.eval()
    assert not any(module.training for module in ours.modules())
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    ours.apply(lambda module: isinstance(module, eager.nn.Linear) and module.weight.data.fill_(0.5))
    assert set(ours.layers[0].weight.tolist()[0]) == {0.5}


def test_faults_of_a_state_dict():
    ours = Block()
    values = dict(ours.state_dict())
    values.pop("scale")
    values["more"] = eager.ones(1)
    values["conv.bias"] = eager.ones(7)
    before = ours.layers[0].weight.detach().clone()
    values["layers.0.weight"] = eager.zeros(3, 2)
    with pytest.raises(RuntimeError, match=r'(?s)Unexpected key.*"more".*Missing key.*"scale".*size mismatch for conv'):
        ours.load_state_dict(values)
    assert ours.layers[0].weight.equal(before)
    values.pop("conv.bias")
    result = ours.load_state_dict(values, strict=False)
    assert result.missing_keys == ["scale", "conv.bias"]
    assert result.unexpected_keys == ["more"]
    assert ours.layers[0].weight.abs().sum().item() == 0


def test_tied_weights_and_registration():
    def make(torch):
        nn = torch.nn

        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder, self.decoder = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
                self.decoder.weight = self.encoder.weight

            def forward(self, x):
                return self.decoder(self.encoder(x))

        return Tied()

    ours, theirs = make(eager), make(torch)
    assert len(list(ours.parameters())) == 1
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours(eager.tensor([1, 2])).square().sum().backward()
    theirs(torch.tensor([1, 2])).square().sum().backward()
    assert_close(ours.encoder.weight.grad.numpy(), theirs.encoder.weight.grad)
    with pytest.raises(TypeError, match=r"assign a nn.Parameter or None"):
        ours.encoder.weight = eager.ones(5, 3)
    del ours.decoder.weight
    assert "weight" not in ours.decoder._parameters

    class Early(eager.nn.Module):
        def __init__(self):
            self.layer = eager.nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="super"):
        Early()


def test_options_are_attributes():
    norm = eager.nn.BatchNorm2d(3)
    norm.momentum = 0.5
    norm(eager.ones(1, 3, 2, 2))
    assert norm.running_mean.tolist() == [0.5] * 3
    assert (norm.num_features, norm.eps) == (3, 1e-5)
    dropout = eager.nn.Dropout(0.5)
    dropout.p = 0.0
    assert dropout(eager.ones(9)).sum().item() == 9
    with pytest.raises(AttributeError, match="nothing"):
        norm.nothing  # noqa: B018


def test_containers():
    nn = eager.nn
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.ReLU(), c=nn.Linear(3, 1)))
    assert [name for name, _ in net.named_children()] == ["a", "b", "c"]
    assert list(net[1:].state_dict()) == ["c.weight", "c.bias"]
    assert net.b is net[1] is net[-2]
    net.append(nn.Sigmoid())
    assert len(net) == 4
    table = nn.ModuleDict({"x": nn.Linear(1, 1)})
    table["y"] = nn.Linear(1, 2)
    assert [*table] == ["x", "y"]
    assert "x" in table
    params = nn.ParameterList([eager.ones(2), nn.Parameter(eager.zeros(1))])
    assert [p.requires_grad for p in params] == [True, True]
    assert list(nn.ParameterDict({"k": eager.ones(1)}).state_dict()) == ["k"]
    modules = nn.ModuleList([nn.ReLU()]) + [nn.Tanh()]  # noqa: RUF005
    modules.insert(1, nn.Sigmoid())
    assert [type(m).__name__ for m in modules] == ["ReLU", "Sigmoid", "Tanh"]


def test_hooks():
    def run(torch):
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        with torch.no_grad():
            for place, p in enumerate(net.parameters()):
                p.copy_(torch.linspace(-1, 1 + place, p.numel()).reshape(p.shape))
        seen = []
        net[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
        net[1].register_forward_hook(lambda module, args, output: output + 1)
        handle = net[2].register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape)))
        net[2].register_full_backward_hook(
            lambda module, into, out: seen.append([into[0].detach().numpy().copy(), out[0].detach().numpy().copy()])
        )
        net[0].register_full_backward_hook(lambda module, into, out: (into[0] * 3,))
        x = torch.ones(2, 3, requires_grad=True)
        net(x).square().sum().backward()
        handle.remove()
        net(x)
        return [x.grad, *(p.grad for p in net.parameters())], seen

    (ours, our_seen), (theirs, their_seen) = run(eager), run(torch)
    for our, their in zip(ours, theirs, strict=True):
        assert_close(our.numpy(), their)
    assert our_seen[0] == their_seen[0]
    assert len(our_seen) == len(their_seen) == 2
    for our, their in zip(our_seen[1], their_seen[1], strict=True):
        assert_close(our, their)


def test_initial_values_come_from_the_generator():
    eager.manual_seed(3)
    first = eager.nn.Linear(20, 30)
    other = eager.nn.Linear(20, 30)
    eager.manual_seed(3)
    again = eager.nn.Linear(20, 30)
    assert first.weight.equal(again.weight)
    assert not first.weight.equal(other.weight)
    assert abs(first.weight.abs().max().item() - 20**-0.5) < 0.01
