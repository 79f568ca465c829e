"""What all models share: the registry, published weights, loading, prediction, feature maps and frozen parameters."""

from .features import features
from .freezing import freeze, freeze_backbone
from .loading import load
from .operations import count_operations
from .predictor import Predictor, classify
from .published import Weights, find_weights, identify_weights, imagenet_classes, weights
from .registry import get_model, list_models, recognise, register

__all__ = [
    "Predictor", "Weights", "classify", "count_operations", "features", "find_weights", "freeze",
    "freeze_backbone", "get_model", "identify_weights", "imagenet_classes", "list_models", "load", "recognise",
    "register", "weights",
]
