"""Each data set is a source of grain (https://google-grain.readthedocs.io)."""

import numpy as np
import pytest

from funcvision.data import default_collate
from funcvision.vision import datasets, transforms
from funcvision.vision.datasets import _published
from tests.vision.datasets.layouts import binary, classification
from tests.vision.datasets.layouts.coco import make_coco
from tests.vision.datasets.layouts.flow import make_sintel

grain = pytest.importorskip("grain")


def opened(root):
    classification.make_imagenette(root)
    make_coco(root / "coco")
    make_sintel(root)
    return [
        datasets.Imagenette(root, "train", "160px"),
        datasets.ImageFolder(root / "imagenette2-160" / "val"),
        datasets.SVHN(binary.make_svhn(root / "svhn")),
        datasets.CocoDetection(root / "coco" / "images", root / "coco" / "instances.json"),
        datasets.typed(datasets.CocoDetection(root / "coco" / "images", root / "coco" / "instances.json")),
        datasets.Sintel(root, "train"),
        datasets.FakeData(7, (3, 8, 8)),
    ]


def leaves(value):
    """The values in a sample, in a form that can be compared."""
    if isinstance(value, dict):
        return {name: leaves(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [leaves(one) for one in value]
    array = getattr(value, "array", value)
    return np.asarray(array).tolist() if hasattr(array, "tobytes") else array


def test_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)
    for dataset in opened(tmp_path):
        source = grain.MapDataset.source(dataset)
        assert len(source) == len(dataset) > 0
        assert [leaves(source[i]) for i in range(len(source))] == [leaves(dataset[i]) for i in range(len(dataset))]
        shuffled = source.shuffle(seed=1).to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
        assert sorted(map(repr, map(leaves, shuffled))) == sorted(repr(leaves(one)) for one in source)


def test_batches_with_a_transform(tmp_path):
    data = datasets.FakeData(10, (3, 12, 12), transform=transforms.CenterCrop(8))
    pipeline = grain.MapDataset.source(data).seed(3).shuffle()
    pipeline = pipeline.map(lambda sample: (np.asarray(sample[0]), sample[1])).batch(5, batch_fn=default_collate)
    batches = list(pipeline)
    assert [images.shape for images, _ in batches] == [(5, 8, 8, 3)] * 2
    assert sorted(int(label) for _, labels in batches for label in labels) == sorted(data[i][1] for i in range(10))
