"""The CPU lowerings of convolutions, their gradients and JAX's transformations, against a reference and `lax`."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from funcvision import functional as F
from funcvision.functional._conv import cpu, primitives, xla
from funcvision.functional._conv.cpu import choose, cost_model, kernel_rows, shift_add, winograd
from funcvision.functional._conv.cpu.windows import split_batch
from funcvision.functional._conv.geometry import Geometry


def case(x, w, stride=1, padding=0, dilation=1, groups=1):
    axes = len(x) - 2
    stride, padding, dilation = (v if isinstance(v, tuple) else (v,) * axes for v in (stride, padding, dilation))
    pads = tuple(p if isinstance(p, tuple) else (p, p) for p in padding)
    return x, w, Geometry(x[1:-1], w[:-2], stride, pads, dilation, groups)


CASES = [
    # kernels of one element
    case((3, 7, 6, 4), (1, 1, 4, 5)),
    case((2, 7, 6, 4), (1, 1, 4, 5), (2, 3)),
    case((2, 7, 4), (1, 4, 5), 2),
    case((2, 3, 4, 5, 2), (1, 1, 1, 2, 3), (1, 2, 2)),
    case((2, 5, 6, 4), (1, 1, 4, 5), 1, 1),
    # dense
    case((2, 7, 9, 4), (3, 3, 4, 6), 1, 1),
    case((2, 7, 9, 16), (3, 3, 16, 6), 2, 1),
    case((1, 8, 7, 3), (5, 3, 3, 2), (2, 3), (2, 0)),
    case((1, 9, 8, 17), (5, 3, 17, 2), (2, 3), (2, 0)),
    case((3, 9, 8, 16), (3, 2, 16, 5), 1, ((2, 1), (0, 3)), (2, 3)),
    case((3, 9, 8, 16), (3, 2, 16, 5), 2, 1, (1, 2)),
    case((2, 8, 8, 16), (2, 2, 16, 4), 2),
    case((2, 9, 10, 16), (2, 2, 16, 4), 3),  # some pixels meet no kernel position
    case((2, 9, 10, 16), (3, 3, 16, 4), 2, ((-1, 2), (3, -1))),
    case((2, 4, 5, 6, 4), (3, 2, 3, 4, 3), (1, 2, 2), (1, 0, 1)),
    case((2, 5, 12, 16), (3, 3, 16, 5)),  # no padding: the image gets an extra column
    case((2, 6, 25, 16), (3, 2, 16, 5), 2, 0, (1, 3)),
    case((2, 16, 16), (4, 16, 5), (1,)),
    # kernels larger than the image, outputs larger than the image
    case((2, 2, 2, 8), (3, 3, 8, 8), 1, 1),
    case((2, 1, 1, 3), (3, 3, 3, 4), 2, 1),
    case((2, 4, 4, 3), (3, 3, 3, 4), 1, 2),
    case((2, 4, 3, 2), (2, 3, 2, 3), 2, 1),  # jax 0.10.2: the transpose by `lax` crashes the process
    # kernels that mostly meet the padding
    case((3, 5, 6, 16), (3, 3, 16, 2), 1, 4, 4),
    case((3, 5, 6, 16), (3, 2, 16, 2), 2, (5, 3), (4, 6)),
    case((3, 1, 1, 8), (2, 2, 8, 1), 1, 2, 4),  # only the padding
    # few pixels, many channels
    case((2, 3, 3, 4), (3, 3, 4, 20), 1, 1),
    case((1, 4, 3, 16), (3, 2, 16, 16), 1, (2, 1), (2, 1)),
    case((1, 6, 4, 7), (3, 3, 7, 18), 2, 1),
    # groups
    case((2, 6, 7, 8), (3, 3, 2, 12), (1, 2), 1, 1, 4),
    case((2, 6, 7, 6), (2, 3, 3, 4), 2, 1, (1, 2), 2),
    case((2, 6, 7, 48), (3, 3, 8, 12), 2, 1, 1, 6),  # few channels; weight_gradient merges two groups
    case((2, 4, 3, 130), (3, 3, 2, 195), 1, 1, 1, 65),  # few channels; weight_gradient merges five groups
    case((2, 6, 5, 48), (5, 4, 4, 36), 1, 2, 1, 12),  # four groups merged in one
    case((1, 4, 3, 1072), (2, 2, 16, 67), 1, 1, 1, 67),  # a loop over the groups
    case((2, 5, 4, 6), (1, 1, 3, 4), 1, 0, 1, 2),
    case((3, 9, 4), (3, 2, 6), 2, 1, 1, 2),
    case((2, 2, 1, 8), (3, 3, 2, 12), 1, 1, 1, 4),  # a kernel larger than the image
    case((1, 3, 4, 8), (3, 2, 4, 32), (1, 2), 1, (1, 2), 2),  # few pixels, many channels
    # depthwise
    case((2, 7, 9, 4), (3, 3, 1, 4), 1, 1, 1, 4),
    case((2, 7, 8, 3), (3, 5, 1, 6), 2, (1, 2), 1, 3),
    case((1, 9, 8, 3), (2, 3, 1, 3), (1, 2), ((0, 1), (3, 2)), (2, 1), 3),
    case((2, 1, 1, 3), (1, 1, 1, 3), 1, 0, 1, 3),
    case((2, 9, 4), (4, 1, 4), 1, 2, 1, 4),
    case((1, 12, 13, 3), (9, 8, 1, 3), (1, 2), 4, 1, 3),  # too large to be unrolled
    case((1, 4, 5, 4, 2), (3, 2, 3, 1, 2), 1, 1, 1, 2),
]
CLIPS = [  # three axes
    # kernels of one frame
    case((2, 3, 7, 6, 4), (1, 3, 3, 4, 5), 1, (0, 1, 1)),
    case((2, 5, 7, 6, 4), (1, 3, 2, 4, 5), (2, 2, 1), (1, 1, 0)),
    case((2, 5, 7, 6, 4), (1, 3, 3, 2, 6), (3, 1, 2), ((-1, 1), (1, 1), (1, 1)), (1, 2, 1), 2),
    case((2, 4, 7, 6, 4), (1, 3, 3, 1, 4), 1, (0, 1, 1), 1, 4),
    # kernels of one pixel
    case((2, 5, 4, 3, 6), (3, 1, 1, 6, 4), 1, (1, 0, 0)),
    case((2, 7, 4, 5, 6), (3, 1, 1, 6, 4), (2, 1, 2), (1, 0, 1), (2, 1, 1)),
    case((1, 8, 5, 4, 6), (4, 1, 1, 3, 4), (2, 3, 2), ((2, 0), (-1, 1), (0, 0)), 1, 2),
    case((2, 5, 4, 3, 6), (3, 1, 1, 1, 6), 1, (1, 0, 0), 1, 6),
    # one pixel of one frame
    case((2, 3, 4, 5, 6), (1, 1, 1, 2, 6), (2, 1, 2), (1, 0, 1), 1, 3),
    # all axes
    case((2, 5, 9, 8, 16), (3, 3, 3, 16, 6), 1, 1),
    case((2, 5, 9, 8, 16), (3, 3, 3, 16, 6), (1, 2, 2), 1),
    case((2, 5, 9, 8, 3), (3, 3, 3, 3, 24), (2, 1, 2), (1, 2, 0)),  # frames side by side
    case((2, 6, 9, 8, 16), (2, 3, 3, 16, 6), (2, 2, 2), ((1, 0), (1, 1), (2, 1)), 1),
    case((2, 7, 9, 8, 16), (3, 2, 3, 16, 4), 1, (2, 1, 0), (2, 1, 3)),
    case((1, 7, 9, 8, 16), (3, 2, 3, 16, 4), (3, 2, 1), (2, 1, 2), (2, 2, 1)),
    case((1, 4, 9, 8, 16), (2, 3, 3, 16, 4), 1, ((-1, 1), (1, 1), (1, -1))),
    case((2, 3, 6, 7, 48), (3, 3, 3, 16, 36), (2, 1, 1), 1, 1, 3),
    case((1, 3, 6, 7, 32), (2, 2, 3, 4, 24), (1, 2, 2), 1, 1, 8),
    case((1, 3, 17, 16, 4), (3, 3, 3, 1, 4), 1, 1, 1, 4),
    case((2, 3, 9, 10, 4), (3, 3, 3, 1, 4), (1, 4, 4), 1, 1, 4),
    case((1, 5, 9, 10, 4), (3, 3, 3, 1, 4), (1, 2, 2), (2, 2, 2), (2, 2, 2), 4),
]
CASES += CLIPS
CHUNKED = [  # (number of chunks of groups, case)
    (2, case((2, 7, 6, 96), (7, 7, 1, 96), 1, 3, 1, 96)),
    (2, case((1, 9, 8, 64), (5, 9, 1, 128), 2, (2, (3, 4)), 1, 64)),
    (2, case((1, 6, 5, 192), (3, 5, 3, 128), (1, 2), 2, (2, 1), 64)),
    (5, case((2, 9, 1000), (13, 1, 1000), 1, 6, 1, 1000)),
    (1, case((1, 7, 6, 100), (7, 7, 1, 100), 1, 3, 1, 100)),  # 100 channels are no multiple of a vector
    (1, case((1, 7, 6, 128), (3, 3, 8, 128), 1, 1, 1, 16)),  # eight channels in a group
]
CASES += [one for _, one in CHUNKED]
SMALL = {  # one of each kind, to test transformations
    "pointwise": case((2, 3, 3, 4), (1, 1, 4, 2), 2),
    "dense": case((2, 4, 3, 2), (2, 2, 2, 3), 1, 1),
    "large kernel": case((2, 2, 2, 2), (3, 3, 2, 3), 1, 1),
    "small image": case((2, 2, 2, 3), (2, 2, 3, 2), 1, 0),
    "strided": case((2, 4, 3, 16), (2, 2, 16, 1), 2, 1),
    "grouped": case((2, 4, 3, 4), (2, 2, 2, 4), 2, 1, 1, 2),
    "depthwise": case((2, 4, 3, 2), (2, 2, 1, 2), 2, 1, 1, 2),
    "one frame": case((2, 3, 3, 2, 2), (1, 2, 2, 2, 2), (2, 1, 1), (0, 1, 1)),
    "one pixel": case((2, 3, 2, 2, 2), (2, 1, 1, 2, 3), (2, 1, 1), (1, 0, 0)),
    "frames": case((2, 3, 3, 3, 8), (2, 2, 2, 8, 2), 1, ((1, 0), (0, 0), (0, 0))),
}
every_kind = pytest.mark.parametrize(("x", "w", "geometry"), SMALL.values(), ids=SMALL.keys())


def ours(x, w, geometry):
    return primitives._bind(primitives._value)(x, w, geometry=geometry)


def theirs(x, w, geometry):
    return xla.value(x, w, geometry=geometry)


def draw(seed, *shapes, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


def operands(x, w, geometry, dtype="float32"):
    return draw(0, x, w, x, w, (x[0], *geometry.out, w[-1]), dtype=dtype)


def assert_close(ours, theirs, rtol=2e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max(initial=1e-12))


def derivatives(function, geometry):
    """Value, tangent and both gradients, compiled together."""

    def compute(x, w, dx, dw, cotangent):
        f = lambda x, w: function(x, w, geometry)
        y, pullback = jax.vjp(f, x, w)
        return y, jax.jvp(f, (x, w), (dx, dw))[1], pullback(cotangent)

    return jax.jit(compute)


def reference(arrays, geometry):
    """Value, tangent and gradients as sums over kernel positions, in numpy; `lax` crashes the process on some cases."""
    x, w, dx, dw, ct = (np.asarray(a, np.float64) for a in arrays)

    def windows(images):
        pads = [(max(p, 0), max(q, 0)) for p, q in geometry.padding]
        padded = np.pad(images, [(0, 0), *pads, (0, 0)])
        ends = zip(geometry.padding, padded.shape[1:-1], strict=True)
        cut = tuple(slice(max(-p, 0), n - max(-q, 0)) for (p, q), n in ends)
        return padded, cut

    def positions():
        return itertools.product(*map(range, geometry.kernel))

    def slices(at):
        steps = zip(at, geometry.dilation, geometry.out, geometry.strides, strict=True)
        return tuple(slice(a * d, a * d + (n - 1) * s + 1, s) for a, d, n, s in steps)

    def grouped(a):
        return a.reshape(*a.shape[:-1], geometry.groups, -1)

    def value(images, kernel):
        padded, cut = windows(images)
        inner = padded[(slice(None), *cut)]
        total = 0
        for at in positions():
            matrix = kernel[at].reshape(kernel.shape[-2], geometry.groups, -1)
            total = total + np.einsum("...gi,igo->...go", grouped(inner[(slice(None), *slices(at))]), matrix)
        return total.reshape(*total.shape[:-2], -1)

    padded, cut = windows(x)
    inner, back = padded[(slice(None), *cut)], np.zeros_like(padded)
    gradient = np.zeros_like(w)
    for at in positions():
        where = (slice(None), *slices(at))
        pixels, cotangents = (grouped(a).reshape(-1, *grouped(a).shape[-2:]) for a in (inner[where], ct))
        each = np.einsum("pgi,pgo->igo", pixels, cotangents)
        gradient[at] = each.reshape(gradient.shape[-2:])
        matrix = w[at].reshape(w.shape[-2], geometry.groups, -1)
        spread = np.einsum("...go,igo->...gi", grouped(ct), matrix)
        back[(slice(None), *cut)][where] += spread.reshape(*spread.shape[:-2], -1)
    whole = tuple(slice(max(p, 0), max(p, 0) + n) for (p, _), n in zip(geometry.padding, geometry.size, strict=True))
    return value(x, w), value(dx, w) + value(x, dw), (back[(slice(None), *whole)], gradient)


@pytest.mark.parametrize(("x", "w", "geometry"), CASES)
def test_equals_the_reference(x, w, geometry):
    arrays = operands(x, w, geometry)
    expected = jax.tree.map(lambda a: a.astype(np.float32), reference(arrays, geometry))
    assert_close(derivatives(ours, geometry)(*arrays), expected)


@pytest.mark.parametrize(("chunks", "one"), CHUNKED)
def test_number_of_chunks(chunks, one):
    *shapes, geometry = one
    image, weight = (jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)
    assert shift_add._number_of_chunks(image, weight, geometry) == chunks


DENSE = [(x, w, geometry) for x, w, geometry in CASES if geometry.groups == 1]


@pytest.mark.parametrize(("x", "w", "geometry"), DENSE)
def test_kernel_rows_in_blocks(x, w, geometry, monkeypatch):
    """Blocks of one, two and all images. Of three images, the second block of two has only one."""
    def gradient_in_blocks(images, x, y):
        monkeypatch.setattr(kernel_rows, "split_batch", lambda array, *_: split_batch(array, images))
        return kernel_rows.weight_gradient(x, y, geometry)

    arrays = operands(x, w, geometry)
    _, _, (_, gradient) = reference(arrays, geometry)
    found = jax.jit(lambda x, y: [gradient_in_blocks(images, x, y) for images in (1, 2, 8)])(arrays[0], arrays[4])
    assert_close(found, [gradient.astype(np.float32)] * 3)


WINOGRAD = [
    case((5, 7, 9, 5), (3, 3, 5, 6), 1, 1),
    case((3, 6, 4, 2), (3, 3, 2, 3)),
    case((1, 3, 3, 2), (3, 3, 2, 2), 1, ((2, 0), (1, 3))),
    case((2, 9, 10, 3), (3, 3, 3, 2), 1, ((-1, 2), (3, -2))),
]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize(("x", "w", "geometry"), WINOGRAD)
@pytest.mark.parametrize("block", ["all images", "two images", "two rows of tiles", "less than a row"])
def test_winograd_split_batch(x, w, geometry, block, size, monkeypatch):
    rows, columns = (-(-n // size) for n in geometry.out)
    row = (size + 2) ** 2 * columns * (x[-1] + w[-1]) * 4
    limit = {"all images": 1 << 24, "two images": 2 * rows * row, "two rows of tiles": 2 * row, "less than a row": 1}
    monkeypatch.setattr(winograd, "_MAX_BLOCK_BYTES", limit[block])
    arrays = operands(x, w, geometry)
    y, _, (_, gradient) = reference(arrays, geometry)

    @jax.jit
    def compute(x, w, cotangent):
        return winograd.value(x, w, geometry, size), winograd.weight_gradient(x, cotangent, geometry, size)

    assert_close(compute(*arrays[:2], arrays[4]), (y.astype(np.float32), gradient.astype(np.float32)))


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize(("x", "w", "geometry"), WINOGRAD)
def test_winograd_and_its_derivatives(x, w, geometry, size, monkeypatch):
    monkeypatch.setattr(cost_model.Costs, "tile_size", lambda *sizes: size)
    with jax.enable_x64(True):
        arrays = operands(x, w, geometry, "float64")
        assert_close(derivatives(ours, geometry)(*arrays), reference(arrays, geometry), rtol=1e-12)


def test_winograd_where_it_is_chosen():
    """It is not chosen for few tiles, because transforming the weight costs the same for any number of tiles."""
    x, w, geometry = case((8, 28, 27, 64), (3, 3, 64, 96), 1, 1)
    assert cost_model.VALUE.tile_size(8, 64, 96, geometry) == 4
    assert cost_model.VALUE.tile_size(8, 96, 64, geometry) == 4  # the gradient with respect to the input
    assert cost_model.WEIGHT_GRADIENT.tile_size(8, 64, 96, geometry) == 4
    assert cost_model.VALUE.tile_size(8, 16, 96, geometry) == 1
    assert cost_model.VALUE.tile_size(1, 256, 256, geometry._replace(size=(14, 14))) == 2
    assert cost_model.VALUE.tile_size(1, 512, 512, geometry._replace(size=(7, 7))) == 1
    arrays = operands(x, w, geometry)
    assert_close(derivatives(ours, geometry)(*arrays), derivatives(theirs, geometry)(*arrays))


def test_winograd_for_frames():
    """Each input frame is convolved once, for all frames of the kernel, and the gradients likewise."""
    x, w, geometry = case((1, 5, 28, 27, 64), (3, 3, 3, 64, 64), 1, (2, 1, 1), (2, 1, 1))
    for costs in (cost_model.VALUE, cost_model.WEIGHT_GRADIENT):
        assert choose._prefers_winograd_for_frames(costs, 64, 64, 1, geometry)
        assert not choose._prefers_winograd_for_frames(costs, 64, 64, 1, geometry._replace(strides=(2, 1, 1)))
        assert not choose._prefers_winograd_for_frames(costs, 16, 64, 1, geometry)
    arrays = operands(x, w, geometry)
    assert_close(derivatives(ours, geometry)(*arrays), derivatives(theirs, geometry)(*arrays))


def test_clips_become_images():
    """Value and both gradients of convolutions of clips are lowered without an operation over three axes."""
    for x, w, geometry in CLIPS:
        both = lambda x, w, geometry=geometry: jax.vjp(lambda x, w: ours(x, w, geometry), x, w)[1](ours(x, w, geometry))
        lines = lowered("cpu", both, x, w).splitlines()
        layouts = [line for line in lines if "stablehlo.convolution" in line and "[b, 0, 1, 2, f]" in line]
        assert not layouts, (x, w, geometry)


@pytest.mark.parametrize(("x", "w", "geometry"), [CASES[i] for i in (1, 5, 10, 15, 23, 25, 33)])
def test_equals_lax(x, w, geometry):
    arrays = operands(x, w, geometry)
    assert_close(derivatives(ours, geometry)(*arrays), derivatives(theirs, geometry)(*arrays))


@pytest.mark.parametrize(("x", "w", "geometry"), [*SMALL.values(), CASES[14]])
def test_float64(x, w, geometry):
    with jax.enable_x64(True):
        arrays = operands(x, w, geometry, "float64")
        assert_close(derivatives(ours, geometry)(*arrays), reference(arrays, geometry), rtol=1e-12)


@every_kind
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_rounded_once(x, w, geometry, dtype):
    arrays = operands(x, w, geometry, dtype)
    exact = reference([a.astype(jnp.float32) for a in arrays], geometry)
    y, tangent, gradients = derivatives(ours, geometry)(*arrays)
    once = float(jnp.finfo(dtype).eps)
    for result, expected, roundings in zip(
        (y, tangent, *gradients), (*exact[:2], *exact[2]), (1, 3, 1, 1), strict=True  # a tangent is a sum of two
    ):
        assert result.dtype == dtype
        assert_close(result.astype(jnp.float32), expected.astype(np.float32), rtol=once / 2 * roundings * 1.01)


@pytest.mark.parametrize(("w", "groups"), [((1, 1, 4, 2), 1), ((1, 1, 2, 2), 2), ((1, 1, 1, 4), 4)])
def test_half_precision_accumulates_in_float32(w, groups):
    x, w, geometry = case((6, 8, 8, 4), w, groups=groups)
    f = lambda w: ours(jnp.ones(x, jnp.bfloat16), w, geometry)
    gradient = jax.grad(lambda w: f(w).astype(jnp.float32).sum())(jnp.ones(w, jnp.bfloat16))
    assert (gradient == 384).all()  # in bfloat16, 256 + 1 is 256


@every_kind
def test_eager_equals_jit(x, w, geometry):
    x, w = draw(1, x, w)
    compiled = jax.jit(ours, static_argnums=2)(x, w, geometry)
    np.testing.assert_allclose(ours(x, w, geometry), compiled, rtol=1e-6, atol=1e-6)


@every_kind
def test_second_derivatives(x, w, geometry):
    x, w = draw(2, (1, *x[1:]), w)

    def hessian(function):
        f = lambda x, w: jnp.sum(jnp.sin(function(x, w, geometry)))
        return jax.jit(lambda *a: (jax.hessian(f, 1)(*a), jax.jacrev(jax.grad(f, 1), 0)(*a)))(x, w)

    assert_close(hessian(ours), hessian(theirs))


@every_kind
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (2, 1), (3, 3)])
def test_vmap(x, w, geometry, axes):
    shapes = [s if a is None else (*s[:a], 3, *s[a:]) for s, a in zip((x, w), axes, strict=True)]
    arrays = list(map(np.asarray, draw(3, *shapes)))

    def compute(function):
        f = lambda x, w: function(x, w, geometry)
        gradient = jax.grad(lambda x, w: jnp.sum(jnp.sin(f(x, w))), (0, 1))
        return lambda x, w: (f(x, w), gradient(x, w))

    batched = jax.jit(jax.vmap(compute(ours), axes))(*arrays)
    single = lambda i: [a if axis is None else a.take(i, axis) for a, axis in zip(arrays, axes, strict=True)]
    unbatched = jax.jit(compute(theirs))
    assert_close(batched, jax.tree.map(lambda *a: np.stack(a), *(unbatched(*single(i)) for i in range(3))))


@every_kind
def test_gradients_under_vmap(x, w, geometry):
    """Gradients of which only one operand is mapped."""
    x, w, ct, cts = draw(4, x, w, (x[0], *geometry.out, w[-1]), (3, x[0], *geometry.out, w[-1]))
    pull = lambda function, x, ct: jax.vjp(lambda x, w: function(x, w, geometry), x, w)[1](ct)

    @functools.partial(jax.jit, static_argnums=0)
    def mapped(function):
        by_cotangent = jax.vmap(lambda c: pull(function, x, c))(cts)
        return by_cotangent, jax.vmap(lambda x: pull(function, x, ct))(jnp.stack([x, 2 * x, x - 1]))

    assert_close(mapped(ours), mapped(theirs))


def test_checkpoint_and_scan():
    x, w, geometry = SMALL["dense"]
    x, w = draw(5, x, (*w[:-1], w[-2]))
    geometry = geometry._replace(size=(3, 2), kernel=(1, 1), padding=((0, 0),) * 2)
    x, w = x[:, :3, :2], w[:1, :1]

    def loss(function):
        layer = jax.checkpoint(lambda x: jnp.sin(function(x, w, geometry)))
        return jax.grad(lambda x: jax.lax.scan(lambda x, _: (layer(x), None), x, None, length=3)[0].sum())(x)

    assert_close(loss(ours), loss(theirs))


def lowered(platform, function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    return jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(("x", "w", "geometry"), [SMALL["pointwise"], SMALL["depthwise"]])
def test_lowering_by_platform(x, w, geometry):
    """The platform of the compilation decides, not that of the tracing. GPUs and TPUs get the operations of `lax`."""
    gradient = lambda f: lambda x, w: jax.grad(lambda x, w: jnp.sum(f(x, w, geometry) ** 2), (0, 1))(x, w)
    operations = lambda platform, f: sorted(
        line.split("= stablehlo.")[1].split("(")[0] for line in lowered(platform, gradient(f), x, w).splitlines()
        if "= stablehlo.convolution" in line
    )
    assert operations("cpu", ours) == []
    for platform in ("cuda", "tpu"):
        assert operations(platform, ours) == operations(platform, theirs) != []


def test_precision_of_the_context_reaches_an_accelerator():
    def f(x, w):
        with jax.default_matmul_precision("highest"):
            return F.conv2d(x, w)

    text = lowered("cuda", f, (1, 4, 4, 2), (3, 3, 2, 2))
    assert "HIGHEST" in next(line for line in text.splitlines() if "stablehlo.convolution" in line)
    assert "HIGHEST" not in lowered("cuda", F.conv2d, (1, 4, 4, 2), (3, 3, 2, 2))


def test_many_groups_are_a_loop():
    x, w, geometry = next(one for one in CASES if one[2].groups == 67)
    assert "while" in lowered("cpu", lambda x, w: ours(x, w, geometry), x, w)


def test_integers_and_empty_batches():
    x, w = jnp.arange(32).reshape(1, 4, 4, 2), jnp.arange(4).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(F.conv2d(x, w), np.asarray(x) @ np.asarray(w)[0, 0])
    for shape, groups in itertools.product([(1, 1), (3, 3)], (1, 2, 4)):
        y = F.conv2d(jnp.ones((0, 4, 4, 4)), jnp.ones((*shape, 4 // groups, 8)), padding=shape[0] // 2, groups=groups)
        assert y.shape == (0, 4, 4, 8)


@pytest.mark.parametrize(("w", "groups"), [((1, 1, 4, 6), 1), ((3, 3, 1, 4), 4), ((3, 3, 2, 4), 2)])
def test_export_with_symbolic_batch(w, groups):
    f = lambda x, w: F.conv2d(x, w, padding=w.shape[0] // 2, groups=groups)
    x, w = draw(5, (3, 5, 6, 4), w)
    batch, = jax.export.symbolic_shape("batch")
    exported = jax.export.export(jax.jit(f))(jax.ShapeDtypeStruct((batch, 5, 6, 4), "float32"), w)
    assert_close(exported.call(x, w), f(x, w))


@every_kind
def test_sharded(x, w, geometry):
    """A batch sharded over two devices, by the compiler and by `shard_map`."""
    gradient = lambda f: jax.grad(lambda x, w: jnp.sum(jnp.sin(f(x, w))), (0, 1))
    convolve = lambda x, w: primitives.convolve(x, w, *geometry[2:6])
    split, same = PartitionSpec("data"), PartitionSpec()
    arrays = draw(6, x, w)
    expected = gradient(lambda x, w: theirs(x, w, geometry))(*arrays)
    with jax.set_mesh(jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))):
        sharded = [jax.device_put(a, s) for a, s in zip(arrays, (split, same), strict=True)]
        assert_close(jax.tree.map(np.asarray, jax.jit(gradient(convolve))(*sharded)), expected)
        mapped = jax.shard_map(gradient(convolve), in_specs=(split, same), out_specs=(split, same))
        assert_close(jax.tree.map(np.asarray, jax.jit(mapped)(*arrays)), expected)


def test_explicit_sharding():
    with jax.set_mesh(jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))):
        x, w = draw(7, (8, 6, 6, 4), (3, 3, 2, 4))
        replicated = jax.device_put(x, PartitionSpec())
        sharded = jax.device_put(x, PartitionSpec("data"))
        f = jax.jit(lambda x: F.conv2d(x, w, padding=1, groups=2))
        assert_close(np.asarray(f(sharded)), np.asarray(f(replicated)))


def test_depthwise_loop_over_positions(monkeypatch):
    x, w, geometry = SMALL["depthwise"]
    arrays = operands(x, w, geometry)
    monkeypatch.setattr(shift_add, "_MAX_UNROLLED_TAPS", 1)
    value, _, (_, gradient) = reference(arrays, geometry)
    assert_close(cpu.weight_gradient(arrays[0], arrays[4], geometry=geometry), gradient.astype(np.float32))
    assert_close(cpu.value(*arrays[:2], geometry=geometry), value.astype(np.float32))
