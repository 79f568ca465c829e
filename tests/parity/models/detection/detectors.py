"""Comparison of detectors with torchvision's: what they find, their losses, and the gradients of the losses."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from funcvision import nn
from funcvision.vision.models import detection
from tests.parity.layers import QUICKLY, arrays_of, randomise, stored
from tests.parity.reference import assert_close

Target = dict[str, np.ndarray]

ZERO = 1e-14
IMAGES = ((70, 90), (100, 60), (64, 64))
"""(height, width) of images that are resized by different factors."""


def images_and_targets(sizes: Sequence[tuple[int, int]] = IMAGES) -> tuple[list[np.ndarray], list[Target]]:
    """Random images, and objects in all of them but the second."""
    rng = np.random.default_rng(0)
    images = [rng.random((*size, 3)) for size in sizes]
    targets = []
    for i, (height, width) in enumerate(sizes):
        count = (2, 0, 3)[i % 3]
        low = rng.uniform(0, 0.5, (count, 2)) * (width, height)
        high = low + rng.uniform(0.2, 0.5, (count, 2)) * (width, height)
        targets.append({"boxes": np.concatenate([low, high], 1), "labels": rng.integers(1, 5, count)})
    return images, targets


def assert_predictions_equal(
    ours: nn.Module, theirs: torch.nn.Module, *, prepare: Callable[[torch.nn.Module], None] = lambda model: None,
    sizes: Sequence[tuple[int, int]] = IMAGES, rtol: float = 1e-8,
) -> list[dict[str, np.ndarray]]:
    """Asserts in float64 that `predict` finds what torchvision's model finds, in the same order.

    Args:
        ours: a description.
        theirs: torchvision's model of the same names and shapes; its arrays become random.
        prepare: called with torchvision's model afterwards, to change arrays.
        sizes: of the images.
        rtol: tolerance.
    """
    images, _ = images_and_targets(sizes)
    with jax.enable_x64(True), _double():
        params, state = _same_arrays(ours, theirs, prepare)
        expected = theirs.eval()([_chw(image) for image in images])
        found = detection.predict(ours, params, state, images)
    assert sum(len(one["boxes"]) for one in expected) > len(images), "too little is found to compare"
    for ours_found, theirs_found in zip(found, expected, strict=True):
        assert ours_found.keys() == theirs_found.keys()
        np.testing.assert_array_equal(ours_found["labels"], theirs_found["labels"])
        for name in theirs_found.keys() - {"labels"}:
            assert_close(ours_found[name], theirs_found[name], rtol=rtol, what=name)
    return found


def assert_losses_equal(
    ours: nn.Module, theirs: torch.nn.Module, *, prepare: Callable[[torch.nn.Module], None] = lambda model: None,
    targets: list[Target] | None = None, rtol: float = 1e-8, **options: Any,
) -> None:
    """Asserts in float64 that all losses and their gradients with respect to all parameters are torchvision's.

    The arguments are those of `assert_predictions_equal`; `targets` replace those of `images_and_targets`, and
    `options` are given to `apply`.
    """
    images, own_targets = images_and_targets()
    targets = own_targets if targets is None else targets
    with jax.enable_x64(True), _double():
        params, state = _same_arrays(ours, theirs, prepare)
        tensors = [{name: torch.from_numpy(array) for name, array in target.items()} for target in targets]
        expected = theirs.train()([_chw(image) for image in images], tensors)
        sum(expected.values()).backward()
        batch = jax.tree.map(jnp.asarray, detection.batch(ours, images, targets))

        @functools.partial(jax.jit, compiler_options=QUICKLY)
        def run(params: nn.Arrays) -> Any:
            def total(params: nn.Arrays) -> Any:
                losses, _ = ours.apply(params, state, batch, train=True, key=jax.random.key(0), **options)
                return sum(losses.values()), losses

            return jax.value_and_grad(total, has_aux=True)(params)

        (_, losses), gradients = run(params)
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert np.isfinite(loss)
        assert_close(loss, expected[name], rtol=rtol, what=name)
    declared, compared = ours.declarations(), 0
    for name, parameter in theirs.named_parameters():
        if parameter.grad is not None:
            wanted = stored(parameter.grad, declared[name])
            if np.abs(wanted).max() < ZERO:  # of what a softmax ignores
                assert np.abs(gradients[name]).max() < ZERO, name
                continue
            assert_close(gradients[name], wanted, rtol=rtol, what=name)
            compared += 1
    assert compared > 10


def _same_arrays(
    ours: nn.Module, theirs: torch.nn.Module, prepare: Callable[[torch.nn.Module], None]
) -> tuple[nn.Arrays, nn.Arrays]:
    theirs.double()
    randomise(theirs)
    with torch.no_grad():
        prepare(theirs)
    return arrays_of(ours, theirs)


def _chw(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


class _double:
    """torch's default dtype is float64, as torchvision makes anchors and losses in the default dtype."""

    def __enter__(self) -> None:
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_: Any) -> None:
        torch.set_default_dtype(torch.float32)
