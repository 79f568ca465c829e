"""Int8 models: quantisation after training, and training with fake quantisation.

`post_training` makes an int8 model of a trained one. `prepare_training` makes a model that is trained as it will
compute in int8, and `convert` its int8 model. `docs/quantization.md` shows how to use them.

`fbgemm` and `integer_layers` compute as torch's quantised models do, for `vision.models.quantization`.
"""

from . import fbgemm, integer_layers
from .affine import fake_quantize, fake_quantize_weight, quantize_weight
from .folding import fold_batch_norm
from .post_training import convert, model_for, post_training, prepare_training

__all__ = [
    "convert", "fake_quantize", "fake_quantize_weight", "fbgemm", "fold_batch_norm", "integer_layers", "model_for",
    "post_training", "prepare_training", "quantize_weight",
]
