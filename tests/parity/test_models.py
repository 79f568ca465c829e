"""Models against torchvision's: names and shapes of all models; outputs of some in every run, of all with `-m slow`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models.resnet import Bottleneck
from tests.parity.layers import QUICKLY, arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, nchw, random
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_model_equal,
    assert_models_equal,
    assert_settings_equal,
    theirs,
    theirs_without_arrays,
)


def test_all_builders_are_there():
    theirs = torchvision.models.list_models(module=torchvision.models)
    assert models.list_models("classification") == sorted(theirs)


@pytest.mark.parametrize("name", models.list_models("classification"))
def test_names_shapes_order_and_settings(name):
    reference, ours = theirs_without_arrays(name, num_classes=7), models.get_model(name, num_classes=7)
    tensors, declared = reference.state_dict(), ours.declarations()
    assert list(declared) == list(tensors)
    assert {key: one.shape for key, one in declared.items()} == {k: tuple(t.shape) for k, t in tensors.items()}
    assert_settings_equal(ours, reference)


@pytest.mark.parametrize("name", models.list_models("classification"))
def test_a_description_holds_no_arrays_and_takes_any_number_of_channels(name):
    model = models.get_model(name, in_channels=2)
    for _, module in model.named_modules():
        assert not [value for value in vars(module).values() if isinstance(value, jax.Array | np.ndarray)]
    first = next(one for one in model.declarations().values() if len(one.shape) == 4)
    assert first.shape[1] == 2


@pytest.mark.parametrize("train", [False, True])
def test_resnet18(train):
    assert_model_equal("resnet18", (2, 64, 64), train=train)


@pytest.mark.parametrize("train", [False, True])
def test_vgg_with_a_small_classifier(train):
    """The full classifier has 120 million weights; `-m slow` compares it."""
    ours = models.vgg11_bn(9).replace("classifier", nn.Sequential(nn.Linear(512 * 7 * 7, 9)))
    with torch.device("meta"):
        reference = theirs("vgg11_bn")
        reference.classifier = torch.nn.Sequential(torch.nn.Linear(512 * 7 * 7, 9))
    reference.to_empty(device="cpu")
    x = random(0, 2, 40, 33, 3)
    assert_layer_equal(ours, reference, [x], dtype="float64", train=train, channels_last=True, rtol=1e-8)


@pytest.mark.parametrize("options", [
    {"groups": 4, "width_per_group": 16, "replace_stride_with_dilation": (False, True, True)},
    {"replace_stride_with_dilation": (True, False, True)},
])
def test_bottlenecks_with_groups_and_dilation(options):
    """The blocks of ResNet-50 in a network of five, which compiles in a tenth of the time."""
    ours = models.ResNet(Bottleneck, (1, 2, 1, 1), 9, **options)
    reference = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [1, 2, 1, 1], 9, **options)
    x = random(0, 2, 65, 47, 3)
    assert_layer_equal(ours, reference, [x], dtype="float64", train=True, channels_last=True, rtol=1e-8)


def _slow_case(name, train):
    """Size (batch, height, width), and options for both models without dropout; more options for ours."""
    size, options, own = (2, 65, 97), {}, {}
    if name.startswith(("vgg", "alexnet", "squeezenet", "mobilenet", "mnasnet", "efficientnet", "inception")):
        options["dropout"] = 0.0
    if name.startswith(("efficientnet", "convnext")):
        options["stochastic_depth_prob"] = 0.0
    if name.startswith(("swin", "maxvit")):  # torchvision's builders have no such option
        own["stochastic_depth_prob"] = 0.0
    if name == "googlenet":
        options |= {"dropout": 0.0, "dropout_aux": 0.0}
    if name == "inception_v3":
        size = (2, 299, 299) if train else (2, 79, 97)
    if name.startswith("vit"):
        side = 70 if name == "vit_h_14" else 64
        size, options["image_size"] = (2, side, side), side
    if name == "maxvit_t":
        size = (2, 224, 224)
    return size, options, own


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models("classification"))
@pytest.mark.parametrize("train", [False, True])
def test_logits_gradients_and_statistics_of_all(name, train):
    size, options, own = _slow_case(name, train)
    reference = theirs(name, num_classes=9, **options)
    for module in reference.modules():
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0
    ours = models.get_model(name, num_classes=9, **options, **own)
    assert_models_equal(ours, reference, size, train=train, rtol=1e-7)


def test_logits_in_float32():
    reference = theirs("resnet18", num_classes=11).eval()
    randomise(reference)
    ours = models.resnet18(11)
    params, state = arrays_of(ours, reference)
    x = random(0, 3, 97, 64, 3)
    with torch.no_grad():
        expected = reference(nchw(x))
    logits = jax.jit(lambda p, s, x: ours.apply(p, s, x)[0])(params, state, x)
    assert_close(logits, expected, rtol=5e-5)  # float32 rounding of 18 layers in another order


FAMILIES = [
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_32",
]


LARGE = ("convnext_tiny", "densenet121", "inception_v3", "maxvit_t", "regnet_y_400mf", "vit_b_32")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in FAMILIES]
)
def test_bfloat16(name):
    """Compares with torchvision in float32. Only the image is cast, and all computation follows its dtype."""
    options = {"image_size": 160} if name == "vit_b_32" else {}
    side = 224 if name == "maxvit_t" else 160  # XLA compiles very small images slowly
    ours, reference = (build(name, **options) for build in (models.get_model, theirs))
    randomise(reference)
    params, state = arrays_of(ours, reference)
    x = random(0, 2, side, side, 3)
    with torch.no_grad():
        expected = reference.eval()(nchw(x))
    infer = jax.jit(lambda p, s, x: ours.apply(p, s, x)[0], compiler_options=QUICKLY)
    logits = infer(params, state, jnp.asarray(x, jnp.bfloat16))
    assert logits.dtype == jnp.bfloat16
    assert_close(np.asarray(logits, np.float32), expected, rtol=3e-2)


def test_loss_of_a_training_step_equals_torchs_over_three_steps():
    """SGD on one batch; after more steps the amplified rounding errors would show."""
    import optax

    from funcvision import functional as F

    reference = theirs("resnet18", num_classes=5).double().train()
    ours = models.resnet18(5)
    x, labels = random(0, 4, 40, 40, 3, dtype="float64"), np.array([0, 3, 1, 4])
    optimizer = torch.optim.SGD(reference.parameters(), 0.05, momentum=0.9)
    with jax.enable_x64(True):
        params, state = arrays_of(ours, reference)
        update = optax.sgd(0.05, 0.9)
        moments = update.init(params)

        @functools.partial(jax.jit, compiler_options=QUICKLY)
        def step(params, state, moments):
            def objective(params):
                logits, new_state = ours.apply(params, state, jnp.asarray(x), train=True)
                return F.cross_entropy(logits, jnp.asarray(labels)), new_state

            (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
            updates, moments = update.update(gradients, moments, params)
            return optax.apply_updates(params, updates), state, moments, loss

        for _ in range(3):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(reference(nchw(x)), torch.from_numpy(labels))
            loss.backward()
            optimizer.step()
            params, state, moments, value = step(params, state, moments)
            assert_close(value, loss.detach(), rtol=1e-8)


@pytest.mark.parametrize("name", ["resnet50", pytest.param("vgg11_bn", marks=pytest.mark.slow)])
def test_initial_weights_follow_torchvisions_distributions(name):
    assert_initial_distributions_equal(models.get_model(name, num_classes=500), lambda: theirs(name, num_classes=500))


def test_zero_init_residual():
    params, _ = models.resnet18(zero_init_residual=True).init(jax.random.key(0))
    assert not params["layer1.0.bn2.weight"].any()
    assert params["layer1.0.bn1.weight"].all()


def test_capture_under_torchvisions_node_names():
    names = ["relu", "layer1.0.relu", "layer1.0.relu_1", "layer2.0.downsample.0", "layer3", "avgpool"]
    assert_captures_equal(models.resnet18(4), theirs("resnet18", num_classes=4), (1, 64, 48), names)


def test_vgg_draws_dropout():
    model = models.vgg11(3)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    run = lambda p, s, key: model.apply(p, s, jnp.zeros((1, 32, 32, 3)), train=True, key=key)
    assert jax.eval_shape(run, *shapes, jax.random.key(0))[0].shape == (1, 3)
    with pytest.raises(ValueError, match=r"classifier.2.*got no key"):
        jax.eval_shape(lambda p, s: run(p, s, None), *shapes)


def test_norm_layer_and_in_channels():
    model = models.resnet18(3, in_channels=1, norm_layer=lambda channels: nn.GroupNorm(8, channels))
    params, state = model.init(jax.random.key(0))
    assert not state
    assert model.apply(params, state, jnp.ones((2, 32, 32, 1)))[0].shape == (2, 3)


def test_options_are_checked():
    with pytest.raises(ValueError, match="BasicBlock takes only groups=1"):
        models.resnet18(groups=2)
    with pytest.raises(ValueError, match="three values"):
        models.resnet50(replace_stride_with_dilation=(True,))
    with pytest.raises(ValueError, match="no model is named 'resnet51'; close to it: resnet5"):
        models.get_model("resnet51")
