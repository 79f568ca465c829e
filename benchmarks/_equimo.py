"""equimo's models with the architectures and weights of torchvision's. They take one image [3, height, width]."""

import re
from collections.abc import Callable
from typing import Any

from ._models import MOMENTUM, RATE, batch, jax_training, prepared, torch_model
from .harness import Prepared

VIT = {
    "prenorm": "ln_1", "norm": "ln_2", "attn.qkv.weight": "self_attention.in_proj_weight",
    "attn.qkv.bias": "self_attention.in_proj_bias", "attn.proj": "self_attention.out_proj", "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.3",
}
CONVNEXT = {
    "ls.gamma": "layer_scale", "dwconv": "block.0", "norm": "block.2", "pwconv1": "block.3", "pwconv2": "block.5",
}
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
NAMES: dict[str, list[Rule]] = {  # patterns for equimo's names of arrays, with torchvision's names
    "vit_b_32": [
        (r"^patch_embed\.proj", "conv_proj"), (r"^global_pos_embed\.weight", "encoder.pos_embedding"),
        (r"^cls_token", "class_token"), (r"^norm", "encoder.ln"), (r"^head", "heads.head"),
        (
            rf"^blocks\.0\.blocks\.(\d+)\.({'|'.join(VIT)})\b",
            lambda m: f"encoder.layers.encoder_layer_{m[1]}.{VIT[m[2]]}",
        ),
    ],
    "convnext_tiny": [
        (r"^norm", "classifier.0"), (r"^head", "classifier.2"),
        (r"^blocks\.0\.downsample\.conv", "features.0.0"), (r"^blocks\.0\.downsample\.norm", "features.0.1"),
        (r"^blocks\.(\d)\.downsample\.norm", lambda m: f"features.{2 * int(m[1])}.0"),
        (r"^blocks\.(\d)\.downsample\.conv", lambda m: f"features.{2 * int(m[1])}.1"),
        (
            rf"^blocks\.(\d)\.blocks\.(\d+)\.({'|'.join(CONVNEXT)})",
            lambda m: f"features.{2 * int(m[1]) + 1}.{m[2]}.{CONVNEXT[m[3]]}",
        ),
    ],
}


def model_of(name: str) -> Any:
    """The model with random weights; epsilons of norms and the exact GELU are torchvision's."""
    import jax
    from equimo.models.convnext import ConvNeXt
    from equimo.models.vit import VisionTransformer

    options: dict[str, Any] = {"act_layer": "exactgelu", "key": jax.random.key(0)}
    if name == "convnext_tiny":
        return ConvNeXt(**options)
    return VisionTransformer(224, 3, 768, 32, 12, [12], reg_tokens=0, global_pool="token", eps=1e-6, **options)


def torch_name(name: str, path: Any) -> str:
    import jax

    own = jax.tree_util.keystr(path, simple=True, separator=".")
    for pattern, replacement in NAMES[name]:
        found, count = re.subn(pattern, replacement, own)
        if count:
            return found
    raise ValueError(f"equimo's {name} has an array {own}, for which no torchvision name is known")


def equimos(name: str, task: str, size: int, randomised: bool = False) -> Prepared:
    import equinox as eqx
    import jax
    import optax

    tensors = {name: tensor.numpy() for name, tensor in torch_model(name, randomised).state_dict().items()}
    arrays, rest = eqx.partition(model_of(name), eqx.is_inexact_array)
    arrays = jax.tree_util.tree_map_with_path(
        lambda path, array: jax.numpy.asarray(tensors[torch_name(name, path)].reshape(array.shape)), arrays
    )
    images, labels = batch(name, size)
    images = jax.numpy.asarray(images.transpose(0, 3, 1, 2))

    def logits(arrays: Any, images: Any) -> Any:
        return jax.vmap(eqx.combine(arrays, rest))(images)

    if task == "infer":
        infer = jax.jit(logits)
        return prepared(lambda: infer(arrays, images).block_until_ready())
    return jax_training(
        lambda params, state, images: (logits(params, images), state), arrays, (), images,
        lambda output: optax.softmax_cross_entropy_with_integer_labels(output, labels).mean(),
        optax.sgd(RATE, MOMENTUM),
    )
