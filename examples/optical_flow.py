"""Optical flow with RAFT: of two images, of a video, or of drawn pairs whose true motion is known.

    python examples/optical_flow.py                                     # trains raft_small; nothing is downloaded
    python examples/optical_flow.py one.png two.png --model raft_large --weights DEFAULT
    python examples/optical_flow.py video.mp4 --weights out/raft_small.safetensors

Without files, raft_small is trained on pairs that the training step itself draws: a texture and, in front of it, an
ellipse with another texture, each moved by its own affine map. The mean distance between the estimated and the true
flow (the endpoint error) is printed before and after, for pairs that were not seen in training. The folder --out then
holds a picture of such pairs with both flows, and the weights. Without options, the error is 1.25 pixels after 4
minutes of CPU time; without any motion it would be 5.0.

With two images or a video, the flow is painted: the hue is the direction, the strength of the colour is the speed. Of a
video, it is the flow from each frame to the next, as a video beside the frames.
"""

import argparse
import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import PIL.Image
from tqdm import tqdm

from funcvision import enable_compilation_cache, nn
from funcvision import functional as F
from funcvision.vision import convert, draw, io, metrics, models
from funcvision.vision.transforms.presets import OpticalFlow

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SIZE = 128  # height and width of a drawn image in pixels, the smallest that RAFT takes
SMALLEST = 128  # the smallest side of an image that RAFT takes, in pixels
DETAILS = (4, 8, 16, 32, 64)  # a texture is a sum of noise of these numbers of values along an edge
MOVE, TURN, STRETCH = 6.0, 0.06, 0.05  # of a layer at most: pixels, radians, and change of scale
GAMMA = 0.8  # the weight of the loss of an update, divided by that of the next one (RAFT, section 3.4)
SHOWN = 4  # pairs in the picture


class Pairs(NamedTuple):
    """Pairs of images with the flow from the first to the second.

    Attributes:
        first: [batch, height, width, 3], from -1 to 1.
        second: of the same shape.
        flow: [batch, height, width, 2], x before y, in pixels.
    """

    first: jax.Array
    second: jax.Array
    flow: jax.Array


def drawn_pairs(key: jax.Array, count: int) -> Pairs:
    """Pairs with a moving background and an ellipse that moves differently in front of it.

    Both images take the pixels of the same textures, at places that are the same for the first image, and those before
    the motion for the second. So the true flow is known everywhere, also where the ellipse covers the background.
    """
    keys = jax.random.split(key, 5)
    textures = [_textures(k, count) for k in keys[:2]]
    motions = [_motions(k, count) for k in keys[2:4]]
    place = _places()
    center, radii = jnp.split(jax.random.uniform(keys[4], (count, 4), minval=0.25, maxval=0.75), 2, -1)
    center, radii = SIZE * center[:, None, None], 0.45 * SIZE * radii[:, None, None]

    def look(places: Sequence[jax.Array]) -> jax.Array:
        """The image that has the textures' pixels at these places of the background and of the ellipse."""
        background, front = (F.grid_sample(one, _grid(where), padding_mode="reflection") for one, where in zip(
            textures, places, strict=True
        ))
        return jnp.where(_inside(places[1], center, radii), front, background)

    start = jnp.broadcast_to(place[None], (count, SIZE, SIZE, 2))
    first = look([start, start])
    second = look([_moved(start, jnp.linalg.inv(motion)) for motion in motions])
    flows = [_moved(start, motion) - start for motion in motions]
    return Pairs(first, second, jnp.where(_inside(start, center, radii), flows[1], flows[0]))


def _places() -> jax.Array:
    """The place (x, y) of each pixel, [SIZE, SIZE, 2]."""
    line = jnp.arange(SIZE, dtype=jnp.float32)
    return jnp.stack(jnp.meshgrid(line, line), -1)


def _grid(places: jax.Array) -> jax.Array:
    """Places in pixels, as `grid_sample` takes them: from -1 to 1."""
    return (2 * places + 1) / SIZE - 1


def _inside(places: jax.Array, center: jax.Array, radii: jax.Array) -> jax.Array:
    return jnp.square((places - center) / radii).sum(-1, keepdims=True) < 1


def _textures(key: jax.Array, count: int) -> jax.Array:
    """Coloured noise with coarse and fine details, [count, SIZE, SIZE, 3], from -1 to 1."""
    total = jnp.zeros((count, SIZE, SIZE, 3))
    for number, side in enumerate(DETAILS):
        noise = jax.random.normal(jax.random.fold_in(key, number), (count, side, side, 3))
        total += jax.image.resize(noise, total.shape, "bicubic") * (DETAILS[0] / side) ** 0.5
    return jnp.tanh(0.6 * total)


def _motions(key: jax.Array, count: int) -> jax.Array:
    """Affine maps [count, 3, 3] of places in pixels around the middle of the image, from the first to the second."""
    x, y, turn, stretch = jax.random.uniform(key, (4, count), minval=-1)
    scale, angle = 1 + STRETCH * stretch, TURN * turn
    cos, sin, none, one = scale * jnp.cos(angle), scale * jnp.sin(angle), jnp.zeros(count), jnp.ones(count)
    rows = [[cos, -sin, MOVE * x], [sin, cos, MOVE * y], [none, none, one]]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def _moved(places: jax.Array, motions: jax.Array) -> jax.Array:
    """Places [batch, height, width, 2] moved by maps [batch, 3, 3] around the middle of the image."""
    middle = (SIZE - 1) / 2
    turned = jnp.einsum("bhwj,bij->bhwi", places - middle, motions[:, :2, :2])
    return turned + motions[:, None, None, :2, 2] + middle


def loss_of(flows: jax.Array, truth: jax.Array) -> jax.Array:
    """The mean absolute error of the flows [updates, batch, height, width, 2], later ones with larger weights."""
    weights = GAMMA ** jnp.arange(len(flows) - 1, -1, -1, dtype=jnp.float32)
    return (weights * jnp.abs(flows - truth[None]).mean((1, 2, 3, 4))).sum()


def learn(options: argparse.Namespace) -> float:
    """Trains the model, draws the picture, and returns the endpoint error on drawn pairs, in pixels."""
    model, params, state = build(options)
    rate = optax.warmup_cosine_decay_schedule(0.0, options.lr, max(1, options.steps // 20), options.steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-5))

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, state, moments, key):
        pairs = drawn_pairs(key, options.batch_size)

        def objective(params):
            flows, new_state = model.apply(
                params, state, pairs.first, pairs.second, num_flow_updates=options.updates, train=True
            )
            return loss_of(flows, pairs.flow), new_state

        (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), state, moments, loss

    @jax.jit
    def estimate(params, state, first, second):
        return model.apply(params, state, first, second, num_flow_updates=options.updates, last_only=True)[0]

    metric, draw_test = metrics.EndpointError(), jax.jit(functools.partial(drawn_pairs, count=SHOWN))
    tests = [draw_test(jax.random.key(-1 - i)) for i in range(options.test // SHOWN)]

    def measured(params, state) -> dict[str, float]:
        sums = metric.init()
        for pairs in tests:
            sums = metric.update(sums, estimate(params, state, pairs.first, pairs.second), pairs.flow)
        return {name: float(value) for name, value in metric.compute(sums).items()}

    before = measured(params, state)
    still = np.mean([np.linalg.norm(pairs.flow, axis=-1).mean() for pairs in tests])
    print(f"before: endpoint error {before['epe']:.2f} pixels; that of no motion at all is {still:.2f}")
    moments, key, losses = optimizer.init(params), jax.random.key(options.seed + 1), []
    with tqdm(range(options.steps), unit="step", dynamic_ncols=True) as bar:
        for number in bar:
            params, state, moments, loss = step(params, state, moments, jax.random.fold_in(key, number))
            losses.append(float(loss))
            bar.set_description(f"loss {np.mean(losses[-50:]):.3f}")
    after = measured(params, state)
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    convert.save(out / f"{options.model}.safetensors", model, params, state, overwrite=True)
    picture = out / "flow.png"
    draw_results(picture, tests[0], np.asarray(estimate(params, state, *tests[0][:2])), losses, after["epe"])
    print(
        f"after: endpoint error {after['epe']:.2f} pixels, {after['1px']:.0%} of pixels within 1 pixel, F1-all "
        f"{after['f1']:.1f}%; see {picture}"
    )
    return after["epe"]


def draw_results(path: pathlib.Path, pairs: Pairs, found: np.ndarray, losses: Sequence[float], error: float) -> None:
    """Draws pairs with their true and their estimated flow, and below them the curve of the training."""
    figure = plt.figure(figsize=(11, 13.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(SHOWN, 1))
    rows = above.subplots(SHOWN, 4)
    for axes, name in zip(rows[0], ("first image", "second image", "true flow", "estimated flow"), strict=True):
        axes.set_title(name)
    for axes, first, second, truth, own in zip(rows, pairs.first, pairs.second, pairs.flow, found, strict=True):
        flows = np.asarray(draw.flow_to_image(np.stack([truth, own])))  # in one call, so that colours are comparable
        for one, image in zip(axes, (pixels(first), pixels(second), *flows), strict=True):
            one.imshow(image)
            one.set_axis_off()
    axes = below.subplots()
    axes.plot(losses, color="navy", linewidth=0.7)
    axes.set(xlabel="step", ylabel="training loss", title=f"endpoint error {error:.2f} pixels at the end")
    figure.savefig(path, dpi=70)
    plt.close(figure)


def pixels(image: Any) -> np.ndarray:
    """An image from -1 to 1 as uint8."""
    return np.asarray((np.asarray(image) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def build(options: argparse.Namespace) -> tuple[nn.Module, Any, Any]:
    """(model, params, state)."""
    if options.weights:
        return models.load(options.model, options.weights)
    model = models.get_model(options.model)
    return model, *jax.jit(model.init)(jax.random.key(options.seed))


def estimator(options: argparse.Namespace) -> Any:
    """A function of two uint8 images [height, width, 3] of any size: the flow [height, width, 2]."""
    model, params, state = build(options)
    prepare = OpticalFlow()

    @jax.jit
    def run(first, second):
        return model.apply(params, state, first, second, num_flow_updates=options.updates, last_only=True)[0]

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        extra = [max(-side % 8, SMALLEST - side) for side in (height, width)]
        margins = [(0, 0), *((more // 2, more - more // 2) for more in extra), (0, 0)]
        padded = [np.pad(image[None], margins, "edge") for image in prepare(first, second)]
        return np.asarray(run(*padded))[0, margins[1][0] :, margins[2][0] :][:height, :width]

    return flow


def paint_images(options: argparse.Namespace) -> None:
    """Paints the flow between two image files beside them."""
    images = [np.asarray(PIL.Image.open(path).convert("RGB")) for path in options.files]
    if images[0].shape != images[1].shape:
        raise SystemExit(f"both images must have the same size, and these have {images[0].shape} and {images[1].shape}")
    flow = estimator(options)(*images)
    picture = pathlib.Path(options.out) / "flow.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.concatenate([*images, draw.flow_to_image(flow)], 1)).save(picture)
    print(f"the fastest pixel moves {np.linalg.norm(flow, axis=-1).max():.1f} pixels; see {picture}")


def paint_video(options: argparse.Namespace) -> None:
    """Paints the flow from each frame of a video to the next, beside the frames."""
    frames = io.VideoReader(options.files[0])
    if len(frames) < 2:
        raise SystemExit(f"{options.files[0]} has {len(frames)} frame, and a flow takes two")
    flow = estimator(options)
    count = min(len(frames), options.frames + 1)
    pairs = ((frames[i], frames[i + 1]) for i in range(count - 1))
    flows = np.stack([flow(*pair) for pair in tqdm(pairs, total=count - 1, unit="frame", dynamic_ncols=True)])
    painted = draw.flow_to_image(flows)  # all at once, so that a colour is the same speed in every frame
    path = pathlib.Path(options.out) / "flow.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    both = np.concatenate([frames[: count - 1], painted], 2)
    both = both[:, : both.shape[1] // 2 * 2]  # the codec takes even numbers of pixels
    io.write_video(path, both, fps=frames.metadata["fps"] or 25)
    print(f"{count - 1} flows; see {path}")


def main(arguments: list[str] | None = None) -> float | None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="two images, or a video; none to train")
    parser.add_argument("--model", default="raft_small", choices=models.list_models("optical_flow"))
    parser.add_argument("--weights", help="the name of published weights, or a file")
    parser.add_argument("--updates", type=int, default=6, help="updates of the flow")
    parser.add_argument("--frames", type=int, default=100, help="the largest number of flows of a video")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--test", type=int, default=16, help="pairs to test with")
    parser.add_argument("--lr", type=float, default=0.0008, help="the peak learning rate, after the warm-up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    if not options.files:
        return learn(options)
    if len(options.files) > 2:
        parser.error("give two images, or one video")
    if not options.weights:
        parser.error("--weights: the name of published weights, or a file that training has written")
    paint_images(options) if len(options.files) == 2 else paint_video(options)
    return None


if __name__ == "__main__":
    main()
