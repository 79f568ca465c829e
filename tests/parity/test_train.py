"""Training against torch, with the rules of torchvision's references/classification written out on torch's side."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
import torchvision

from funcvision import nn, train
from funcvision.train.recipe import Recipe
from funcvision.vision import models, transforms
from tests.train.tiny import MLP, ConvNet

EPOCHS, STEPS = 5, 4  # 20 steps
BATCH, CLASSES = 8, 4


class TorchConvNet(torch.nn.Module):
    def __init__(self, classes: int = CLASSES, width: int = 8):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(3, width, 3, padding=1, bias=False), torch.nn.BatchNorm2d(width)
        self.conv2, self.bn2 = torch.nn.Conv2d(width, width, 3, stride=2, bias=False), torch.nn.BatchNorm2d(width)
        self.conv3, self.bn3 = torch.nn.Conv2d(width, width, 3, bias=False), torch.nn.BatchNorm2d(width)
        self.fc = torch.nn.Linear(width, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = torch.relu(self.bn3(self.conv3(x)))
        return self.fc(x.mean((2, 3)))


class TorchMLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(8, 16), torch.nn.Linear(16, CLASSES)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def reference_groups(net: torch.nn.Module, rate: float, norm: float | None, bias: float | None) -> list[dict]:
    """Parameter groups by the rules of torchvision's `set_weight_decay`, with the bias rule before the norm rule."""
    norms = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)
    groups: dict[float, list] = {}
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if bias is not None and name == "bias":
                own = bias
            elif norm is not None and isinstance(module, norms):
                own = norm
            else:
                own = rate
            groups.setdefault(own, []).append(parameter)
    return [{"params": parameters, "weight_decay": own} for own, parameters in groups.items()]


def reference_average(net: torch.nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """torchvision's ExponentialMovingAverage."""
    def average(old, new, count):
        return decay * old + (1 - decay) * new

    return torch.optim.swa_utils.AveragedModel(net, "cpu", average, use_buffers=True)


def reference_scheduler(optimizer: Any, kind: str, method: str, warmup: int, decay: float) -> Any:
    """torchvision's schedulers, which are stepped once an epoch."""
    lr = torch.optim.lr_scheduler
    main = {
        "cosine": lambda: lr.CosineAnnealingLR(optimizer, T_max=EPOCHS - warmup, eta_min=1e-3),
        "step": lambda: lr.StepLR(optimizer, step_size=2, gamma=0.3),
        "exponential": lambda: lr.ExponentialLR(optimizer, gamma=0.7),
        "polynomial": lambda: lr.PolynomialLR(optimizer, total_iters=EPOCHS - warmup, power=0.9),
    }[kind]()
    if not warmup:
        return main
    first = {
        "linear": lambda: lr.LinearLR(optimizer, start_factor=decay, total_iters=warmup),
        "constant": lambda: lr.ConstantLR(optimizer, factor=decay, total_iters=warmup),
    }[method]()
    return lr.SequentialLR(optimizer, [first, main], milestones=[warmup])


def our_schedule(kind: str, method: str, warmup: int, decay: float, per_epoch: bool = True) -> optax.Schedule:
    options: dict[str, Any] = {
        "steps_per_epoch": STEPS, "warmup_epochs": warmup, "warmup_method": method, "warmup_decay": decay,
        "per_epoch": per_epoch,
    }
    return {
        "cosine": lambda: train.schedules.cosine(0.1, epochs=EPOCHS, lr_min=1e-3, **options),
        "step": lambda: train.schedules.step(0.1, step_size=2, gamma=0.3, **options),
        "exponential": lambda: train.schedules.exponential(0.1, gamma=0.7, **options),
        "polynomial": lambda: train.schedules.polynomial(0.1, epochs=EPOCHS, power=0.9, **options),
    }[kind]()


@pytest.mark.parametrize("kind", ["cosine", "step", "exponential", "polynomial"])
@pytest.mark.parametrize(("method", "warmup"), [("linear", 2), ("constant", 2), ("linear", 0)])
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
def test_schedules_equal_torchs_step_for_step(kind, method, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = reference_scheduler(optimizer, kind, method, warmup, 0.01)
    with jax.enable_x64(True):
        rates = jax.vmap(our_schedule(kind, method, warmup, 0.01))(jnp.arange(EPOCHS * STEPS))
        smooth = our_schedule(kind, method, warmup, 0.01, per_epoch=False)
        at_starts = [float(smooth(epoch * STEPS)) for epoch in range(EPOCHS)]
    wanted = []
    for _ in range(EPOCHS):
        wanted += [optimizer.param_groups[0]["lr"]] * STEPS
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)
    np.testing.assert_allclose(at_starts, wanted[::STEPS], rtol=1e-12)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_twenty_steps_of_a_recipe_equal_torchs(network):
    """SGD with momentum, decay groups, warm-up with cosine, smoothing, MixUp, average and clipping, in float64.

    The options of the recipe describe all of this but the draws of MixUp, which both sides are given.
    """
    random = np.random.default_rng(1)
    shape = (8,) if network == "mlp" else (8, 8, 3)
    images = random.normal(size=(EPOCHS * STEPS, BATCH, *shape))
    labels = random.integers(0, CLASSES, (EPOCHS * STEPS, BATCH))
    shares = random.beta(0.2, 0.2, EPOCHS * STEPS)
    recipe = Recipe(
        epochs=EPOCHS, batch_size=BATCH, opt="sgd", lr=0.1, momentum=0.9, weight_decay=1e-2, norm_weight_decay=0.0,
        bias_weight_decay=1e-3, label_smoothing=0.1, clip_grad_norm=0.5, model_ema=True, model_ema_steps=2,
        model_ema_decay=0.97, lr_scheduler="cosineannealinglr", lr_min=1e-3, lr_per_epoch=True, lr_warmup_epochs=1.0,
        lr_warmup_method="linear", lr_warmup_decay=0.01,
    )
    warmup, every, clip = 1, 2, 0.5
    decay = 1 - min(1.0, (1 - 0.97) * BATCH * every / EPOCHS)  # torchvision's `adjust`

    net: torch.nn.Module = (TorchMLP() if network == "mlp" else TorchConvNet()).double()
    start = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    optimizer = torch.optim.SGD(reference_groups(net, 1e-2, 0.0, 1e-3), lr=0.1, momentum=0.9)
    scheduler = reference_scheduler(optimizer, "cosine", "linear", warmup, 0.01)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    average = reference_average(net, decay)
    losses = []
    for epoch in range(EPOCHS):
        net.train()
        for i in range(STEPS):
            n = epoch * STEPS + i
            x, target = torch.tensor(images[n]), torch.nn.functional.one_hot(torch.tensor(labels[n]), CLASSES).double()
            x = x.roll(1, 0) * (1 - shares[n]) + x * shares[n]
            target = target.roll(1, 0) * (1 - shares[n]) + target * shares[n]
            loss = criterion(net(x if network == "mlp" else x.permute(0, 3, 1, 2)), target)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            if i % every == 0:
                average.update_parameters(net)
                if epoch < warmup:
                    average.n_averaged.fill_(0)
            losses.append(loss.item())
        scheduler.step()

    with jax.enable_x64(True):
        model: nn.Module = MLP() if network == "mlp" else ConvNet()
        rule = recipe.build_average(STEPS)
        chain = recipe.build_optimizer(model, recipe.build_rate(STEPS), CLASSES, 3)
        params, buffers = from_torch(model, start)
        state = train.create(model, chain, key=jax.random.key(0), ema=rule, params=params, state=buffers)
        step = train.make_step(
            model, recipe.build_loss(), chain, augment=mixed, ema=rule, precision="float64",
            clip=recipe.clip_grad_norm,
        )
        ours = []
        for x, y, share in zip(images, labels, shares, strict=True):
            state, metrics = step(state, ((x, share * np.ones(BATCH)), np.eye(CLASSES)[y]))
            ours.append(float(metrics["loss"]))
        np.testing.assert_allclose(ours, losses, rtol=1e-8)
        assert_arrays_equal(model, {**state.params, **state.state}, net.state_dict())
        assert state.ema is not None
        averaged = {name.removeprefix("module."): value for name, value in average.state_dict().items()}
        averaged.pop("n_averaged")
        assert_arrays_equal(model, {**state.ema.params, **state.ema.state}, averaged)


def mixed(batch: Any, *, key: jax.Array) -> Any:
    """MixUp with the share that is given with the batch."""
    (images, shares), labels = batch
    four = images.reshape(len(images), -1, 1, 1) if images.ndim == 2 else images
    x, y = transforms.MixUp(num_classes=CLASSES).replay((four, labels), {"lam": shares[0]})
    return x.reshape(images.shape), y


def from_torch(model: nn.Module, tensors: dict[str, np.ndarray]) -> tuple[Any, Any]:
    declared = model.declarations()
    arrays = {
        name: jnp.asarray(tensors[name].transpose(declaration.axes), declaration.dtype_for(np.float64))
        for name, declaration in declared.items()
    }
    params = {name: array for name, array in arrays.items() if isinstance(declared[name], nn.Param)}
    return params, {name: array for name, array in arrays.items() if name not in params}


def assert_arrays_equal(model: nn.Module, ours: dict[str, jax.Array], theirs: dict[str, torch.Tensor]) -> None:
    declared = model.declarations()
    assert set(ours) == set(theirs) == set(declared)
    for name, tensor in theirs.items():
        wanted = tensor.numpy().transpose(declared[name].axes)
        np.testing.assert_allclose(ours[name], wanted, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "swin_t", "convnext_tiny", "mobilenet_v2"])
@pytest.mark.parametrize(("norm", "bias", "embedding"), [(0.0, None, None), (0.0, 0.5, 0.25), (None, None, None)])
def test_weight_decay_has_the_groups_of_torchvision(name, norm, bias, embedding):
    rate = 2.0
    with torch.device("meta"):
        net = torchvision.models.get_model(name)
    norms = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)
    embeddings = ("class_token", "position_embedding", "relative_position_bias_table", "pos_embedding")
    wanted = {}
    for path, module in net.named_modules():
        for parameter, _ in module.named_parameters(recurse=False):
            if embedding is not None and parameter in embeddings:
                own = embedding
            elif bias is not None and parameter == "bias":
                own = bias
            elif norm is not None and isinstance(module, norms):
                own = norm
            else:
                own = rate
            wanted[f"{path}.{parameter}" if path else parameter] = own
    model = models.get_model(name)
    decay = train.weight_decay(model, rate, norm=norm, bias=bias, embedding=embedding)
    names = [name for name, declared in model.declarations().items() if isinstance(declared, nn.Param)]
    zeros, ones = ({name: np.full((), value, np.float32) for name in names} for value in (0, 1))
    found, _ = decay.update(zeros, decay.init(ones), ones)
    assert {name: float(value) for name, value in found.items()} == wanted
    if bias == 0.5:
        assert train.decay_mask(model) == {name: own == rate for name, own in wanted.items()}
        assert len(set(wanted.values())) >= 3


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipping_equals_torchs(largest):
    gradients = {name: np.random.default_rng(0).normal(size=(3, 4)) for name in "ab"}
    tensors = [torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float64)) for _ in gradients]
    for tensor, gradient in zip(tensors, gradients.values(), strict=True):
        tensor.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_(tensors, largest)
    with jax.enable_x64(True):
        clip = train.clip_grad_norm(largest)
        clipped, _ = clip.update(jax.tree.map(jnp.asarray, gradients), clip.init(gradients))
        for tensor, found in zip(tensors, clipped.values(), strict=True):
            assert tensor.grad is not None
            np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_losses_equal_torchs(soft):
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(6, 5)).astype(np.float32), random.integers(0, 5, 6)
    target = random.dirichlet(np.ones(5), 6).astype(np.float32) if soft else labels
    wanted = torch.nn.CrossEntropyLoss(label_smoothing=0.2)(torch.tensor(logits), torch.tensor(target))
    found = train.losses.cross_entropy(label_smoothing=0.2)(jnp.asarray(logits), jnp.asarray(target))
    np.testing.assert_allclose(found, wanted.item(), rtol=1e-6)
    full = target if soft else np.eye(5, dtype=np.float32)[labels]
    smooth = torch.tensor(full) * 0.8 + 0.2 / 5
    wanted = torch.nn.BCEWithLogitsLoss()(torch.tensor(logits), smooth)
    found = train.losses.binary_cross_entropy(label_smoothing=0.2)(jnp.asarray(logits), jnp.asarray(target))
    np.testing.assert_allclose(found, wanted.item(), rtol=1e-6)
