"""COCO's mean average precision of boxes, masks and key points (https://cocodataset.org/#detection-eval)."""

import itertools
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Literal

import numpy as np

from ._objects import Objects, read_annotations, read_objects
from .detection_metric import DetectionMetric

__all__ = ["MeanAveragePrecision"]

Kind = Literal["bbox", "segm", "keypoints"]

_COLUMN = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints"}  # which each kind compares
_COLUMNS_OF_TARGETS = {"bbox": ["boxes"], "segm": ["masks"], "keypoints": ["boxes", "keypoints"]}
_AREAS = {"bbox": ("small", "medium", "large"), "keypoints": ("medium", "large")}
_AREAS["segm"] = _AREAS["bbox"]


class MeanAveragePrecision(DetectionMetric):
    """COCO's metrics of detectors: average precision and recall, equal to those of pycocotools.

    It is computed by hotcoco: `pip install "funcvision[coco]"`.

    Predictions are the dicts that `models.detection.predict` returns: "boxes" `[n, 4]` (left, top, right, bottom in
    pixels), "scores" and "labels" `[n]`, "masks" `[n, 1, height, width]` (probabilities, of which those above 0.5
    count, or bool), "keypoints" `[n, points, 3]`. Targets are dicts with "boxes", "labels", "masks" and "keypoints", as
    arrays or typed leaves, optionally with "area" `[n]` and "iscrowd" `[n]`; or lists of annotations as COCO's files
    have them. Without "area", it is that of the mask if there are masks, and otherwise that of the box. With "valid"
    bool `[n]`, or `valid` of the boxes, the other objects do not count.

    `compute` returns torchmetrics' names. For boxes and masks, `{"map", "map_50", "map_75", "map_small", "map_medium",
    "map_large", "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"}` are pycocotools' twelve numbers
    in their order; for key points, `{"map", "map_50", "map_75", "map_medium", "map_large", "mar", "mar_50", "mar_75",
    "mar_medium", "mar_large"}` are its ten. "classes", "map_per_class" and "mar_per_class" are arrays `[classes]`. With
    several kinds, each name starts with its kind, as in "segm_map". A number for which there is no object is -1.

    Args:
        iou_type: "bbox", "segm", "keypoints", or several of them.
        iou_thresholds: at which a detection counts as right; 0.5, 0.55, ... 0.95 by default.
        max_detections: how many detections of a class count in an image, three numbers for boxes and masks (1, 10, 100
            by default) and one for key points (20). Precision, and recall by area, use the largest.
        sigmas: how exact each key point can be marked, `[points]`; those of COCO's 17 points by default.

    Raises:
        ImportError: hotcoco is not installed.
        ValueError: another kind.
    """

    def __init__(
        self, iou_type: Kind | Sequence[Kind] = "bbox", *, iou_thresholds: Sequence[float] | None = None,
        max_detections: Sequence[int] | None = None, sigmas: Sequence[float] | None = None,
    ):
        super().__init__()
        self._coco = _hotcoco()
        self.iou_types: tuple[Kind, ...] = (iou_type,) if isinstance(iou_type, str) else tuple(iou_type)
        if not self.iou_types or not set(self.iou_types) <= set(_COLUMN):
            raise ValueError(f"iou_type is one or several of {', '.join(_COLUMN)}; got {iou_type!r}")
        self.iou_thresholds = None if iou_thresholds is None else [float(one) for one in iou_thresholds]
        self.max_detections = None if max_detections is None else sorted(max_detections)
        self.sigmas = None if sigmas is None else [float(one) for one in sigmas]

    def compute(self) -> dict[str, Any]:
        """The metrics of all images, by name."""
        found = {}
        for kind in self.iou_types:
            prefix = f"{kind}_" if len(self.iou_types) > 1 else ""
            found |= {prefix + name: value for name, value in self._evaluated(kind).items()}
        return found

    def _read(self, prediction: Any, target: Any, what: str) -> tuple[Objects, Objects]:
        columns = [_COLUMN[kind] for kind in self.iou_types]
        found = read_objects(prediction, ["scores", "labels", *columns], [], f"the prediction for {what}")
        size = found["masks"].shape[1:] if "masks" in found else None
        true = self._read_target(target, size, f"the target of {what}")
        if "masks" in found:
            found["segmentation"] = self._encoded(found.pop("masks"))
        if "keypoints" in found:
            points = len(self.sigmas) if self.sigmas is not None else len(self._params("keypoints").kpt_oks_sigmas)
            for name, objects in {"prediction": found, "target": true}.items():
                shape = objects["keypoints"].shape
                if shape[0] and shape[1] != points:
                    raise ValueError(f"the {name} of {what} has {shape[1]} key points, and there are {points} sigmas")
        return found, true

    def _read_target(self, target: Any, size: tuple[int, int] | None, what: str) -> Objects:
        """The true objects of an image, with the area and iscrowd of each, and run lengths for masks."""
        columns = sorted({name for kind in self.iou_types for name in _COLUMNS_OF_TARGETS[kind]})
        if isinstance(target, Sequence):
            true = read_annotations(target, what)
            if missing := {"segmentation" if name == "masks" else name for name in columns} - true.keys():
                raise ValueError(f"{what}: its annotations have no {sorted(missing)[0]!r}")
            if size is None:
                true.pop("segmentation", None)
            else:
                true["segmentation"] = [self._run_lengths(one, size) for one in true["segmentation"]]
        else:
            optional = ["area", "iscrowd"]
            if "masks" not in columns and isinstance(target, Mapping) and target.get("area") is None:
                optional.append("masks")  # they give the areas
            true = read_objects(target, ["labels", *columns], optional, what)
            if "masks" in true:
                if size is not None and true["masks"].shape[1:] != size:
                    raise ValueError(f"{what} has masks of {true['masks'].shape[1:]} pixels, and its prediction {size}")
                true["segmentation"] = self._encoded(true.pop("masks"))
        true.setdefault("iscrowd", np.zeros(len(true["labels"]), np.int64))
        if "area" not in true:
            true["area"] = self._areas(true)
        if "segm" not in self.iou_types:
            true.pop("segmentation", None)
        return true

    def _areas(self, true: Objects) -> np.ndarray:
        if "segmentation" in true:
            return np.array([self._coco.mask.area(one) for one in true["segmentation"]], np.float64)
        return np.prod(true["boxes"][:, 2:] - true["boxes"][:, :2], axis=1)

    def _encoded(self, masks: np.ndarray) -> list[dict[str, Any]]:
        """The run lengths of masks, bool `[n, height, width]`."""
        return [self._coco.mask.encode(np.asfortranarray(mask)) for mask in masks]

    def _run_lengths(self, segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
        """Compressed run lengths of an annotation, from polygons or from run lengths of either form."""
        if isinstance(segmentation, Mapping):
            return self._coco.mask.fr_py_objects(dict(segmentation), *size)
        return self._coco.mask.merge(self._coco.mask.fr_py_objects(list(segmentation), *size))

    def _params(self, kind: Kind) -> Any:
        params = self._coco.Params(iou_type=kind)
        if self.iou_thresholds is not None:
            params.iou_thrs = self.iou_thresholds
        if self.max_detections is not None:
            params.max_dets = self.max_detections
        if self.sigmas is not None:
            params.kpt_oks_sigmas = self.sigmas
        return params

    def _evaluated(self, kind: Kind) -> dict[str, Any]:
        images = self._ordered()
        labels = sorted({int(label) for _, *sides in images for side in sides for label in side["labels"]})
        truth = self._coco.COCO({
            "images": [{"id": number} for number in range(1, len(images) + 1)],
            "categories": [{"id": label, "name": str(label)} for label in labels],
            "annotations": _numbered(_entries(number, true, kind) for number, (_, _, true) in enumerate(images, 1)),
        })
        results = [one for number, (_, found, _) in enumerate(images, 1) for one in _entries(number, found, kind)]
        evaluation = self._coco.COCOeval(truth, truth.load_res(results), kind)
        params = self._params(kind)
        params.img_ids, params.cat_ids = list(range(1, len(images) + 1)), labels
        evaluation.params = params
        evaluation.evaluate()
        evaluation.accumulate()
        return _summary(evaluation.eval, kind, params) | {"classes": np.array(labels, np.int64)}


def _hotcoco() -> ModuleType:
    try:
        import hotcoco
    except ImportError as error:
        raise ImportError('COCO\'s metrics are computed by hotcoco: pip install "funcvision[coco]"') from error
    return hotcoco


def _entries(number: int, objects: Objects, kind: Kind) -> list[dict[str, Any]]:
    """The objects of an image as COCO's dicts."""
    columns: dict[str, Any] = {"category_id": objects["labels"].tolist()}
    for name in ("score", "area", "iscrowd", "num_keypoints"):
        key = "scores" if name == "score" else name
        if key in objects:
            columns[name] = objects[key].tolist()
    is_target = "scores" not in objects
    if "boxes" in objects and (kind == "bbox" or is_target):
        corners = objects["boxes"]
        columns["bbox"] = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
    if kind == "segm":
        columns["segmentation"] = objects["segmentation"]
    if kind == "keypoints":
        points = objects["keypoints"]
        columns["keypoints"] = [each.reshape(-1).tolist() for each in points]
        if is_target:
            columns.setdefault("num_keypoints", (points[..., 2] > 0).sum(-1).tolist())
    return [dict(zip(columns, row), image_id=number) for row in zip(*columns.values(), strict=True)]


def _numbered(entries: Any) -> list[dict[str, Any]]:
    """All annotations, with ids from 1: COCO's evaluation takes an id of 0 for no match."""
    return [one | {"id": number} for number, one in enumerate(itertools.chain.from_iterable(entries), 1)]


def _summary(evaluation: Mapping[str, Any], kind: Kind, params: Any) -> dict[str, Any]:
    """Named means of the evaluation's arrays.

    Args:
        evaluation: "precision" `[thresholds, recalls, classes, areas, limits]` and "recall" `[thresholds, classes,
            areas, limits]`, in which -1 stands for no object.
        kind: what was compared.
        params: the options of the evaluation.
    """
    precision, recall = evaluation["precision"], evaluation["recall"]
    areas, limits = list(params.area_rng_lbl), list(params.max_dets)
    at = {50: np.isclose(params.iou_thrs, 0.5), 75: np.isclose(params.iou_thrs, 0.75)}
    everything = areas.index("all")
    found = {"map": _mean(precision[..., everything, -1])}
    found |= {f"map_{share}": _mean(precision[rows][..., everything, -1]) for share, rows in at.items()}
    found |= {f"map_{area}": _mean(precision[..., areas.index(area), -1]) for area in _AREAS[kind]}
    if kind == "keypoints":
        found["mar"] = _mean(recall[..., everything, -1])
        found |= {f"mar_{share}": _mean(recall[rows][..., everything, -1]) for share, rows in at.items()}
    else:
        found |= {f"mar_{limit}": _mean(recall[..., everything, i]) for i, limit in enumerate(limits)}
    found |= {f"mar_{area}": _mean(recall[..., areas.index(area), -1]) for area in _AREAS[kind]}
    classes = range(recall.shape[1])
    per_class = {
        "map_per_class": np.array([_mean(precision[:, :, k, everything, -1]) for k in classes]),
        "mar_per_class": np.array([_mean(recall[:, k, everything, -1]) for k in classes]),
    }
    return found | per_class


def _mean(values: np.ndarray) -> float:
    """The mean of all numbers but -1; -1 if there are none."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0
