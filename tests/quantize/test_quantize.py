"""Int8 models: layers, folding of batch norms, calibration, files, training with fake quantisation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcvision import export, nn, quantize, train
from funcvision import functional as F
from funcvision.vision import convert


class Net(nn.Module):
    """Every kind of layer whose input is quantised, a shared layer, attention, and a norm that cannot be folded."""

    def __init__(self):
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, 2, padding=((1, 2), (0, 1)), dilation=1)  # integers
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.both = nn.Conv2d(16, 16, 1)  # its output is used twice: its norm cannot be folded
        self.bn3 = nn.BatchNorm2d(16)
        self.shared = nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(16, 8, 2, 2, bias=False)
        self.bn4 = nn.BatchNorm2d(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.depthwise(self.conv2(x))))
        y = self.both(x)
        x = F.relu(self.bn3(y)) + 0.1 * y
        x = self.shared(F.relu(self.shared(x)))
        x = F.relu(self.bn4(self.up(x)))
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.fc(x.mean(1))


FOLDED = {"bn1", "bn2", "bn4"}
KEPT_PARAMS = {
    "conv1.bias", "conv2.bias", "depthwise.bias", "both.bias", "bn3.weight", "bn3.bias", "shared.bias", "up.bias",
    "attention.in_proj_bias", "attention.out_proj.bias", "fc.bias",
}


@pytest.fixture(scope="module")
def trained():
    """A model with running statistics that are not trivial, batches, and its outputs."""
    model = Net()
    params, state = jax.jit(model.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    for name in state:
        if name.endswith("running_mean"):
            state[name] = jnp.asarray(rng.uniform(-0.2, 0.2, state[name].shape), jnp.float32)
        if name.endswith("running_var"):
            state[name] = jnp.asarray(rng.uniform(0.05, 0.2, state[name].shape), jnp.float32)
    batches = [jnp.asarray(rng.standard_normal((8, 12, 12, 3)), jnp.float32) for _ in range(2)]
    return model, params, state, batches, jax.jit(lambda x: model.apply(params, state, x)[0])(batches[0])


@pytest.fixture(scope="module")
def int8(trained):
    model, params, state, batches, _ = trained
    return quantize.post_training(model, params, state, batches)


def error(ours, expected):
    return float(np.abs(np.asarray(ours) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max())


def test_batch_norms_are_folded_where_nothing_else_takes_the_output(trained):
    model, params, state, batches, expected = trained
    folded, params, state = quantize.fold_batch_norm(model, params, state, batches[0])
    modules = dict(folded.named_modules())
    assert {path for path, module in modules.items() if isinstance(module, nn.Identity)} == FOLDED
    assert error(jax.jit(folded.apply)(params, state, batches[0])[0], expected) < 1e-5


def test_post_training(trained, int8):
    _, params, _, batches, expected = trained
    quantized, qparams, qstate = int8
    assert set(qparams) == KEPT_PARAMS
    weights = [name for name, one in params.items() if one.ndim > 1]
    assert all(qstate[name].dtype == jnp.int8 and qstate[name].shape == params[name].shape for name in weights)
    assert "fc.input_scale" in qstate
    assert "attention.out_proj.input_scale" not in qstate  # attention reads the weight and does not call the layer
    assert 0 < error(jax.jit(quantized.apply)(qparams, qstate, batches[0])[0], expected) < 0.05


def test_it_is_a_module_like_any_other(trained, int8):
    _, _, _, batches, _ = trained
    quantized, params, state = int8
    expected = jax.jit(lambda x: quantized.apply(params, state, x)[0])(batches[0])
    each = jax.jit(jax.vmap(lambda x: quantized.apply(params, state, x[None])[0][0]))(batches[0])
    assert error(each, expected) < 1e-5
    grads = jax.jit(jax.grad(lambda p: quantized.apply(p, state, batches[0])[0].sum()))(params)
    assert grads.keys() == params.keys()
    assert error(grads["fc.bias"], np.full(5, 8.0)) < 1e-5
    half = jax.jit(lambda x: quantized.apply(params, state, x)[0])(batches[0].astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    assert error(half.astype(jnp.float32), expected) < 0.1


def test_files(trained, int8, tmp_path):
    model, _, _, batches, _ = trained
    quantized, params, state = int8
    expected = jax.jit(lambda x: quantized.apply(params, state, x)[0])(batches[0])
    for ending in (".safetensors", ".pth"):
        path = tmp_path / f"int8{ending}"
        convert.save(path, quantized, params, state)
        tensors = convert.read(path)
        assert tensors["conv2.weight"].dtype == np.int8
        assert tensors["conv2.weight"].shape == (16, 16, 3, 3)
        again = quantize.model_for(model, tensors)
        loaded = convert.from_torch(again, tensors)
        assert [list(part) for part in loaded] == [list(part) for part in again.init(jax.random.key(0))]
        for ours, theirs in zip(jax.tree.leaves(loaded), jax.tree.leaves((params, state)), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    path = tmp_path / "int8.fv"
    export.save(path, quantized, params, state, image_size=(12, 12), platforms=("cpu",), batch=8)
    assert error(export.load(path, inspect_programs=False)(batches[0]), expected) < 1e-5


@pytest.mark.parametrize("given", [True, False])
def test_weights_only(trained, given):
    model, params, state, batches, expected = trained
    quantized, qparams, qstate = quantize.post_training(
        model, params, state, batches if given else (), weights_only=True
    )
    assert ("bn1.weight" in qparams) != given
    assert not any(name.endswith("input_scale") for name in qstate)
    assert qstate["attention.in_proj_weight"].dtype == jnp.int8
    assert 0 < error(jax.jit(quantized.apply)(qparams, qstate, batches[0])[0], expected) < 0.02


def test_biases_are_corrected():
    """Weights of two bits shift the mean of each channel; the correction takes it back."""
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Linear(16, 4))
    params, state = model.init(jax.random.key(0))
    batch = jax.random.uniform(jax.random.key(1), (16, 8, 8, 3))
    expected = jax.jit(model.apply)(params, state, batch)[0].mean((0, 1, 2))
    errors = []
    for bias_correction in (False, True):
        int8 = quantize.post_training(model, params, state, [batch], bits=2, bias_correction=bias_correction)
        quantized, qparams, qstate = int8
        errors.append(error(jax.jit(quantized.apply)(qparams, qstate, batch)[0].mean((0, 1, 2)), expected))
    assert errors[1] < 2e-3 < 2e-2 < errors[0]


def test_ranges_leave_outliers_out():
    """One of 32,000 inputs is 2 and the others are below 1: the integers represent those."""
    model = nn.Linear(4, 2)
    params, state = model.init(jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (8000, 4)).at[7, 2].set(2.0)
    _, _, state = quantize.post_training(model, params, state, [x], bias_correction=False)
    assert 0.99 < 255 * float(state["input_scale"]) <= 1
    assert int(state["input_zero_point"]) == -128


def test_parts_can_be_skipped(trained):
    model, params, state, batches, _ = trained
    quantized, qparams, _ = quantize.post_training(
        model, params, state, batches[:1], skip=("fc", "attention"), bias_correction=False
    )
    assert {name for name in qparams if name.endswith("weight")} >= {"fc.weight", "attention.in_proj_weight"}
    assert type(dict(quantized.named_modules())["fc"]) is nn.Linear


def test_a_model_trained_with_fake_quantisation_computes_the_same_in_int8():
    """A small convolutional net learns to tell blobs in four places apart; its int8 model has the same answers."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 256)
    images = rng.standard_normal((256, 8, 8, 1)).astype(np.float32) * 0.5
    for image, label in zip(images, labels, strict=True):
        image[4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 1
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, 2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(),
        nn.Linear(16 * 16, 4),
    )
    prepared, params, state = quantize.prepare_training(model, *model.init(jax.random.key(0)))
    optimizer = optax.adam(3e-3)
    training = train.create(prepared, optimizer, key=jax.random.key(1), params=params, state=state)
    step = train.make_step(prepared, F.cross_entropy, optimizer)
    for _ in range(5):
        for start in range(0, 192, 64):
            batch = jnp.asarray(images[start : start + 64]), jnp.asarray(labels[start : start + 64])
            training, _ = step(training, batch)
    held_out = jnp.asarray(images[192:])
    fake = jax.jit(prepared.apply)(training.params, training.state, held_out)[0]
    assert np.mean(np.argmax(fake, -1) == labels[192:]) > 0.95
    int8, params, state = quantize.convert(model, training.params, training.state, held_out)
    assert set(params) == {"0.bias", "3.bias", "7.bias"}
    logits = jax.jit(int8.apply)(params, state, held_out)[0]
    np.testing.assert_array_equal(np.argmax(logits, -1), np.argmax(fake, -1))
    assert error(logits, fake) < 0.03  # an input that lies between two integers may be rounded to the other one


def test_faults_are_named(trained):
    model, params, state, batches, _ = trained
    with pytest.raises(ValueError, match="needs batches"):
        quantize.post_training(model, params, state)
    with pytest.raises(ValueError, match="bits=9"):
        quantize.post_training(model, params, state, batches, bits=9)
    with pytest.raises(ValueError, match="skip names 'head'"):
        quantize.prepare_training(model, params, state, skip=("head",))
    prepared, params, state = quantize.prepare_training(model, params, state)
    with pytest.raises(ValueError, match="give the model that was given to prepare_training"):
        quantize.convert(prepared, params, state)


class Up(nn.Module):
    """Gives an argument of a layer by its name."""

    def __init__(self):
        self.up = nn.ConvTranspose2d(3, 4, 2, stride=2)

    def forward(self, x):
        return self.up(x, output_size=(2 * x.shape[-3] + 1, 2 * x.shape[-2] + 1))


def test_arguments_of_layers_by_name():
    model, x = Up(), jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    params, state = model.init(jax.random.key(0))
    y, _ = model.apply(params, state, x)
    int8 = quantize.post_training(model, params, state, [x])
    np.testing.assert_allclose(int8[0].apply(*int8[1:], x)[0], y, atol=0.05 * float(jnp.abs(y).max()))
    prepared, params, state = quantize.prepare_training(model, params, state)
    assert prepared.apply(params, state, x, train=True)[0].shape == y.shape


class Remat(nn.Module):
    """Calls a layer within `jax.checkpoint`, as models do that save memory."""

    def __init__(self):
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return jax.checkpoint(self.conv)(x)


def test_layers_within_a_transformation():
    model, x = Remat(), jnp.ones((1, 8, 8, 3))
    params, state = model.init(jax.random.key(0))
    for options in ({}, {"weights_only": True}):
        with pytest.raises(ValueError, match=r"jax\.checkpoint"):
            quantize.post_training(model, params, state, [x], **options)
    int8, params, state = quantize.post_training(model, params, state, weights_only=True)
    assert int8.apply(params, state, x)[0].shape == (1, 6, 6, 4)


def test_mistaken_arguments():
    model, x = nn.Sequential(nn.Linear(3, 4)), jnp.ones((2, 3))
    params, state = model.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"one array of shape \(2, 3\)"):
        quantize.post_training(model, params, state, x)
    with pytest.raises(ValueError, match="skip is a list of paths"):
        quantize.post_training(model, params, state, [x], skip="fc")
    int8 = quantize.post_training(model, params, state, [x])
    for again in (quantize.post_training, quantize.convert):
        with pytest.raises(ValueError, match="int8 weights"):
            again(*int8, *([[x]] if again is quantize.post_training else []))
    with pytest.raises(ValueError, match="int8 weights"):
        quantize.prepare_training(*int8)
