"""Int8 MobileNetV2 on real photos, beside torch's: agreement with the float model, size of the file, time on the CPU.

The weights and the photos are those beside a development checkout, `../shared/data`. 64 of the 112 photos calibrate,
the other 48 are classified, for several random splits. Agreement is the share of photos with the same first class as
the float model of the same library. torch quantises as its FX mode does, with histogram observers for 8-bit activations
and a scale for each channel of the weights.
"""

import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .harness import Contender, Prepared, compare

DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"
WEIGHTS = DATA / "weights" / "mobilenet_v2-b0353104.pth"
CALIBRATION = 64
BATCH = 16


def main(splits: int = 5, rounds: int = 15) -> None:
    photos = prepared_photos()
    report_agreement(photos, splits)
    report_sizes(photos)
    for size in (1, 8):
        contenders = [
            Contender(f"funcvision {kind}", "benchmarks.quantize", "ours", {"kind": kind, "size": size})
            for kind in ("int8", "float32", "folded", "weights only")
        ]
        torchs = [
            Contender(f"torch {kind}", "benchmarks.quantize", "theirs", {"kind": kind, "size": size})
            for kind in ("float32", "int8")
        ]
        compare(f"mobilenet_v2, batch {size}, inference", [*contenders, *torchs], rounds=rounds)


@functools.cache
def prepared_photos() -> np.ndarray:
    """[112, 224, 224, 3], as the weights expect them."""
    import PIL.Image

    from funcvision.vision.transforms import presets

    prepare = presets.ImageClassification(crop_size=224)
    paths = sorted((DATA / "imagenet-samples").glob("*.JPEG"))
    return np.stack([np.asarray(prepare(PIL.Image.open(path).convert("RGB"))) for path in paths])


def batches(photos: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(photos), BATCH):
        yield photos[start : start + BATCH]


# Agreement


def report_agreement(photos: np.ndarray, splits: int) -> None:
    model, params, state = our_float()
    ours = our_logits(model, params, state, photos)
    net = their_float()
    theirs = their_logits(net, photos)
    rows: dict[str, list[tuple[float, float]]] = {}
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(photos))
        calibration, test = photos[order[:CALIBRATION]], order[CALIBRATION:]

        def add(name: str, logits: np.ndarray, expected: np.ndarray, test: np.ndarray = test) -> None:
            same = np.mean(logits.argmax(-1) == expected[test].argmax(-1))
            off = np.linalg.norm(logits - expected[test]) / np.linalg.norm(expected[test])
            rows.setdefault(name, []).append((float(same), float(off)))

        for kind in ("int8", "weights only"):
            quantized, qparams, qstate = our_int8(kind, calibration)
            add(f"funcvision {kind}", our_logits(quantized, qparams, qstate, photos[test]), ours)
        add("torch int8", their_logits(their_int8(net, calibration, reference=True), photos[test]), theirs)
    print(f"\nthe same first class as in float32, {splits} splits of {len(photos)} photos, {CALIBRATION} calibrate")
    print(f"  {'':28} {'mean':>7} {'error of logits':>16}   each split")
    for name, values in rows.items():
        same, off = np.asarray(values).T
        print(f"  {name:28} {same.mean():7.1%} {off.mean():16.3f}   {' '.join(f'{one:.1%}' for one in same)}")


@functools.cache
def our_float() -> Any:
    from funcvision.vision import models

    return models.load("mobilenet_v2", WEIGHTS)


def our_int8(kind: str, calibration: np.ndarray) -> Any:
    import jax.numpy as jnp

    from funcvision import quantize

    parts = [jnp.asarray(part) for part in batches(calibration)]
    if kind == "folded":
        model, params, state = our_float()
        return quantize.fold_batch_norm(model, params, state, parts[0])
    model, params, state = our_float()
    return quantize.post_training(model, params, state, parts, weights_only=kind == "weights only")


def our_logits(model: Any, params: Any, state: Any, photos: np.ndarray) -> np.ndarray:
    import jax

    run = jax.jit(lambda params, state, x: model.apply(params, state, x)[0])
    return np.concatenate([np.asarray(run(params, state, part)) for part in batches(photos)])


def their_float() -> Any:
    import torch
    import torchvision

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    net = torchvision.models.mobilenet_v2()
    net.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return net.eval()


def their_int8(net: Any, calibration: np.ndarray, *, reference: bool = False) -> Any:
    """The int8 model of torch's FX mode. With `reference` it computes the same numbers with floats.

    Agreement is measured with `reference`, because the answers of the integer kernels depend on the processor.
    """
    import copy
    import warnings

    import torch
    from torch.ao import quantization
    from torch.ao.quantization import quantize_fx

    warnings.filterwarnings("ignore", module="torch")
    torch.backends.quantized.engine = "x86"
    activation = quantization.HistogramObserver.with_args(dtype=torch.quint8, reduce_range=False)
    config = quantization.QConfig(activation=activation, weight=quantization.default_per_channel_weight_observer)
    mapping = quantization.QConfigMapping().set_global(config)
    observed = quantize_fx.prepare_fx(copy.deepcopy(net), mapping, (nchw(calibration[:1]),))
    with torch.no_grad():
        for part in batches(calibration):
            observed(nchw(part))
        return (quantize_fx.convert_to_reference_fx if reference else quantize_fx.convert_fx)(observed)


def their_logits(net: Any, photos: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return np.concatenate([net(nchw(part)).numpy() for part in batches(photos)])


def nchw(photos: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(photos).movedim(-1, 1).contiguous(memory_format=torch.channels_last)


# Size


def report_sizes(photos: np.ndarray) -> None:
    from funcvision.vision import convert

    with tempfile.TemporaryDirectory() as folder:
        for kind in ("int8", "weights only"):
            path = pathlib.Path(folder) / f"{kind}.safetensors"
            model, params, state = our_int8(kind, photos[:CALIBRATION])
            convert.save(path, model, params, state)
            size, before = path.stat().st_size, WEIGHTS.stat().st_size
            print(f"\n{kind}: {size / 1e6:.2f} MB, {size / before:.3f} of the float32 checkpoint")


# Time


def ours(kind: str, size: int) -> Prepared:
    import jax
    import jax.numpy as jnp

    photos = prepared_photos()
    model, params, state = our_float() if kind == "float32" else our_int8(kind, photos[:CALIBRATION])
    run = jax.jit(lambda params, state, x: model.apply(params, state, x)[0])
    return timed(lambda x: run(params, state, x).block_until_ready(), jnp.asarray(photos[:size]))


def theirs(kind: str, size: int) -> Prepared:
    import torch

    photos = prepared_photos()
    net = their_float().to(memory_format=torch.channels_last)
    net = net if kind == "float32" else their_int8(net, photos[:CALIBRATION])

    @torch.no_grad()
    def run(x: Any) -> Any:
        return net(x)

    return timed(run, nchw(photos[:size]))


def timed(run: Callable[[Any], Any], x: Any) -> Prepared:
    run(x)
    return lambda: run(x), None  # the answers differ by quantisation; `report_agreement` compares them
