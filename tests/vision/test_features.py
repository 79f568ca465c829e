"""Models cut down to feature maps, and masks of frozen parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcvision import nn
from funcvision.vision import models

IMAGE = jnp.asarray(np.random.default_rng(0).standard_normal((2, 64, 48, 3)), jnp.float32)


def test_maps_are_those_of_the_whole_model():
    model = models.resnet18()
    params, state = jax.jit(model.init)(jax.random.key(0))
    backbone = models.features("resnet18", {"layer1.0.relu_1": "a", "layer3": "b", "relu": "c"})
    declared = backbone.declarations()
    own = [{name: arrays[name] for name in arrays if name in declared} for arrays in (params, state)]
    assert declared.keys() == {n for n in params | state if not n.startswith(("layer4.", "fc."))}
    names = ("layer1.0.relu_1", "layer3", "relu")
    for train in (False, True):
        maps, new = jax.jit(lambda p, s, x, train=train: backbone.apply(p, s, x, train=train))(*own, IMAGE)
        _, expected_state, expected = jax.jit(
            lambda p, s, x, train=train: model.apply(p, s, x, train=train, capture=names)
        )(params, state, IMAGE)
        assert list(maps) == ["a", "b", "c"]
        for key, name in zip("abc", names, strict=True):
            np.testing.assert_allclose(maps[key], expected[name], rtol=1e-5, atol=1e-5)
        for name, array in new.items():
            np.testing.assert_allclose(array, expected_state[name], rtol=1e-5, atol=1e-6)


def test_within_a_model():
    class Detector(nn.Module):
        def __init__(self):
            self.backbone = nn.Sequential({"body": models.features("resnet18", ["layer2", "layer3"])})
            self.head = nn.Conv2d(256, 4, 1)

        def forward(self, x):
            return self.head(self.backbone(x)["layer3"])

    model = Detector()
    assert "backbone.body.layer3.0.conv1.weight" in model.declarations()
    params, state = jax.jit(model.init)(jax.random.key(0))
    capture = ("backbone.body.layer1", "head")
    y, _, seen = jax.jit(lambda p: model.apply(p, state, IMAGE, capture=capture))(params)
    assert y.shape == (2, 4, 3, 4)
    assert seen["backbone.body.layer1"].shape == (2, 16, 12, 64)
    gradient = jax.jit(jax.grad(lambda p: model.apply(p, state, IMAGE)[0].sum()))(params)
    assert gradient["backbone.body.conv1.weight"].any()


def test_within_a_sequence_and_without_what_follows():
    backbone = models.features("vgg11", ["features.7"], image=(32, 32, 3))
    assert {name.split(".")[1] for name in backbone.declarations()} == {"0", "3", "6"}
    one = models.features(models.mobilenet_v2(in_channels=1), ["features.3"], image=(32, 32, 1))
    params, _ = jax.eval_shape(one.init, jax.random.key(0))
    assert params["features.0.0.weight"].shape == (3, 3, 1, 32)
    with pytest.raises(ValueError, match="missing"):
        one.apply({}, {}, IMAGE[..., :1])


class Shared(nn.Module):
    """Layers that are held under several names, at different depths."""

    def __init__(self):
        self.a = nn.Conv2d(3, 3, 1)
        self.b = self.a
        self.block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), self.a, nn.ReLU())
        self.again = nn.Sequential(self.block[0], nn.ReLU())
        self.c = nn.Conv2d(3, 5, 1)
        self.head = nn.Sequential(nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2))
        self.head_too = self.head

    def forward(self, x):
        return self.head_too(self.c(self.again(self.block(self.b(self.a(x))))))


@pytest.mark.parametrize(("layer", "arrays"), [
    ("a", {"a"}), ("block", {"a", "block.0"}), ("again", {"a", "block.0"}), ("c", {"a", "block.0", "c"}),
])  # fmt: skip
def test_shared_layers(layer, arrays):
    model = Shared()
    params, state = model.init(jax.random.key(0))
    backbone = models.features(model, [layer], image=(6, 6, 3))
    assert {path.rpartition(".")[0] for path in backbone.declarations()} == arrays
    assert backbone.a is backbone.b
    own = {path: params[path] for path in backbone.declarations()}
    maps, _ = backbone.apply(own, {}, IMAGE[:, :6, :6])
    _, _, expected = model.apply(params, state, IMAGE[:, :6, :6], capture=(layer,))
    np.testing.assert_allclose(maps[layer], expected[layer], rtol=1e-6, atol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match=r"capture names 'layer5', but no module.*'layer"):
        models.features("resnet18", ["layer5"])
    with pytest.raises(ValueError, match="norm_layer: options are for a name"):
        models.features(models.resnet18(), ["layer1"], norm_layer=None)
    with pytest.raises(RuntimeError, match="holds no arrays"):
        models.resnet18().captured(["layer1"], lambda x: x, IMAGE)


def test_an_error_within_is_not_taken_for_the_end():
    backbone = models.features("resnet18", ["layer1"])
    params, state = jax.jit(backbone.init)(jax.random.key(0))
    with pytest.raises(ValueError, match="channels"):
        backbone.apply(params, state, IMAGE[..., :2])


def test_frozen_parameters_stay():
    params = {"layer1.0.weight": jnp.ones(2), "layer10.weight": jnp.ones(2), "fc.bias": jnp.ones(2)}
    mask = models.freeze(params, "layer1.*")
    assert mask == {"layer1.0.weight": True, "layer10.weight": False, "fc.bias": False}
    optimizer = optax.chain(optax.sgd(0.1), optax.masked(optax.set_to_zero(), mask))
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    new = optax.apply_updates(params, updates)
    assert {name: bool((new[name] == params[name]).all()) for name in params} == mask
    with pytest.raises(ValueError, match=r"no parameter matches 'layer2\.\*'"):
        models.freeze(params, "layer2.*")


def test_maps_of_a_video_classifier():
    backbone = models.features("r3d_18", {"layer1": "fine", "layer2": "coarse"})
    declared = backbone.declarations()
    assert {name.partition(".")[0] for name in declared} == {"stem", "layer1", "layer2"}
    params, state = jax.eval_shape(backbone.init, jax.random.key(0))
    maps, _ = jax.eval_shape(backbone.apply, params, state, jax.ShapeDtypeStruct((1, 4, 16, 24, 3), jnp.float32))
    assert {name: one.shape for name, one in maps.items()} == {"fine": (1, 4, 8, 12, 64), "coarse": (1, 2, 4, 6, 128)}
    assert models.features(models.video.r3d_18(), ["stem"], image=(4, 16, 16, 3)).declarations().keys() == {
        name for name in declared if name.startswith("stem")
    }
