"""A training step of ResNet-50 in bfloat16 on an accelerator: images a second, against torch, eager and compiled.

    python -m benchmarks gpu_resnet50
    python -m benchmarks.gpu_resnet50 BATCH PIXELS [ROUNDS]      # 256 and 224 by default; fewer for a trial

funcvision runs the step that `train.make_step` returns, with parameters in float32. torch runs channels-last under
autocast, in eager mode and with `torch.compile`; it is left out where there is no torch with CUDA. Images are on the
device before the time starts. Weights are equal, and the first two losses are compared. Each process of JAX takes half
of the memory of the GPU.
"""

import importlib.util
import os
import sys
from typing import Any

from . import _models, accelerator
from .harness import Contender, Prepared, compare

MEMORY = "0.5"  # share of the GPU's memory for JAX


def main(size: int = 256, pixels: int = 224, rounds: int = 15) -> None:
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = MEMORY
    shared = {"size": size, "pixels": pixels}
    contenders = [Contender("funcvision", __name__, "ours", shared)]
    if _has_cuda():
        contenders += [
            Contender("torch eager", __name__, "theirs", shared | {"compiled": False}),
            Contender("torch.compile", __name__, "theirs", shared | {"compiled": True}),
        ]
    else:
        print("there is no torch with CUDA: only funcvision is measured")
    result = compare(f"ResNet-50, training step in bfloat16, batch {size}, {pixels}x{pixels}", contenders,
                     rounds=rounds, rtol=5e-2)
    for contender, seconds in zip(contenders, result.medians, strict=True):
        print(f"  {contender.name}: {size / seconds:.0f} images/s")


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchvision") is None:
        return False
    import torch

    return torch.cuda.is_available()


def ours(size: int, pixels: int) -> Prepared:
    """The step of `make_step`."""
    import jax
    import optax

    from funcvision import train
    from funcvision.vision import convert, models

    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}", flush=True)
    batch = jax.tree.map(jax.numpy.asarray, _models.batch("resnet50", size, pixels))
    model, optimizer = models.resnet50(), optax.sgd(_models.RATE, _models.MOMENTUM)
    if _has_cuda():
        tensors = {name: tensor.numpy() for name, tensor in _models.torch_model("resnet50").state_dict().items()}
        params, buffers = convert.from_torch(model, tensors)
    else:
        params, buffers = model.init(jax.random.key(0))
    state = train.create(model, optimizer, key=jax.random.key(0), params=params, state=buffers)
    step = train.make_step(model, train.losses.cross_entropy(), optimizer, precision="bfloat16")
    held = [state]

    def run() -> float:
        held[0], metrics = step(held[0], batch)
        jax.block_until_ready(held[0].params)
        return float(metrics["loss"])

    return _models.prepared(run, _models.COMPARED)


def theirs(size: int, pixels: int, compiled: bool) -> Prepared:
    """torch, channels-last under autocast."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = True
    images, labels = _models.batch("resnet50", size, pixels)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).cuda().contiguous(memory_format=torch.channels_last)
    model: Any = _models.torch_model("resnet50").cuda().to(memory_format=torch.channels_last)
    call = torch.compile(model) if compiled else model
    return _models.prepared(accelerator.torch_training(call, x, torch.from_numpy(labels).cuda()), _models.COMPARED)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
