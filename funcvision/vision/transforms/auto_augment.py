"""Automatic augmentation: policies that choose operations and magnitudes at random.

The params of a policy are `fn_idx`, the places of the chosen operations in `_operations.OPERATIONS`, where 0 is
"Identity", and `magnitude`, their magnitudes with the sign.
"""

import enum
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import PIL.Image

from .._options import option_value
from ..tv_tensors import BoundingBoxes, KeyPoints, Mask
from . import functional as F
from ._draws import Draws
from ._operations import OPERATIONS, SIGNED, mixed, operated
from ._policies import POLICIES, sub_policies
from ._random import Random
from .geometry import Fill
from .sample import Leaf, common_size, map_leaves, transformed_leaves
from .transform import Transform, where
from .warp import _check_interpolation, _fill_or_none

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

HAS_SIGN = np.isin(OPERATIONS, SIGNED)

STAYING = (BoundingBoxes, KeyPoints, Mask)
"""The kinds of leaf that the policies move only if asked to."""


class AutoAugmentPolicy(enum.StrEnum):
    """The data set that a policy of `AutoAugment` was learned on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


Bounds = Mapping[str, tuple[float, float]]
"""For the operations of a policy the magnitudes of the lowest and of the highest bin."""


def _bounds(shear: float, right: float, down: float, angle: float, strength: float, bits: tuple[int, int]) -> Bounds:
    """The bounds of all operations but "Identity" and "Invert", in torchvision's order.

    Args:
        shear: tangent of the largest angle of a shear.
        right: longest horizontal translation in pixels.
        down: longest vertical translation in pixels.
        angle: largest rotation in degrees.
        strength: of the blends, the largest distance of the factor from 1.
        bits: that posterize keeps in the lowest and in the highest bin.
    """
    return {
        "ShearX": (0, shear), "ShearY": (0, shear), "TranslateX": (0, right), "TranslateY": (0, down),
        "Rotate": (0, angle), "Brightness": (0, strength), "Color": (0, strength), "Contrast": (0, strength),
        "Sharpness": (0, strength), "Posterize": bits, "Solarize": (1, 0), "AutoContrast": (0, 0), "Equalize": (0, 0),
    }


def _magnitudes(bounds: Bounds, levels: Any, bins: int) -> np.ndarray:
    """The magnitude of every operation at some levels, `[operations, levels]`.

    Args:
        bounds: by name of the operation.
        levels: numbers from 0 to `bins - 1`; between two bins the magnitude is interpolated.
        bins: number of bins.
    """
    share = np.asarray(levels, np.float64) / (bins - 1)
    rows = []
    for name, (low, high) in bounds.items():
        row = low + (high - low) * share
        rows.append(np.round(row) if name == "Posterize" else row)
    return np.array(rows, np.float32)


def _places(bounds: Bounds) -> np.ndarray:
    """The places in `OPERATIONS` of the operations of a policy."""
    return np.array([OPERATIONS.index(name) for name in bounds], np.int32)


def _with_sign(random: Random, indices: Any, magnitudes: Any) -> Any:
    """The magnitudes, of which half are made negative where the operation has a sign."""
    xp = random.xp
    signed = xp.asarray(HAS_SIGN)[indices]
    return xp.where(signed & (random.uniform(0, 1, indices.shape) < 0.5), -magnitudes, magnitudes)


class _Policy(Transform):
    """What the policies share: the options of the warps, and which leaves they are applied to."""

    interpolation: str
    fill: Fill | None
    geometric: str

    def __post_init__(self) -> None:
        _check_interpolation(self.interpolation)
        if self.geometric not in ("raise", "move"):
            raise ValueError(f"geometric={self.geometric!r} must be 'raise' or 'move'")

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample with all its images augmented alike.

        Raises:
            TypeError: the sample holds boxes, masks or key points, and `geometric` is "raise".
        """
        for leaf in transformed_leaves(sample):
            if isinstance(leaf, STAYING) and self.geometric == "raise":
                raise TypeError(
                    f"{type(self).__name__} may move the pixels and got {type(leaf).__name__}, which it leaves where "
                    f"they are: pass geometric='move' to move them along with the image"
                )
        params = draws.draw(self, sample)
        return map_leaves(lambda leaf: self.apply(leaf, **params), sample)

    def apply(self, leaf: Leaf, *, fn_idx: Any, magnitude: Any, **params: Any) -> Any:
        """The leaf after the chosen operations."""
        return operated(leaf, fn_idx, magnitude, self.interpolation, _fill_or_none(self.fill, leaf))


@dataclass(frozen=True, eq=False)
class AutoAugment(_Policy):
    """A learned policy: one of 25 pairs of operations, each with a probability and a magnitude of its own.

    Cubuk et al. 2018, https://arxiv.org/abs/1805.09501. An operation that is not applied is "Identity" in the params.

    >>> AutoAugment("cifar10")(np.zeros((32, 32, 3), np.uint8), key=0).shape
    (32, 32, 3)

    Args:
        policy: an `AutoAugmentPolicy` or its value: "imagenet", "cifar10" or "svhn".
        interpolation: of the warps; see `RandomRotation`.
        fill: of the warps; see `RandomRotation`.
        geometric: what becomes of boxes, masks and key points: "raise" for an error, "move" to move them along with the
            pixels.
    """

    policy: AutoAugmentPolicy | str = AutoAugmentPolicy.IMAGENET
    interpolation: str = "nearest"
    fill: Fill | None = None
    _: KW_ONLY
    geometric: str = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        if option_value(self.policy) not in POLICIES:
            raise ValueError(f"policy={self.policy!r} is not one of {', '.join(map(repr, POLICIES))}")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The two operations and their magnitudes."""
        xp = random.xp
        height, width = common_size(sample)
        bounds = {**_bounds(0.3, 150 / 331 * width, 150 / 331 * height, 30, 0.9, (8, 4)), "Invert": (0, 0)}
        rows = dict(zip(bounds, _magnitudes(bounds, range(10), 10)))
        pairs = sub_policies(option_value(self.policy))
        indices = np.array([[OPERATIONS.index(step.operation) for step in pair] for pair in pairs], np.int32)
        magnitudes = np.array([[rows[step.operation][step.level] for step in pair] for pair in pairs], np.float32)
        probabilities = np.array([[step.probability for step in pair] for pair in pairs], np.float32)
        chosen = random.integer(len(pairs))
        indices, magnitudes, probabilities = (xp.asarray(x)[chosen] for x in (indices, magnitudes, probabilities))
        applied = random.uniform(0, 1, (2,)) < probabilities
        indices, magnitudes = xp.where(applied, indices, 0), xp.where(applied, magnitudes, xp.zeros_like(magnitudes))
        return {"fn_idx": indices, "magnitude": _with_sign(random, indices, magnitudes)}


@dataclass(frozen=True, eq=False)
class RandAugment(_Policy):
    """Some random operations, all with the same magnitude (Cubuk et al. 2019, https://arxiv.org/abs/1909.13719).

    >>> RandAugment(2, 9)(np.zeros((32, 32, 3), np.uint8), key=0).shape
    (32, 32, 3)

    Args:
        num_ops: number of operations, one after the other.
        magnitude: from 0 to `num_magnitude_bins - 1`; a number between two bins is interpolated.
        num_magnitude_bins: number of magnitudes.
        interpolation: of the warps; see `RandomRotation`.
        fill: of the warps; see `RandomRotation`.
        geometric: as in `AutoAugment`.
    """

    num_ops: int = 2
    magnitude: float = 9
    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: Fill | None = None
    _: KW_ONLY
    geometric: str = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_count(self.num_ops, "num_ops", 0)
        _check_count(self.num_magnitude_bins, "num_magnitude_bins", 2)
        if not 0 <= self.magnitude <= self.num_magnitude_bins - 1:
            last = self.num_magnitude_bins - 1
            raise ValueError(f"magnitude={self.magnitude!r} must be from 0 to {last}, the last of the bins")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The operations and their magnitudes."""
        height, width = common_size(sample)
        bounds = {"Identity": (0, 0), **_bounds(0.3, 150 / 331 * width, 150 / 331 * height, 30, 0.9, (8, 4))}
        magnitudes = _magnitudes(bounds, [self.magnitude], self.num_magnitude_bins)
        return _drawn(random, bounds, magnitudes, (self.num_ops,))


@dataclass(frozen=True, eq=False)
class TrivialAugmentWide(_Policy):
    """One random operation with a random magnitude (Müller and Hutter 2021, https://arxiv.org/abs/2103.10158).

    >>> TrivialAugmentWide()(np.zeros((32, 32, 3), np.uint8), key=0).shape
    (32, 32, 3)

    Args:
        num_magnitude_bins: number of magnitudes.
        interpolation: of the warps; see `RandomRotation`.
        fill: of the warps; see `RandomRotation`.
        geometric: as in `AutoAugment`.
    """

    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: Fill | None = None
    _: KW_ONLY
    geometric: str = "raise"

    BOUNDS: ClassVar[Bounds] = {"Identity": (0, 0), **_bounds(0.99, 32, 32, 135, 0.99, (8, 2))}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_count(self.num_magnitude_bins, "num_magnitude_bins", 2)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The operation and its magnitude."""
        bins = self.num_magnitude_bins
        return _drawn(random, self.BOUNDS, _magnitudes(self.BOUNDS, range(bins), bins), (1,))


@dataclass(frozen=True, eq=False)
class AugMix(_Policy):
    """The weighted mean of the image and of its copies after random chains of operations.

    Hendrycks et al. 2019, https://arxiv.org/abs/1912.02781. The params `fn_idx` and `magnitude` are `[chains, steps]`,
    where a shorter chain ends with "Identity"; `weights` holds the weight of the image and that of each chain. As in
    torchvision, a PIL image is computed as an array.

    >>> AugMix()(np.zeros((32, 32, 3), np.uint8), key=0).shape
    (32, 32, 3)

    Args:
        severity: from 1 to 10, the number of the lowest magnitudes out of ten that are drawn.
        mixture_width: number of chains.
        chain_depth: number of operations in a chain; a number below 1 draws it for each chain, from 1 to 3.
        alpha: parameter of the Dirichlet distribution of the chains' weights, and of the Beta distribution of the share
            of the image itself.
        all_ops: whether brightness, colour, contrast and sharpness are among the operations.
        interpolation: of the warps; see `RandomRotation`.
        fill: of the warps; see `RandomRotation`.
        geometric: as in `AutoAugment`. With "move", boxes, masks and key points move like the part of the mean
            with the largest weight.
    """

    severity: int = 3
    mixture_width: int = 3
    chain_depth: int = -1
    alpha: float = 1.0
    all_ops: bool = True
    interpolation: str = "bilinear"
    fill: Fill | None = None
    _: KW_ONLY
    geometric: str = "raise"

    BINS: ClassVar[int] = 10
    LONGEST: ClassVar[int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.severity not in range(1, self.BINS + 1):
            raise ValueError(f"severity={self.severity!r} must be an int from 1 to {self.BINS}")
        _check_count(self.mixture_width, "mixture_width", 1)
        if not isinstance(self.chain_depth, int):
            raise ValueError(f"chain_depth={self.chain_depth!r} must be an int")
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r} must be above zero")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The chains and the weights."""
        xp = random.xp
        height, width = common_size(sample)
        bounds = _bounds(0.3, width / 3, height / 3, 30, 0.9, (4, 0))
        if not self.all_ops:
            bounds = {name: pair for name, pair in bounds.items() if OPERATIONS.index(name) not in range(6, 10)}
        depth = self.chain_depth if self.chain_depth > 0 else self.LONGEST
        shape = (self.mixture_width, depth)
        params = _drawn(random, bounds, _magnitudes(bounds, range(self.severity), self.BINS), shape)
        if self.chain_depth <= 0:
            used = xp.arange(depth)[None] <= random.integers(depth, (self.mixture_width, 1))
            params = {name: xp.where(used, value, xp.zeros_like(value)) for name, value in params.items()}
        own, rest = random.dirichlet(self.alpha, 2)
        weights = random.dirichlet(self.alpha, self.mixture_width) * rest
        return {**params, "weights": xp.concatenate([own[None], weights])}

    def apply(self, leaf: Leaf, *, fn_idx: Any, magnitude: Any, weights: Any, **params: Any) -> Any:
        """The mixed image, or the moved leaf."""
        fill = _fill_or_none(self.fill, leaf)
        if isinstance(leaf, STAYING):
            heaviest = max(weights) if isinstance(weights, list | tuple) else weights.max()
            result = leaf
            for chain, amounts, weight in zip(fn_idx, magnitude, weights[1:], strict=True):
                moved = operated(leaf, chain, amounts, self.interpolation, fill)
                result = where(weight == heaviest, lambda _, moved=moved: moved, result)
            return result
        if isinstance(leaf, PIL.Image.Image):
            array = mixed(F.to_image(leaf), fn_idx, magnitude, weights, self.interpolation, fill)
            return F.to_pil_image(array)
        return mixed(leaf, fn_idx, magnitude, weights, self.interpolation, fill)


def _drawn(random: Random, bounds: Bounds, magnitudes: np.ndarray, shape: tuple[int, ...]) -> dict[str, Any]:
    """Operations and magnitudes, all equally likely.

    Args:
        random: the source.
        bounds: of the operations to choose from.
        magnitudes: `[operations, levels]`.
        shape: of what is drawn.
    """
    xp = random.xp
    operations, levels = magnitudes.shape
    chosen = random.integers(operations, shape)
    level = random.integers(levels, shape)
    indices = xp.asarray(_places(bounds))[chosen]
    return {"fn_idx": indices, "magnitude": _with_sign(random, indices, xp.asarray(magnitudes)[chosen, level])}


def _check_count(number: Any, name: str, least: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ValueError(f"{name}={number!r} must be an int, {least} or more")
