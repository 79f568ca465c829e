"""A detector and a model for semantic segmentation that compile in a moment, registered as `tiny_*`."""

import jax
import pytest

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import detection
from funcvision.vision.models._zoo import registry


class Maps(nn.Module):
    """Two feature maps."""

    out_channels = (4, 6)

    def __init__(self):
        self.first, self.second = nn.Conv2d(3, 4, 3, 8, 1), nn.Conv2d(4, 6, 3, 2, 1)

    def forward(self, x):
        x = self.first(x)
        return x, self.second(x)


class Pixels(nn.Module):
    """Logits of a quarter of the resolution, enlarged."""

    def __init__(self, num_classes: int):
        self.classifier = nn.Conv2d(3, num_classes, 3, 4, 1)

    def forward(self, x):
        return {"out": jax.image.resize(self.classifier(x), (*x.shape[:3], self.classifier.out_channels), "nearest")}


def tiny_detector(num_classes: int = 91, **options):
    generator = detection.DefaultBoxGenerator(((2,), (2,)))
    options = {"score_thresh": 0.0, "detections_per_img": 5, "topk_candidates": 10} | options
    return detection.SSD(Maps(), generator, (32, 32), num_classes, **options)


def tiny_segmenter(num_classes: int = 21):
    return Pixels(num_classes)


@pytest.fixture
def tiny_models(monkeypatch):
    """Registers both builders for one test."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def classes(shapes):
        total = shapes.get("head.classification_head.module_list.0.bias", (0,))[0]
        return {"num_classes": total // 4} if total else {}

    models.register(task="detection", probed=(), read_options=classes)(tiny_detector)
    models.register(task="segmentation", probed=("num_classes",))(tiny_segmenter)
