"""Vision Transformer: an image as a sequence of patches (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929)."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ... import functional as F
from ... import nn
from ...functional._mesh import broadcast_to
from ...functional.resize import Mode
from ...nn import init
from ...nn.init import Initializer
from ..ops import MLP, Conv2dNormActivation
from ._zoo.registry import register

__all__ = [
    "ConvStemConfig", "Encoder", "EncoderBlock", "VisionTransformer", "interpolate_embeddings", "vit_b_16", "vit_b_32",
    "vit_h_14", "vit_l_16", "vit_l_32",
]

Norm = Callable[..., nn.Module]

# Table 1 of the paper. A token has `hidden_dim` features.
BASE = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "mlp_dim": 3072}
LARGE = {"num_layers": 24, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096}
HUGE = {"num_layers": 32, "num_heads": 16, "hidden_dim": 1280, "mlp_dim": 5120}

_layer_norm = functools.partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """A layer of a convolutional stem; see `Conv2dNormActivation`."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Norm = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class EncoderBlock(nn.Module):
    """Two residual branches, self-attention and an MLP, each with a norm at its start.

    Args:
        num_heads: number of heads of the attention.
        hidden_dim: features of a token.
        mlp_dim: hidden features of the MLP.
        dropout: probability to drop an element after attention and after each layer of the MLP.
        attention_dropout: probability to drop a weight of attention.
        norm_layer: called with a number of features.
    """

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float,
        norm_layer: Norm = _layer_norm,
    ):
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLP(hidden_dim, (mlp_dim, hidden_dim), activation_layer=nn.GELU, dropout=dropout).with_init(_glorot)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps tokens [batch, length, hidden_dim] to tokens of the same shape."""
        y = self.ln_1(x)
        x = x + self.dropout(self.self_attention(y, y, y, need_weights=False)[0])
        return x + self.mlp(self.ln_2(x))


def _glorot(layer: nn.Module) -> Mapping[str, Initializer]:
    if isinstance(layer, nn.Linear):
        return {"weight": init.xavier_uniform(), "bias": init.normal(std=1e-6)}
    return {}


class Encoder(nn.Module):
    """Adds position embeddings to the tokens and applies `num_layers` blocks; see `EncoderBlock` for the arguments."""

    def __init__(
        self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
        attention_dropout: float, norm_layer: Norm = _layer_norm,
    ):
        self.pos_embedding = nn.Param((1, seq_length, hidden_dim), init.normal(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential({
            f"encoder_layer_{i}": EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
            for i in range(num_layers)
        })
        self.ln = norm_layer(hidden_dim)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps tokens [batch, seq_length, hidden_dim] to tokens of the same shape."""
        return self.ln(self.layers(self.dropout(x + self.pos_embedding.astype(x.dtype))))


class VisionTransformer(nn.Module):
    """A transformer encoder of the patches of an image and a class token, and a linear classifier of that token.

    Args:
        image_size: height and width of the images, in pixels; a multiple of `patch_size`.
        patch_size: height and width of a patch.
        num_layers: number of blocks of the encoder.
        num_heads: number of heads of each attention.
        hidden_dim: features of a token.
        mlp_dim: hidden features of each MLP.
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element after adding position embeddings, after each attention, and after each
            layer of the MLPs.
        attention_dropout: probability to drop a weight of attention.
        representation_size: features of a hidden layer with tanh in the classifier; None for no such layer.
        norm_layer: called with a number of features.
        conv_stem_configs: convolutions that compute the tokens, in place of one over patches (Xiao et al. 2021,
            https://arxiv.org/abs/2106.14881). The product of their strides must be `patch_size`.
    """

    def __init__(
        self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
        num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.0, attention_dropout: float = 0.0,
        representation_size: int | None = None, norm_layer: Norm = _layer_norm,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ):
        if image_size % patch_size:
            raise ValueError(f"image_size={image_size} must be a multiple of patch_size={patch_size}")
        self.image_size, self.patch_size = image_size, patch_size
        self.class_token = nn.Param((1, 1, hidden_dim), init.zeros)
        if conv_stem_configs is None:
            self.conv_proj = _patches(in_channels, hidden_dim, patch_size)
        else:
            self.conv_proj = _conv_stem(in_channels, hidden_dim, conv_stem_configs)
        self.encoder = Encoder(
            (image_size // patch_size) ** 2 + 1, num_layers, num_heads, hidden_dim, mlp_dim, dropout,
            attention_dropout, norm_layer,
        )
        self.heads = _heads(hidden_dim, representation_size, num_classes)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, image_size, image_size, in_channels] to logits [batch, num_classes].

        Raises:
            ValueError: the images have another size.
        """
        side = self.image_size
        if x.ndim != 4 or x.shape[1:3] != (side, side):
            raise ValueError(
                f"this model takes images [batch, {side}, {side}, channels] and got {x.shape}: resize them, or build "
                "the model with another image_size and fit trained parameters to it with interpolate_embeddings"
            )
        x = self.conv_proj(x)
        grid = side // self.patch_size
        if x.shape[1:3] != (grid, grid):
            raise ValueError(
                f"conv_stem_configs compute {x.shape[1]}x{x.shape[2]} tokens, and {grid}x{grid} are expected: the "
                f"product of their strides must be patch_size={self.patch_size}"
            )
        x = x.reshape(x.shape[0], grid * grid, x.shape[3])
        class_token = broadcast_to(self.class_token.astype(x.dtype), (x.shape[0], 1, x.shape[2]), x)
        x = self.encoder(jnp.concatenate([class_token, x], axis=1))
        return self.heads(x[:, 0])


def _patches(in_channels: int, hidden_dim: int, patch_size: int) -> nn.Conv2d:
    weight_init = init.trunc_normal(std=(in_channels * patch_size**2) ** -0.5)
    return nn.Conv2d(in_channels, hidden_dim, patch_size, patch_size, weight_init=weight_init, bias_init=init.zeros)


def _conv_stem(in_channels: int, hidden_dim: int, configs: Sequence[ConvStemConfig]) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    for i, (out_channels, kernel_size, stride, norm_layer, activation_layer) in enumerate(configs):
        layers[f"conv_bn_relu_{i}"] = Conv2dNormActivation(
            in_channels, out_channels, kernel_size, stride, norm_layer=norm_layer, activation_layer=activation_layer
        )
        in_channels = out_channels
    weight_init = init.normal(std=math.sqrt(2 / hidden_dim))
    layers["conv_last"] = nn.Conv2d(in_channels, hidden_dim, 1, weight_init=weight_init, bias_init=init.zeros)
    return nn.Sequential(layers)


def _heads(hidden_dim: int, representation_size: int | None, num_classes: int) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    features = hidden_dim
    if representation_size is not None:
        weight_init = init.trunc_normal(std=hidden_dim**-0.5)
        layers["pre_logits"] = nn.Linear(
            hidden_dim, representation_size, weight_init=weight_init, bias_init=init.zeros
        )
        layers["act"] = nn.Tanh()
        features = representation_size
    layers["head"] = nn.Linear(features, num_classes, weight_init=init.zeros, bias_init=init.zeros)
    return nn.Sequential(layers)


def interpolate_embeddings(
    params: nn.Arrays, image_size: int, patch_size: int, *, interpolation_mode: Mode = "bicubic",
    reset_heads: bool = False,
) -> nn.Arrays:
    """Parameters of a `VisionTransformer` for images of another size, with resized position embeddings.

    Args:
        params: parameters of the trained model.
        image_size: that of the new model.
        patch_size: that of the new model. The projection of patches fits only if it is that of the trained model.
        interpolation_mode: "bicubic" or "bilinear".
        reset_heads: leave out the classifier. torchvision does so only if the number of patches changes
            (https://github.com/pytorch/vision/blob/main/torchvision/models/vision_transformer.py).

    Returns:
        The same arrays, with another `encoder.pos_embedding`. To use a new classifier:
        `model.init(key)[0] | interpolate_embeddings(..., reset_heads=True)`.

    Raises:
        ValueError: these are not the parameters of a `VisionTransformer`.

    >>> model = VisionTransformer(64, 16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=4)
    >>> params, _ = model.init(jax.random.key(0))
    >>> interpolate_embeddings(params, 96, 16)["encoder.pos_embedding"].shape
    (1, 37, 8)
    """
    if "encoder.pos_embedding" not in params:
        raise ValueError("these are not parameters of a VisionTransformer: 'encoder.pos_embedding' is missing")
    embedding = params["encoder.pos_embedding"]
    old, new = math.isqrt(embedding.shape[1] - 1), image_size // patch_size
    if embedding.shape[0] != 1 or old**2 != embedding.shape[1] - 1:
        raise ValueError(
            "encoder.pos_embedding must be [1, 1 + patches, features] with a square number of patches; its shape is "
            f"{embedding.shape}"
        )
    kept = {name: array for name, array in params.items() if not (reset_heads and name.startswith("heads."))}
    if new == old:
        return kept
    class_token, patches = embedding[:, :1], embedding[:, 1:].reshape(1, old, old, -1)
    patches = F.interpolate(patches, (new, new), mode=interpolation_mode, align_corners=True)
    return kept | {"encoder.pos_embedding": jnp.concatenate([class_token, patches.reshape(1, new * new, -1)], axis=1)}


def _read_image_size(patch_size: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The option `image_size` of a checkpoint, computed from its number of patches."""
    positions, kernel = (shapes.get(name, ()) for name in ("encoder.pos_embedding", "conv_proj.weight"))
    if len(positions) != 3 or positions[1] < 2 or kernel[2:] != (patch_size, patch_size):
        return {}
    return {"image_size": math.isqrt(positions[1] - 1) * patch_size}


def _resize_positions(model: VisionTransformer, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint with a position embedding for each patch of the model's images.

    A checkpoint with patches of another size is returned as it is, and so is one without position embeddings.
    """
    name = "encoder.pos_embedding"
    if name not in tensors or "conv_proj.weight" not in tensors:
        return tensors
    same_patches = tensors["conv_proj.weight"].shape[2:] == (model.patch_size, model.patch_size)
    if not same_patches or tensors[name].shape == model.declarations()[name].shape:
        return tensors
    positions = {name: jnp.asarray(tensors[name])}
    return tensors | {name: np.asarray(interpolate_embeddings(positions, model.image_size, model.patch_size)[name])}


def _register(patch_size: int) -> Any:
    return register(
        read_options=functools.partial(_read_image_size, patch_size), adapt_tensors=_resize_positions
    )


def _variant(
    sizes: Mapping[str, int], patch_size: int, num_classes: int, options: Mapping[str, Any]
) -> VisionTransformer:
    arguments: dict[str, Any] = {"image_size": 224, "patch_size": patch_size, **sizes, **options}
    return VisionTransformer(num_classes=num_classes, **arguments)


@_register(16)
def vit_b_16(num_classes: int = 1000, **options: Any) -> VisionTransformer:
    """ViT-B/16 for images of 224x224 pixels; `options` are those of `VisionTransformer`."""
    return _variant(BASE, 16, num_classes, options)


@_register(32)
def vit_b_32(num_classes: int = 1000, **options: Any) -> VisionTransformer:
    """ViT-B/32 for images of 224x224 pixels; `options` are those of `VisionTransformer`."""
    return _variant(BASE, 32, num_classes, options)


@_register(16)
def vit_l_16(num_classes: int = 1000, **options: Any) -> VisionTransformer:
    """ViT-L/16 for images of 224x224 pixels; `options` are those of `VisionTransformer`."""
    return _variant(LARGE, 16, num_classes, options)


@_register(32)
def vit_l_32(num_classes: int = 1000, **options: Any) -> VisionTransformer:
    """ViT-L/32 for images of 224x224 pixels; `options` are those of `VisionTransformer`."""
    return _variant(LARGE, 32, num_classes, options)


@_register(14)
def vit_h_14(num_classes: int = 1000, **options: Any) -> VisionTransformer:
    """ViT-H/14 for images of 224x224 pixels; `options` are those of `VisionTransformer`."""
    return _variant(HUGE, 14, num_classes, options)
