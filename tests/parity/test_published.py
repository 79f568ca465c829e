"""The table of published weights against torchvision's enums, and parameters and operations against the table."""

import math
import re

import jax
import jax.numpy as jnp
import pytest
import torchvision

from funcvision import nn
from funcvision.vision import models


@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_entries(name):
    theirs = torchvision.models.get_model_weights(name)
    ours = models.weights(name)
    assert list(ours) == [entry.name for entry in theirs]
    for reference in theirs:
        entry = ours[reference.name]
        assert (entry.url, entry.default) == (reference.url, reference is theirs.DEFAULT)
        assert f"-{entry.sha256}." in entry.url
        meta = reference.meta
        assert (entry.mib, entry.parameters, entry.gflops) == (meta["_file_size"], meta["num_params"], meta["_ops"])
        metrics = {key.replace("@", ""): value for key, value in meta["_metrics"][entry.dataset].items()}
        assert entry.metrics == {key: value for key, value in metrics.items() if not math.isnan(value)}
        assert entry.task == "classification"
        assert (entry.min_size, entry.min_size) == meta["min_size"]
        assert (entry.recipe, entry.license) == (meta["recipe"], meta.get("license"))
        assert (entry.categories and list(entry.categories)) == meta["categories"]
        preset = reference.transforms()
        assert (entry.preset, type(preset).__name__) == ("ImageClassification", "ImageClassification")
        assert entry.preset_options == {
            "crop_size": preset.crop_size[0], "resize_size": preset.resize_size[0],
            "interpolation": preset.interpolation.value, "mean": tuple(preset.mean), "std": tuple(preset.std),
        }


OTHERS = [name for task in ("detection", "segmentation", "video", "optical_flow") for name in models.list_models(task)]


@pytest.mark.parametrize("name", OTHERS)
def test_entries_of_other_tasks(name):
    theirs = torchvision.models.get_model_weights(name)
    ours = models.weights(name)
    assert list(ours) == [entry.name for entry in theirs]
    for reference in theirs:
        entry, meta = ours[reference.name], reference.meta
        assert (entry.url, entry.default) == (reference.url, reference is theirs.DEFAULT)
        assert (entry.mib, entry.parameters, entry.gflops) == (meta["_file_size"], meta["num_params"], meta["_ops"])
        metrics = meta["_metrics"]
        flow = {f"{data} {key}": one for data, found in metrics.items() for key, one in found.items()}
        single = {key.replace("@", ""): one for key, one in metrics.get(entry.dataset, {}).items()}
        assert entry.metrics == (flow if entry.task == "optical_flow" else single)
        assert (entry.min_size, entry.min_size) == meta["min_size"]
        assert (entry.recipe, entry.categories and list(entry.categories)) == (meta["recipe"], meta.get("categories"))
        words = {"frames": "clip_len", "frame_rate": "frame_rate", "per_video": "clips_per_video"}
        clips = {key: re.search(rf"`{word}=([\d.]+)`", meta["_docs"]) for key, word in words.items()}
        assert entry.clips == {key: float(found[1]) for key, found in clips.items() if found}
        assert len(entry.clips) == (3 if entry.task == "video" else 0)
        preset = reference.transforms()
        assert entry.preset == type(preset).__name__
        if entry.preset == "SemanticSegmentation":
            assert entry.preset_options == {"resize_size": preset.resize_size[0]}
        model = models.get_model(name, **entry.options)
        trained = [math.prod(one.shape) for one in model.declarations().values() if isinstance(one, nn.Param)]
        frozen = entry.options.get("frozen_eps") is not None
        assert sum(trained) == entry.parameters or frozen, "frozen norms hold buffers"


@pytest.mark.parametrize("name", models.list_models("classification"))
def test_parameters_and_operations(name):
    """Of all published weights. Those with images of the same size are for the same model."""
    entries = {entry.preset_options["crop_size"]: entry for entry in models.weights(name).values()}
    counted = {}
    for size, entry in entries.items():
        options = {key: value for key, value in entry.options.items() if key != "transform_input"}
        model = models.get_model(name, **options)
        sizes = (math.prod(one.shape) for one in model.declarations().values() if isinstance(one, nn.Param))
        operations = models.count_operations(model, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
        counted[size] = sum(sizes), operations / 1e9
    for entry in models.weights(name).values():
        parameters, operations = counted[entry.preset_options["crop_size"]]
        assert (entry.parameters, entry.gflops) == (parameters, pytest.approx(operations, abs=6e-4)), entry.name
