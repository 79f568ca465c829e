"""Random warps: every leaf is moved by a drawn affine map, rotation, perspective or displacement."""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from .._options import option_value
from . import functional as F
from ._applied import check_probability
from ._random import Random
from .functional._warp import homography, inverse_affine, inverse_coefficients
from .functional.warp import ARRAY_MODES, PIL_MODES
from .geometry import Fill, _fill_for
from .sample import Leaf, common_size
from .transform import Transform, size_before

__all__ = ["ElasticTransform", "GridDistortion", "RandomAffine", "RandomPerspective", "RandomRotation"]


@dataclass(frozen=True, eq=False)
class RandomRotation(Transform):
    """Turns every leaf by a random angle; `functional.rotate` explains the arguments.

    Args:
        degrees: bounds of the angle, counter-clockwise; one number d for (-d, d).
        interpolation: "nearest", "bilinear"; for PIL images also "bicubic".
        expand: enlarge the canvas so that it holds the whole image. Not for jax arrays, whose shape cannot depend on
            what is drawn.
        center: (x, y) in pixels; None for the middle.
        fill: see `RandomCrop`; None is explained in `functional.affine`.
    """

    degrees: float | Sequence[float]
    interpolation: str = "nearest"
    expand: bool = False
    center: Sequence[float] | None = None
    fill: Fill | None = 0

    def __post_init__(self) -> None:
        _angles(self.degrees)
        _check_interpolation(self.interpolation)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The angle in degrees."""
        return {"angle": random.uniform(*_angles(self.degrees))}

    def apply(self, leaf: Leaf, *, angle: Any, **params: Any) -> Any:
        """The leaf, turned by the angle."""
        return F.rotate(leaf, angle, self.interpolation, self.expand, self.center, _fill_or_none(self.fill, leaf))

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, angle: Any, **params: Any) -> Any:
        """The leaf, turned back."""
        fill = _fill_or_none(self.fill, leaf)
        if not self.expand:
            return F.rotate(leaf, -angle, self.interpolation, False, self.center, fill)
        if self.center is not None:
            raise ValueError(f"{self!r} enlarges the canvas around a centre of its own, and has no inverse")
        return F.center_crop(F.rotate(leaf, -angle, self.interpolation, True, None, fill), size_before(self, before))


@dataclass(frozen=True, eq=False)
class RandomAffine(Transform):
    """Shears, scales, turns and translates every leaf at random; `functional.affine` explains the arguments.

    Args:
        degrees: bounds of the angle, clockwise; one number d for (-d, d).
        translate: largest translation along x and along y, as shares of width and height; None for none.
        scale: bounds of the factor; None for 1.
        shear: bounds along x, (low, high); or along x and y, (low, high, low, high); one number s for (-s, s).
        interpolation: as in `RandomRotation`.
        fill: as in `RandomRotation`.
        center: as in `RandomRotation`.
    """

    degrees: float | Sequence[float]
    translate: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    shear: float | Sequence[float] | None = None
    _: KW_ONLY
    interpolation: str = "nearest"
    fill: Fill | None = 0
    center: Sequence[float] | None = None

    def __post_init__(self) -> None:
        _angles(self.degrees)
        _check_interpolation(self.interpolation)
        if self.translate is not None and not (len(self.translate) == 2 and all(0 <= t <= 1 for t in self.translate)):
            raise ValueError(f"translate={self.translate!r} must be two shares from 0 to 1")
        if self.scale is not None and not (len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1]):
            raise ValueError(f"scale={self.scale!r} must be (low, high) with 0 < low <= high")
        if isinstance(self.shear, Sequence) and len(self.shear) not in (2, 4):
            raise ValueError(f"shear={self.shear!r} must be a number, or two or four bounds")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Angle and shear in degrees, translation in whole pixels, and scale."""
        height, width = common_size(sample)
        shares = self.translate or (0, 0)
        limits = shares[0] * width, shares[1] * height
        low, high = self.scale or (1.0, 1.0)
        bounds = self.shear if isinstance(self.shear, Sequence) else (-(self.shear or 0.0), self.shear or 0.0)
        bounds = (*bounds, 0.0, 0.0)[:4]
        return {
            "angle": random.uniform(*_angles(self.degrees)),
            "translate": random.xp.stack([random.xp.round(random.uniform(-limit, limit)) for limit in limits]),
            "scale": random.uniform(low, high),
            "shear": random.xp.stack([random.uniform(bounds[0], bounds[1]), random.uniform(bounds[2], bounds[3])]),
        }

    def apply(self, leaf: Leaf, *, angle: Any, translate: Any, scale: Any, shear: Any, **params: Any) -> Any:
        """The moved leaf."""
        return F.affine(
            leaf, angle, translate, scale, shear, self.interpolation, fill=_fill_or_none(self.fill, leaf),
            center=self.center,
        )

    def invert(
        self, leaf: Leaf, before: tuple[int, int] | None, *, angle: Any, translate: Any, scale: Any, shear: Any,
        **params: Any,
    ) -> Any:
        """The leaf after the inverse map."""
        height, width = F.get_size(leaf)
        center = (width * 0.5, height * 0.5) if self.center is None else self.center
        matrix = inverse_affine(center, angle, translate, scale, shear, inverted=False)
        return F.perspective(
            leaf, None, None, self.interpolation, fill=_fill_or_none(self.fill, leaf),
            coefficients=[*matrix, 0.0, 0.0],
        )


@dataclass(frozen=True, eq=False)
class RandomPerspective(Transform):
    """Moves the four corners of every leaf inwards at random, with probability `p`.

    Args:
        distortion_scale: how far, from 0 to 1; at 1 a corner may reach the middle.
        p: probability.
        interpolation: as in `RandomRotation`.
        fill: as in `RandomRotation`.

    An image of a single row or column stays as it is.
    """

    distortion_scale: float = 0.5
    p: float = 0.5
    interpolation: str = "bilinear"
    fill: Fill | None = 0

    def __post_init__(self) -> None:
        _check_interpolation(self.interpolation)
        if not 0 <= self.distortion_scale <= 1:
            raise ValueError(f"distortion_scale={self.distortion_scale} must be from 0 to 1")
        check_probability(self.p)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The coefficients of `functional.perspective`, those of the identity if it is not applied."""
        xp = random.xp
        height, width = common_size(sample)
        identity = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
        if min(height, width) == 1:
            return {"coefficients": xp.asarray(identity)}
        rows, columns = (int(self.distortion_scale * (length // 2)) + 1 for length in (height, width))
        start = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
        offsets = [xp.stack([xp.asarray(random.integer(columns)), xp.asarray(random.integer(rows))]) for _ in start]
        end = start + inwards * xp.stack(offsets).astype(np.float32)
        dtype = np.float64 if xp is np else np.float32
        coefficients = homography(xp.asarray(start).astype(dtype), end.astype(dtype)).astype(np.float32)
        return {"coefficients": xp.where(random.uniform(0, 1) < self.p, coefficients, identity)}

    def apply(self, leaf: Leaf, *, coefficients: Any, **params: Any) -> Any:
        """The leaf after the perspective transform."""
        coefficients = _as_drawn(coefficients)
        return F.perspective(
            leaf, None, None, self.interpolation, fill=_fill_or_none(self.fill, leaf), coefficients=coefficients
        )

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, coefficients: Any, **params: Any) -> Any:
        """The leaf after the inverse perspective."""
        return F.perspective(
            leaf, None, None, self.interpolation, fill=_fill_or_none(self.fill, leaf),
            coefficients=inverse_coefficients(_as_drawn(coefficients)),
        )


@dataclass(frozen=True, eq=False)
class ElasticTransform(Transform):
    """Displaces every pixel by smooth noise (Simard et al. 2003); `functional.elastic` explains the rest.

    Args:
        alpha: strength in pixels, or (along x, along y).
        sigma: standard deviation in pixels of the Gaussian that smooths the noise, or (along x, along y).
        interpolation: "nearest" or "bilinear".
        fill: as in `RandomRotation`.
    """

    alpha: float | Sequence[float] = 50.0
    sigma: float | Sequence[float] = 5.0
    interpolation: str = "bilinear"
    fill: Fill | None = 0

    def __post_init__(self) -> None:
        _check_interpolation(self.interpolation, ARRAY_MODES)
        if min(_pair(self.sigma, "sigma")) < 0:
            raise ValueError(f"sigma={self.sigma!r} must not be negative")
        _pair(self.alpha, "alpha")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The displacement, `[1, height, width, 2]`."""
        size = height, width = common_size(sample)
        parts = []
        sigmas = _pair(self.sigma, "sigma")
        for strength, sigma, length in zip(_pair(self.alpha, "alpha"), sigmas, (width, height)):
            noise = random.uniform(-1, 1, size).astype(np.float32)
            if sigma > 0:
                taps = int(8 * sigma + 1) | 1  # as in torchvision, an odd number, the same for both axes
                for axis, spread in ((1, sigmas[0]), (0, sigmas[1])):
                    noise = _smoothed(random.xp, noise, axis, taps, spread)
            parts.append(noise * np.float32(strength / length))
        return {"displacement": random.xp.stack(parts, -1)[None]}

    def apply(self, leaf: Leaf, *, displacement: Any, **params: Any) -> Any:
        """The displaced leaf."""
        return F.elastic(leaf, displacement, self.interpolation, fill=_fill_or_none(self.fill, leaf))


@dataclass(frozen=True, eq=False)
class GridDistortion(Transform):
    """Moves the lines of a grid at random, and stretches what lies between them; see `functional.grid_distortion`.

    Args:
        num_steps: number of cells along each side.
        distort_limit: how much narrower or wider a cell may become before all are brought to the size of the image,
            as a share, below 1.
        interpolation: "nearest" or "bilinear".
        fill: as in `RandomRotation`.
    """

    num_steps: int = 5
    distort_limit: float = 0.3
    interpolation: str = "bilinear"
    fill: Fill | None = 0

    def __post_init__(self) -> None:
        _check_interpolation(self.interpolation, ARRAY_MODES)
        if self.num_steps < 1 or not 0 <= self.distort_limit < 1:
            raise ValueError(
                f"num_steps={self.num_steps} must be at least 1, and distort_limit={self.distort_limit} from 0 to 1"
            )

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Where the lines of the output lie in the input, from 0 to 1."""
        return {"along_x": self._lines(random), "along_y": self._lines(random)}

    def apply(self, leaf: Leaf, *, along_x: Any, along_y: Any, **params: Any) -> Any:
        """The distorted leaf."""
        return F.grid_distortion(leaf, along_x, along_y, self.interpolation, fill=_fill_or_none(self.fill, leaf))

    def invert(
        self, leaf: Leaf, before: tuple[int, int] | None, *, along_x: Any, along_y: Any, **params: Any
    ) -> Any:
        """The leaf with the lines moved back."""
        fill = _fill_or_none(self.fill, leaf)
        return F.grid_distortion(leaf, along_x, along_y, self.interpolation, fill=fill, inverted=True)

    def _lines(self, random: Random) -> Any:
        xp = random.xp
        limit = self.distort_limit
        ends = xp.cumsum(1 + random.uniform(-limit, limit, (self.num_steps,))).astype(np.float32)
        return xp.concatenate([xp.zeros(1, np.float32), ends / ends[-1]])


def _as_drawn(coefficients: Any) -> Any:
    """The coefficients as `draw` returned them, before they went through JSON."""
    return np.asarray(coefficients, np.float32) if isinstance(coefficients, list | tuple) else coefficients


def _smoothed(xp: Any, noise: Any, axis: int, taps: int, sigma: float) -> Any:
    """The noise convolved with a Gaussian along one axis; the border is mirrored."""
    if sigma == 0:
        return noise
    radius, length = taps // 2, noise.shape[axis]
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    border = [(0, 0), (0, 0)]
    border[axis] = (radius, radius)
    padded = xp.pad(noise, border, mode="reflect")
    rows = [padded[k : k + length] if axis == 0 else padded[:, k : k + length] for k in range(taps)]
    return sum((row * weight for row, weight in zip(rows, weights)), start=xp.zeros_like(noise))


def _pair(value: float | Sequence[float], name: str) -> tuple[float, float]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) not in (1, 2):
        raise ValueError(f"{name}={value!r} must be a number, or two")
    return values[0], values[-1]


def _angles(degrees: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(degrees, Sequence):
        if len(degrees) != 2 or degrees[0] > degrees[1]:
            raise ValueError(f"degrees={degrees!r} must be a number, or (low, high)")
        return degrees[0], degrees[1]
    if degrees < 0:
        raise ValueError(f"degrees={degrees!r} must not be negative: it stands for (-degrees, degrees)")
    return -degrees, degrees


def _check_interpolation(interpolation: str, modes: Iterable[str] = PIL_MODES) -> None:
    if option_value(interpolation) not in modes:
        raise ValueError(f"interpolation={interpolation!r} is not one of {', '.join(map(repr, modes))}")


def _fill_or_none(fill: Fill | None, leaf: Leaf) -> Any:
    return None if fill is None else _fill_for(fill, leaf)
