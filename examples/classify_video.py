"""Trains a video classifier: on digits that move in eight directions, or on the videos of Kinetics or UCF101.

    python examples/classify_video.py                                                   # nothing is downloaded
    python examples/classify_video.py --model mc3_18
    python examples/classify_video.py --data kinetics --root kinetics --weights DEFAULT --frames 16 --size 112 \
        --batch-size 16 --lr 0.0003 --clips 5
    python examples/classify_video.py --data ucf101 --root UCF-101 --annotations ucfTrainTestlist --weights DEFAULT \
        --frames 16 --size 112 --batch-size 16 --lr 0.0003 --clips 5

Kinetics' layout is `train/CLASS/*.mp4` and `val/CLASS/*.mp4` in the folder --root; UCF101's is `CLASS/*.avi`, and the
folder --annotations has its lists of videos. Each epoch takes one random clip of each video. Clips are decoded, resized
and cropped in the loader's workers; normalisation, forward pass, backward pass and update are one compiled step. At the
end, accuracy is measured by clip and by video, whose clips are --clips equally spaced ones. A picture of predictions
and of the loss is written to the folder --out.

Without options, all 256 test clips are right after 8 minutes of CPU time.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from tqdm import tqdm

from funcvision import enable_compilation_cache, nn, train
from funcvision.data import DataLoader
from funcvision.vision import datasets, metrics, models, transforms
from funcvision.vision.tv_tensors import Video

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DIRECTIONS = {
    "right": (1, 0), "down right": (1, 1), "down": (0, 1), "down left": (-1, 1), "left": (-1, 0), "up left": (-1, -1),
    "up": (0, -1), "up right": (1, -1),
}
"""The classes of moving digits, with steps along x and y in pixels."""
MEAN, STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)  # those of the published weights
SHOWN = 6  # clips in the picture
SHOWN_FRAMES = 8  # frames of each of them


class MovingDigits:
    """Clips of a digit that moves in one of eight directions, of which number i is always the same.

    A sample is (clip, direction, i), the clip uint8 [frames, size, size, 3]. The middle of the way is in the middle of
    the frame, give or take a quarter of the frame, so no single frame tells the direction.

    Args:
        train: which of two sets. The last fifth of scikit-learn's digits is for testing, and no digit is in both.
        length: number of clips.
        frames: of each clip.
        size: height and width of a frame in pixels.
    """

    def __init__(self, train: bool, length: int, *, frames: int, size: int):
        from sklearn.datasets import load_digits

        images = (load_digits().images * (255 / 16)).astype(np.float32)
        start = len(images) * 4 // 5
        self.digits = images[:start] if train else images[start:]
        self.train, self.length, self.frames, self.size = train, length, frames, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Video, int, int]:
        random = np.random.default_rng([self.train, index])
        digit = self.digits[random.integers(len(self.digits))]
        label = int(random.integers(len(DIRECTIONS)))
        step = np.array(list(DIRECTIONS.values())[label]) * random.uniform(0.8, 1.6)
        time = np.arange(self.frames) - (self.frames - 1) / 2
        middle = (self.size - len(digit)) / 2 + random.uniform(-self.size / 4, self.size / 4, 2)
        color, background = random.uniform(150, 255, 3), random.uniform(0, 60, 3)
        clip = np.empty((self.frames, self.size, self.size, 3), np.float32)
        for frame, place in zip(clip, middle + time[:, None] * step, strict=True):
            ink = shifted(digit, place, self.size)[..., None] / 255
            frame[:] = background * (1 - ink) + color * ink
        clip += random.normal(0, 8, clip.shape).astype(np.float32)
        return Video(clip.clip(0, 255).astype(np.uint8)), label, index


def shifted(image: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    """An image on a square canvas, its corner at a place (x, y) between pixels; what lies outside is cut off."""
    (left, top), (right, down) = np.floor(place).astype(int), place - np.floor(place)
    margin = max(len(image) + 1, size)
    canvas = np.zeros((size + 2 * margin,) * 2, np.float32)
    for y, part in ((0, 1 - down), (1, down)):
        for x, share in ((0, 1 - right), (1, right)):
            row, column = (np.clip(np.array([top + y, left + x]) + margin, 0, size + margin))
            canvas[row : row + len(image), column : column + len(image)] += part * share * image
    return canvas[margin : margin + size, margin : margin + size]


class Clips:
    """Samples (clip, label, number of its video) of a data set of videos; the sound is left out.

    Args:
        videos: `Kinetics` or `UCF101`.
    """

    def __init__(self, videos: Any):
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[Video, int, int]:
        frames, _, label = self.videos[index]
        return Video(frames), label, self.videos.video_clips.get_clip_location(index)[0]


class Task(NamedTuple):
    """What to learn.

    Attributes:
        train: loads batches (clips, labels, numbers of videos) to train with.
        test: loads those to test with.
        videos: how many videos there are to test with.
        classes: the names of the labels.
    """

    train: DataLoader
    test: DataLoader
    videos: int
    classes: Sequence[str]


def digits(options: argparse.Namespace) -> Task:
    drawn = {"frames": options.frames, "size": options.size}
    learned, tested = MovingDigits(True, options.length, **drawn), MovingDigits(False, options.test, **drawn)
    loader = DataLoader(learned, options.batch_size, shuffle=True, drop_last=True, seed=options.seed)
    return Task(loader, DataLoader(tested, options.batch_size), len(tested), list(DIRECTIONS))


def videos(options: argparse.Namespace) -> Task:
    """Kinetics or UCF101. Frames are resized as published for the video ResNets, and cropped to squares."""
    cut: dict[str, Any] = {"step_between_clips": options.frames, "frame_rate": options.frame_rate}
    if options.data == "kinetics":
        learned, tested = (
            datasets.Kinetics(options.root, options.frames, split=split, **cut) for split in ("train", "val")
        )
    else:
        learned, tested = (
            datasets.UCF101(options.root, options.annotations, options.frames, train=train, **cut)
            for train in (True, False)
        )
    resize = transforms.Resize((options.size * 8 // 7, options.size * 32 // 21))
    augment = transforms.Compose([
        resize, transforms.RandomCrop(options.size), transforms.RandomHorizontalFlip(),
    ])
    crop = transforms.Compose([resize, transforms.CenterCrop(options.size)])
    shuffled = datasets.RandomClipSampler(learned.video_clips, 1, seed=options.seed)
    spaced = datasets.UniformClipSampler(tested.video_clips, options.clips)
    return Task(
        DataLoader(Clips(learned), options.batch_size, sampler=shuffled, drop_last=True, transform=augment),
        DataLoader(Clips(tested), options.batch_size, sampler=spaced, transform=crop),
        tested.video_clips.num_videos(), learned.classes,
    )


def build(options: argparse.Namespace, num_classes: int) -> tuple[nn.Module, Any, Any]:
    """(model, params, state)."""
    key, wanted = jax.random.key(options.seed), {"num_classes": num_classes}
    if options.model.startswith("mvit"):
        wanted |= {"temporal_size": options.frames, "spatial_size": (options.size, options.size)}
    if options.weights:
        return models.load(options.model, options.weights, key=key, **wanted)
    model = models.get_model(options.model, **wanted)
    return model, *jax.jit(model.init)(key)


def learn(options: argparse.Namespace) -> float:
    """Trains a model, draws the picture, and returns the accuracy over the videos to test with, in percent."""
    task = digits(options) if options.data == "digits" else videos(options)
    model, params, buffers = build(options, len(task.classes))
    to_float = transforms.Compose([transforms.ToDtype(jnp.float32, scale=True), transforms.Normalize(MEAN, STD)])

    def prepare(clips: Any) -> jax.Array:
        return to_float(jnp.asarray(clips))

    steps = options.epochs * len(task.train)
    rate = optax.warmup_cosine_decay_schedule(0.0, options.lr, min(100, steps // 10), steps)
    optimizer = optax.adamw(rate, weight_decay=options.weight_decay, mask=train.decay_mask(model))
    state = train.create(
        model, optimizer, key=jax.random.key(options.seed + 1), params=params, state=buffers
    )
    step = train.make_step(
        model, train.losses.cross_entropy(label_smoothing=0.1), optimizer, clip=10.0,
        augment=lambda batch, key: (prepare(batch[0]), batch[1]),
    )
    losses = []
    print(f"{options.model}: clips of {options.frames} x {options.size} x {options.size} on {jax.devices()[0]}")
    with tqdm(total=steps, unit="step", dynamic_ncols=True) as bar:
        for epoch in range(options.epochs):
            for clips, labels, _ in task.train:
                state, measured = step(state, (clips.array, labels))
                losses.append(measured["loss"])  # an array that is still being computed
                bar.update()
            bar.set_description(f"epoch {epoch + 1}: loss {np.mean(losses[-len(task.train):]):.3f}")

    forward = jax.jit(lambda state, clips: model.apply(state.params, state.state, prepare(clips))[0])
    by_clip, by_video = metrics.Accuracy(topk=(1,)), metrics.VideoAccuracy(task.videos, len(task.classes), topk=(1,))
    clip_sums, video_sums, shown = by_clip.init(), by_video.init(), []
    for clips, labels, numbers in tqdm(task.test, "testing", dynamic_ncols=True):
        logits = forward(state, clips.array)
        clip_sums = by_clip.update(clip_sums, logits, labels)
        video_sums = by_video.update(video_sums, logits, labels, numbers)
        shown += list(zip(clips.array, labels, logits, strict=True))[: SHOWN - len(shown)]
    accuracy, of_clips = (float(metric.compute(sums)["acc1"]) for metric, sums in (
        (by_video, video_sums), (by_clip, clip_sums),
    ))
    picture = pathlib.Path(options.out) / f"{options.data}_{options.model}.png"
    draw_results(picture, shown, task.classes, np.asarray(losses), accuracy)
    print(f"test accuracy {accuracy:.1f}% of videos, {of_clips:.1f}% of clips; see {picture}")
    return accuracy


def draw_results(
    path: pathlib.Path, shown: Sequence[Any], classes: Sequence[str], losses: np.ndarray, accuracy: float
) -> None:
    """Draws frames of clips with what was predicted, and below them the curve of the training."""
    figure = plt.figure(figsize=(12, 2 * len(shown) * 0.75 + 3), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(len(shown), 2))
    rows = above.subplots(len(shown), SHOWN_FRAMES, squeeze=False)
    for axes, (clip, label, logits) in zip(rows, shown, strict=True):
        frames = np.linspace(0, len(clip) - 1, SHOWN_FRAMES).round().astype(int)
        for one, frame in zip(axes, frames, strict=True):
            one.imshow(clip[frame])
            one.set(xticks=[], yticks=[])
        found = int(np.argmax(logits))
        said = f"{classes[found]} ({float(jax.nn.softmax(logits)[found]):.0%})"
        text = said if found == label else f"{said}, is {classes[int(label)]}"
        axes[0].set_title(text, loc="left", color="darkgreen" if found == label else "darkred")
    axes = below.subplots()
    width = min(20, len(losses))
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(losses, color="lightsteelblue", linewidth=0.7)
    axes.plot(np.arange(len(smooth)) + width - 1, smooth, color="navy")
    axes.set(xlabel="step", ylabel="training loss", title=f"{accuracy:.1f}% of the test videos are right at the end")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits", choices=["digits", "kinetics", "ucf101"])
    parser.add_argument("--root", default="data", help="the folder of Kinetics or UCF101")
    parser.add_argument("--annotations", default="ucfTrainTestlist", help="the folder of UCF101's lists of videos")
    parser.add_argument("--frame-rate", type=int, default=15, help="frames in a second to which videos are resampled")
    parser.add_argument("--length", type=int, default=1024, help="clips of moving digits in an epoch")
    parser.add_argument("--test", type=int, default=256, help="clips of moving digits to test with")
    known = models.list_models("video")
    parser.add_argument("--model", default="r3d_18", choices=known, metavar="NAME", help=f"one of {', '.join(known)}")
    parser.add_argument("--weights", help="the name of published weights, or a file")
    parser.add_argument("--frames", type=int, default=8, help="of a clip")
    parser.add_argument("--size", type=int, default=20, help="height and width of a frame in pixels")
    parser.add_argument("--clips", type=int, default=1, help="of each video to test with")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.001, help="the peak learning rate, after the warm-up")
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    return learn(options)


if __name__ == "__main__":
    main()
