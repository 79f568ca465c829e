"""Metrics of classifiers, segmenters, detectors, video classifiers and optical flow.

Metrics that are sums (`Accuracy`, `ConfusionMatrix`, `VideoAccuracy`, `EndpointError`) are pure functions of a state,
a dict of arrays: `init`, `update`, `merge`, `compute`. Those of detectors (`MeanAveragePrecision`,
`VOCMeanAveragePrecision`) need all images at once, and collect them on the host.
"""

from .classification import Accuracy, accuracy
from .coco import MeanAveragePrecision
from .detection_metric import DetectionMetric
from .metric import Metric, State, sum_over_processes
from .optical_flow import EndpointError, endpoint_error
from .segmentation import ConfusionMatrix, confusion_matrix, mean_iou, pixel_accuracy
from .video import VideoAccuracy
from .voc import VOCMeanAveragePrecision

__all__ = [
    "Accuracy", "ConfusionMatrix", "DetectionMetric", "EndpointError", "MeanAveragePrecision", "Metric", "State",
    "VOCMeanAveragePrecision", "VideoAccuracy", "accuracy", "confusion_matrix", "endpoint_error", "mean_iou",
    "pixel_accuracy", "sum_over_processes",
]
