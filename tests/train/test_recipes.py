"""What recipes describe: models, optimisers, learning rates, data sets."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import nn, train
from funcvision.data import ArrayDataset
from funcvision.train import building
from funcvision.train.data_spec import Data, SkipUnreadable, in_memory, open_data
from funcvision.train.options import OptionError, Options
from funcvision.train.preparation import RepeatedSampler, image_sizes, prepared_for, train_loader
from funcvision.train.recipe import Recipe, find_recipe, list_recipes
from funcvision.train.recipes.cifar10_fast import Triangle, WhitenedNet, lookahead, whitening_filters

COUNTS = {
    "digits": 308_074, "mnist": 308_074, "cifar10": 11_173_962, "imagenet_resnet50": 25_557_032,
    "imagenet_resnet50_short": 25_557_032, "imagenet_convnext_tiny": 28_589_128, "imagenet_vit_s16": 22_050_664,
    "finetune": 2_236_682, "cifar10_fast": 1_972_792,
}


@pytest.mark.parametrize("name", list_recipes())
def test_models_optimizers_and_rates(name):
    recipe = find_recipe(name)()
    classes, channels = (1000, 3) if "imagenet" in name else (10, 1 if recipe.model == "small_resnet" else 3)
    model = recipe.build_model(classes, channels)
    params, _ = jax.eval_shape(model.init, jax.random.key(0))
    assert sum(leaf.size for leaf in params.values()) == COUNTS[name]
    rate = recipe.build_rate(10)
    rates = np.asarray(jax.vmap(rate)(np.arange(10 * recipe.epochs)))
    assert rates.max() == pytest.approx(recipe.lr, rel=0.02)
    assert rates[-1] < 0.1 * recipe.lr
    assert rates[0] < 0.5 * recipe.lr
    optimizer = recipe.build_optimizer(model, rate, classes, channels)
    with jax.numpy_dtype_promotion("standard"):  # as in a step: optax mixes ints and floats
        updates = jax.eval_shape(lambda p: optimizer.update(p, optimizer.init(p), p)[0], params)
    assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize("opt", ["sgd", "sgd_nesterov", "rmsprop", "adamw", "lamb", "lion", "muon", "adafactor"])
def test_every_optimizer_makes_a_quadratic_smaller(opt):
    options = Options(opt=opt, lr=0.02, weight_decay=1e-4)
    model = nn.Sequential(nn.Linear(4, 3))
    optimizer = building.optimizer(options, model, lambda step: jnp.float32(options.lr), set())
    params = {"0.weight": jnp.ones((4, 3)), "0.bias": jnp.ones(3)}

    @jax.jit
    def run(params):
        state = optimizer.init(params)
        with jax.numpy_dtype_promotion("standard"):
            for _ in range(5):
                updates, state = optimizer.update(params, state, params)
                params = jax.tree.map(jnp.add, params, updates)
        return params

    after = run(params)
    for name, value in after.items():
        assert float(jnp.abs(value).max()) < 1, name


def test_frozen_parameters_and_the_rate_of_the_head():
    recipe = Recipe(model="squeezenet1_1", freeze="features.*", head_lr_scale=10.0, lr=1.0, weight_decay=0.0)
    model = recipe.build_model(5, 3)
    optimizer = recipe.build_optimizer(model, lambda step: jnp.float32(1.0), 5, 3)
    params = {name: np.ones(leaf.shape, np.float32) for name, leaf in jax.eval_shape(
        model.init, jax.random.key(0))[0].items()}
    updates = jax.jit(lambda p: optimizer.update(p, optimizer.init(p), p)[0])(params)
    for name, value in updates.items():
        assert np.unique(value).tolist() == ([-10.0] if name.startswith("classifier") else [0.0])


def test_layer_decay_scales_the_updates_of_a_recipe():
    recipe = Recipe(model="small_resnet_narrow", layer_decay=0.5, lr=1.0, momentum=0.0, weight_decay=0.0)
    model = recipe.build_model(5, 3)
    optimizer = recipe.build_optimizer(model, lambda step: jnp.float32(1.0), 5, 3)
    ones = {name: np.ones((), np.float32) for name in train.layer_scales(model)}
    updates, _ = optimizer.update(ones, optimizer.init(ones), ones)
    assert {name: -float(value) for name, value in updates.items()} == train.layer_scales(model, 0.5)
    assert float(updates["conv1.weight"]) == -(0.5**4)


def test_bce_is_the_binary_cross_entropy():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(4, 3)).astype(np.float32), random.integers(0, 3, 4)
    for bce, kind in ((True, train.losses.binary_cross_entropy), (False, train.losses.cross_entropy)):
        losses = Recipe(bce=bce, label_smoothing=0.2).build_loss(), kind(label_smoothing=0.2)
        found, wanted = (loss(jnp.asarray(logits), jnp.asarray(labels)) for loss in losses)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_remat_keeps_fewer_activations_and_changes_no_gradient():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
    )
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    images, key = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32), jax.random.key(0)

    def loss(params, state, which):
        return jnp.square(which.apply(params, state, images, train=True, key=key)[0]).mean()

    def kept(which):
        """The bytes of the arrays that the forward pass keeps for the backward pass, without the parameters."""
        pull = jax.eval_shape(lambda p, s: jax.vjp(lambda p: loss(p, s, which), p)[1], params, state)
        sizes = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(pull)]
        return sum(sizes) - sum(leaf.size * leaf.dtype.itemsize for leaf in params.values())

    recomputed = building.Recomputed(model)
    assert kept(recomputed) < 0.5 * kept(model)
    arrays = jax.jit(model.init)(jax.random.key(0))
    first, second = (jax.jit(jax.grad(lambda p, s, which=which: loss(p, s, which)))(*arrays)
                     for which in (model, recomputed))
    for name, gradient in first.items():
        np.testing.assert_allclose(second[name], gradient, rtol=1e-4, atol=1e-6, err_msg=name)


def test_no_gradient_is_computed_for_frozen_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x, labels, key = jnp.ones((5, 3)), jnp.zeros(5, jnp.int32), jax.random.key(0)
    params, buffers = model.init(key)

    def gradients(chosen):
        def loss(params):
            output, _ = chosen.apply(params, buffers, x, train=True, key=key)
            return train.losses.cross_entropy()(output, labels)

        return jax.grad(loss)(params), str(jax.make_jaxpr(jax.grad(loss))(params)).count("dot_general")

    expected, products = gradients(model)
    found, fewer = gradients(building.trained(Recipe(freeze="0.*"), model))
    for name, value in found.items():
        np.testing.assert_array_equal(value, np.zeros(value.shape) if name.startswith("0.") else expected[name])
    assert fewer < products


def test_repeated_augmentation():
    sampler = RepeatedSampler(10, 3, 0)
    order = sampler(0)
    assert len(order) == len(sampler) == 10
    assert [len(set(order[first : first + 3])) for first in (0, 3, 6)] == [1, 1, 1]
    assert len(set(order)) == 4
    assert (order != sampler(1)).any()
    np.testing.assert_array_equal(order, RepeatedSampler(10, 3, 0)(0))


def folder(root: pathlib.Path, count: int = 6) -> str:
    """Writes images of two classes, dark and light, and returns the text that names them."""
    random = np.random.default_rng(0)
    for part, number in (("train", count), ("val", count // 2)):
        for level, name in ((60, "dark"), (190, "light")):
            (root / part / name).mkdir(parents=True)
            for i in range(number):
                pixels = random.integers(level - 60, level + 60, (36, 40, 3), np.uint8)
                PIL.Image.fromarray(pixels).save(root / part / name / f"{i}.png")
    return f"folder:{root}"


def test_a_folder(tmp_path):
    data = open_data(folder(tmp_path))
    assert (len(data.train), len(data.test), data.classes, data.shape) == (12, 6, ("dark", "light"), None)
    held = in_memory(data, resize=32, crop=32)
    assert held.shape == (32, 32, 3)
    assert held.train[0][0].dtype == np.uint8
    preparation = prepared_for(Options(), held)
    assert preparation.crop_size == 32
    assert preparation.mean == pytest.approx([0.49] * 3, abs=0.02)


def test_an_undivided_folder_and_mistakes(tmp_path):
    folder(tmp_path)
    data = open_data(f"folder:{tmp_path / 'train'}")
    assert (len(data.train), len(data.test)) == (10, 2)
    for spec, message in (
        ("cifar10", "lacks the folder"), ("cifra10:x", "did you mean 'cifar10'"), ("folder:/none", "no such folder"),
        ("kitti:x", "is for detection"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            open_data(spec)
    (tmp_path / "val/dark").rename(tmp_path / "val/black")
    with pytest.raises(ValueError, match="train/ and val/ need the same classes; only one of them has black, dark"):
        open_data(f"folder:{tmp_path}")


def test_the_size_of_images_follows_the_schedule(tmp_path):
    options = Options(image_size_schedule="0:16,1:24", batch_size=4, workers=0)
    loader = train_loader(options, open_data(folder(tmp_path)))
    assert [images.shape for images, _ in loader] == [(4, 16, 16, 3)] * 3
    assert [images.shape for images, _ in loader] == [(4, 24, 24, 3)] * 3
    loader.epoch = 0
    assert next(iter(loader))[0].shape == (4, 16, 16, 3)
    with pytest.raises(OptionError, match="image-size-schedule='5:16' must begin with epoch 0"):
        image_sizes(dataclasses.replace(options, image_size_schedule="5:16"))


@pytest.mark.parametrize("policy", ["ra", "ta_wide", "augmix", "imagenet"])
def test_automatic_augmentation(policy, tmp_path):
    options = Options(auto_augment=policy, train_crop_size=16, batch_size=4, workers=0)
    images, labels = next(iter(train_loader(options, open_data(folder(tmp_path, 2)))))
    assert (images.shape, images.dtype, labels.shape) == ((4, 16, 16, 3), np.uint8, (4,))


def test_alternating_flips_show_all_images_and_mirror_images_in_two_epochs(tmp_path):
    pictures = open_data(folder(tmp_path))
    held = in_memory(pictures, resize=36, crop=36)
    recipe = Recipe(hflip_alternating=True, random_crop_padding=0, train_crop_size=36, batch_size=4)
    upright = {image.tobytes() for image, _ in held.train}
    mirrored = {image[:, ::-1].tobytes() for image, _ in held.train}
    for data in (pictures, held):
        loader = train_loader(recipe, data)
        epochs = [{image.tobytes() for images, _ in loader for image in images} for _ in range(3)]
        assert len(epochs[0]) == len(epochs[1]) == len(upright) == 12
        assert epochs[0] | epochs[1] == upright | mirrored
        assert epochs[2] == epochs[0]
        assert 0 < len(epochs[0] & mirrored) < 12
    preparation, batch = prepared_for(recipe, held), next(iter(loader))
    images, labels = recipe.build_augment(held, preparation)(batch, key=jax.random.key(0))
    np.testing.assert_array_equal(images, preparation.normalize().batch(batch[0]))  # without a random flip on top
    np.testing.assert_array_equal(labels, batch[1])
    for other in ({"ra_sampler": True}, {"on_unreadable": "skip"}):
        with pytest.raises(OptionError, match="hflip-alternating=true needs each image once"):
            train_loader(dataclasses.replace(recipe, **other), pictures)


def test_what_pads_a_random_crop():
    images = np.full((8, 8, 8, 3), 200, np.uint8)
    data = Data(ArrayDataset((images, np.arange(8))), None, ("a", "b"), (8, 8, 3))
    for mode, alike in (("constant", False), ("reflect", True)):
        recipe = Recipe(random_crop_padding=2, random_crop_padding_mode=mode, hflip=0.0)
        augment = recipe.build_augment(data, prepared_for(recipe, data))
        shifted, _ = augment((images, np.arange(8)), key=jax.random.key(0))
        assert (np.ptp(np.asarray(shifted), axis=(0, 1, 2)).max() < 1e-6) == alike


def test_unreadable_images(tmp_path):
    spec = folder(tmp_path)
    (tmp_path / "train" / "dark" / "0.png").write_bytes(b"no image")
    data = open_data(spec)
    kept = SkipUnreadable(data.train)
    assert np.array_equal(kept[0][0], data.train[1][0])
    assert kept.skipped == {0}
    options = Options(batch_size=12, train_crop_size=16, workers=0)
    with pytest.raises(Exception, match=r"0\.png"):
        next(iter(train_loader(options, data)))
    loader = train_loader(dataclasses.replace(options, on_unreadable="skip"), data)
    assert next(iter(loader))[0].shape == (12, 16, 16, 3)


def test_mixing_erasing_and_normalisation():
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    data = Data(ArrayDataset((images, np.arange(4))), None, ("a", "b", "c", "d"), (8, 8, 3))
    recipe = Recipe(mixup_alpha=0.5, cutmix_alpha=0.5, random_erase=0.5, random_crop_padding=2)
    augment = jax.jit(recipe.build_augment(data, prepared_for(recipe, data)))
    for seed in range(3):
        mixed, targets = augment((jnp.asarray(images), jnp.arange(4)), key=jax.random.key(seed))
        assert (mixed.shape, mixed.dtype, targets.shape) == ((4, 8, 8, 3), jnp.float32, (4, 4))
        np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-5)
        assert np.isfinite(mixed).all()


def test_whitening():
    random = np.random.default_rng(0)
    images = random.normal(size=(30, 12, 12, 3)) @ random.normal(size=(3, 3))
    filters = whitening_filters(images, epsilon=0.0)
    model = WhitenedNet(4, widths=(8, 8, 8))
    assert filters.shape == (2, 2, 3, 24)
    patches = np.lib.stride_tricks.sliding_window_view(images, (2, 2), (1, 2))
    responses = np.einsum("nhwcij,ijco->nhwo", patches, filters)[..., :12].reshape(-1, 12)
    np.testing.assert_allclose(responses.T @ responses / len(responses), np.eye(12), atol=1e-3)
    assert model.init(jax.random.key(0))[0]["whiten.weight"].shape == filters.shape


def test_the_whitened_net_averages_views():
    one, two, six = (WhitenedNet(4, widths=(8, 8, 8), views=views) for views in (1, 2, 6))
    params, state = one.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))

    def scores(model, x):
        return np.asarray(model.apply(params, state, x)[0])

    mirror_mean = (scores(one, images) + scores(one, images[:, :, ::-1])) / 2
    np.testing.assert_allclose(scores(two, images), mirror_mean, rtol=1e-4, atol=1e-5)
    border = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    moved = scores(two, border[:, :32, :32]) / 2 + scores(two, border[:, 2:, 2:]) / 2
    np.testing.assert_allclose(scores(six, images), mirror_mean / 2 + moved / 2, rtol=1e-4, atol=1e-5)
    assert np.abs(moved - mirror_mean).max() > 1e-3


def test_lookahead_follows_the_rule_of_the_paper():
    steps, random = 12, np.random.default_rng(0)
    updates = random.normal(size=(steps, 3)).astype(np.float32)
    optimizer, params = lookahead(steps), {"x": jnp.ones(3), "frozen": jnp.full(3, 0.1)}
    state, fast, slow = optimizer.init(params), np.ones(3), np.ones(3)
    for step, update in enumerate(updates, start=1):
        found, state = optimizer.update({"x": jnp.asarray(update), "frozen": jnp.zeros(3)}, state, params)
        params = jax.tree.map(jnp.add, params, found)
        fast = fast + update
        if step % 5 == 0:
            decay = 0.95**5 * (step / steps) ** 3
            slow = decay * slow + (1 - decay) * fast
            fast = slow
        np.testing.assert_allclose(params["x"], slow if step == steps else fast, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(params["frozen"], jnp.full(3, 0.1))


def test_the_rate_of_the_whitened_net_is_a_triangle():
    rates = np.array([float(Triangle(2.0, 100)(step)) for step in range(101)])
    np.testing.assert_allclose(rates[[0, 23, 100]], [0.4, 2.0, 0.14], rtol=1e-6)
    assert (np.abs(np.diff(rates, 2)) > 1e-5).sum() == 1  # one corner
