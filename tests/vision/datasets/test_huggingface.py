"""Hugging Face's folders: layouts, features, random access, the local cache, damage, threads and processes."""

import concurrent.futures
import io
import json
import multiprocessing
import pickle
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from funcvision.data import DataLoader
from funcvision.vision import datasets, transforms, tv_tensors
from funcvision.vision.datasets._formats import ArrowRows
from tests.vision.datasets.damage import mutations

FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"},
    "box": {"feature": {"dtype": "float32", "_type": "Value"}, "length": 4, "_type": "Sequence"},
    "objects": {
        "feature": {"id": {"dtype": "int64", "_type": "Value"}, "crop": {"_type": "Image"}}, "_type": "Sequence",
    },
    "map": {"shape": [2, 3], "dtype": "float32", "_type": "Array2D"},
    "text": {"dtype": "string", "_type": "Value"},
}
SCHEMA = pa.schema([
    ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ("label", pa.int64()),
    ("box", pa.list_(pa.float32())),
    ("objects", pa.struct([
        ("id", pa.list_(pa.int64())),
        ("crop", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
    ])),
    ("map", pa.list_(pa.list_(pa.float32()))),
    ("text", pa.string()),
])  # fmt: skip


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (5, 4 + number % 3, 3), np.uint8)


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png")
    return {"bytes": buffer.getvalue(), "path": None}


def row(number):
    return {
        "image": png(pixels(number)), "label": number % 3, "box": [number, 1, 2, 3],
        "objects": {"id": list(range(number % 3)), "crop": [png(pixels(100 + i)) for i in range(number % 3)]},
        "map": [[number, 1, 2], [3, 4, 5]], "text": None if number == 1 else f"row {number}",
    }


def table(numbers, *, described=True):
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})} if described else {}
    return pa.Table.from_pylist([row(n) for n in numbers], schema=SCHEMA.with_metadata(metadata))


def write_parquet(path, numbers, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(numbers, **options), path, row_group_size=3)


def write_arrow(path, numbers, *, stream=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = table(numbers)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(str(path), rows.schema) as writer:
        writer.write_table(rows, max_chunksize=3)


def labels(dataset):
    return [int(dataset[i]["map"][0, 0]) for i in range(len(dataset))]


@pytest.fixture
def repository(tmp_path):
    write_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", range(7))
    write_parquet(tmp_path / "data" / "train-00001-of-00002-0a1b2c.parquet", range(7, 11))
    write_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", range(20, 22))
    return tmp_path


def check(sample, number):
    assert list(sample) == list(FEATURES)
    assert isinstance(sample["image"], tv_tensors.Image)
    np.testing.assert_array_equal(sample["image"].array, pixels(number))
    assert sample["label"] == number % 3
    np.testing.assert_array_equal(sample["box"], np.array([number, 1, 2, 3], np.float32))
    assert sample["box"].dtype == np.float32
    assert sample["objects"]["id"].tolist() == list(range(number % 3))
    for i, crop in enumerate(sample["objects"]["crop"]):
        np.testing.assert_array_equal(crop.array, pixels(100 + i))
    assert sample["map"].shape == (2, 3)
    assert sample["map"].dtype == np.float32
    assert sample["text"] == (None if number == 1 else f"row {number}")


def test_a_repository_of_parquet_files(repository):
    train = datasets.from_huggingface(repository, "train")
    assert len(train) == 11
    for number in (10, 0, 6, 7, 3, 1, 2):
        check(train[number], number)
    check(train[-1], 10)
    with pytest.raises(IndexError):
        train[11]
    assert train.categories == train.names("label") == ["cat", "dog", "owl"]
    assert labels(datasets.from_huggingface(repository, split="validation")) == [20, 21]
    only = datasets.from_huggingface(repository, "train", columns=["label", "text"])
    assert only[4] == {"label": 1, "text": "row 4"}
    assert repr(only) == "HuggingFaceDataset: 11 rows of label, text"
    grey = datasets.from_huggingface(repository, "train", mode="gray")[0]["image"]
    assert grey.shape == (5, 4, 1)


def test_one_sentence_for_each_bad_choice(repository):
    for options, message in [
        ({}, "choose a split of .*; there are train, validation"),
        ({"split": "test"}, "split='test' is not in .*; there are train, validation"),
        ({"split": "train", "config": "small"}, "config='small' is not in .*; there are default"),
        ({"split": "train", "columns": ["labels"]}, "has no column 'labels', only image, label"),
    ]:
        with pytest.raises(ValueError, match=message):
            datasets.from_huggingface(repository, **options)
    with pytest.raises(ValueError, match="'text' does not hold classes"):
        datasets.from_huggingface(repository, "train").names("text")
    (repository / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no \.parquet or \.arrow file"):
        datasets.from_huggingface(repository / "empty")


@pytest.mark.parametrize(("names", "expected"), [
    ({"small/train-00000-of-00001.parquet": 1, "large/train-00000-of-00001.parquet": 2}, {("large", "train"): 2}),
    ({"default/test/0000.parquet": 1, "other/test/0000.parquet": 2}, {(None, "test"): 1, ("other", "test"): 2}),
    ({"images_val.parquet": 1, "training.parquet": 2}, {(None, "validation"): 1, (None, "train"): 2}),
    ({"everything.parquet": 1}, {(None, None): 1, (None, "train"): 1}),
    ({"data/odd_name-00000-of-00001.parquet": 1}, {(None, "odd_name"): 1}),
], ids=lambda value: next(iter(value)) if isinstance(next(iter(value)), str) else "")
def test_layouts_of_parquet_files(tmp_path, names, expected):
    for name, number in names.items():
        write_parquet(tmp_path / name, [number])
    for (config, split), number in expected.items():
        assert labels(datasets.from_huggingface(tmp_path, split, config=config)) == [number]


@pytest.mark.parametrize("stream", [True, False])
def test_what_save_to_disk_writes(tmp_path, stream):
    for split, numbers in {"train": range(5), "test": range(5, 9)}.items():
        write_arrow(tmp_path / split / "data-00000-of-00001.arrow", numbers, stream=stream)
        (tmp_path / split / "state.json").write_text(json.dumps({"_split": split}), encoding="utf-8")
        (tmp_path / split / "dataset_info.json").write_text(json.dumps({"features": FEATURES}), encoding="utf-8")
    assert labels(datasets.from_huggingface(tmp_path, "train")) == [0, 1, 2, 3, 4]
    check(datasets.from_huggingface(tmp_path, "test")[2], 7)
    assert len(datasets.from_huggingface(tmp_path / "test")) == 4
    assert len(datasets.from_huggingface(tmp_path / "test", "test")) == 4


def test_features_of_older_repositories(tmp_path):
    write_parquet(tmp_path / "small" / "train-00000-of-00001.parquet", range(3), described=False)
    infos = {"small": {"features": FEATURES}}
    plain = datasets.from_huggingface(tmp_path)[2]
    assert plain["image"] == row(2)["image"]
    (tmp_path / "dataset_infos.json").write_text(json.dumps(infos), encoding="utf-8")
    check(datasets.from_huggingface(tmp_path)[2], 2)


def test_the_local_cache(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository = tmp_path / "hub" / "datasets--ylecun--mnist"
    for revision, number in {"aaa": 1, "bbb": 2}.items():
        write_parquet(repository / "snapshots" / revision / "mnist" / "train-00000-of-00001.parquet", [number])
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("bbb", encoding="ascii")
    assert labels(datasets.from_huggingface("ylecun/mnist")) == [2]
    folder = tmp_path / "datasets" / "someone___two_words" / "plain" / "0.0.0" / "0123abcd"
    write_arrow(folder / "two_words-train.arrow", range(3))
    write_arrow(folder / "two_words-test-00000-of-00001.arrow", [9])
    (folder / "cache-0123.arrow").write_bytes(b"what map has computed")
    (folder / "dataset_info.json").write_text(json.dumps({"config_name": "plain"}), encoding="utf-8")
    assert labels(datasets.from_huggingface("someone/TwoWords", "train")) == [0, 1, 2]
    assert labels(datasets.from_huggingface("someone/TwoWords", "test", config="plain")) == [9]
    with pytest.raises(FileNotFoundError, match=r"no folder 'a/b', and no .* `hf download a/b --repo-type dataset`"):
        datasets.from_huggingface("a/b")
    with pytest.raises(FileNotFoundError, match="there is no folder /a/b/c"):
        datasets.from_huggingface("/a/b/c")


def test_images_that_are_files_of_their_own(tmp_path):
    Image.fromarray(pixels(0)).save(tmp_path / "photo.png")
    names = ["photo.png", "../photo.png", "/etc/passwd", None]
    rows = pa.Table.from_pylist([{"image": {"bytes": None, "path": name}} for name in names])
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "photo.png").rename(folder / "photo.png")
    metadata = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
    pq.write_table(rows.replace_schema_metadata(metadata), folder / "train.parquet")
    dataset = datasets.from_huggingface(folder)
    np.testing.assert_array_equal(dataset[0]["image"].array, pixels(0))
    for index in (1, 2, 3):
        with pytest.raises(ValueError, match=rf"row {index} of .*train\.parquet holds no image"):
            dataset[index]


def test_a_damaged_image_is_named(tmp_path):
    rows = pa.Table.from_pylist([{"image": {"bytes": b"\xff\xd8\xff", "path": None}}])
    metadata = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
    pq.write_table(rows.replace_schema_metadata(metadata), tmp_path / "train.parquet")
    with pytest.raises(ValueError, match=r"row 0, in .*train\.parquet, holds an image that cannot be read"):
        datasets.from_huggingface(tmp_path)[0]


def read_all(dataset):
    return [[sample["label"], sample["image"].array.tolist()] for sample in (dataset[i] for i in range(len(dataset)))]


def test_threads_and_processes(repository):
    dataset = datasets.from_huggingface(repository, "train")
    expected = read_all(dataset)
    again = pickle.loads(pickle.dumps(dataset))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: again[i % 11]["image"].array.tolist(), range(88)))
    assert found == [pixels for _, pixels in expected] * 8
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(read_all, dataset).result(timeout=120) == expected


def test_the_loader_and_transforms_take_the_samples(repository):
    crop = transforms.RandomCrop(3)
    dataset = datasets.from_huggingface(repository, "train", columns=["image", "label"], transform=crop)
    first, second = (list(DataLoader(dataset, 4, seed=1)) for _ in range(2))
    assert [batch["image"].shape for batch in first] == [(4, 3, 3, 3), (4, 3, 3, 3), (3, 3, 3, 3)]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["image"].array, other["image"].array)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_few_files_are_kept_open(tmp_path, monkeypatch, ending):
    monkeypatch.setattr("funcvision.vision.datasets._formats.arrow_rows._OPEN_FILES", 2)
    for number in range(7):
        path = tmp_path / f"train-{number:05}-of-00007.{ending}"
        (write_parquet if ending == "parquet" else write_arrow)(path, range(2 * number, 2 * number + 2))
    dataset = datasets.from_huggingface(tmp_path, "train")
    assert labels(dataset) == list(range(14))
    assert len(dataset._rows._files) == 2


def test_few_row_groups_are_kept(tmp_path, monkeypatch):
    write_parquet(tmp_path / "train.parquet", range(30))
    rows = ArrowRows([str(tmp_path / "train.parquet")])
    group = rows._group(0, 0).nbytes
    monkeypatch.setattr("funcvision.vision.datasets._formats.arrow_rows._CACHED_BYTES", 3 * group)
    for index in range(30):
        rows.row(index, ["label"])
    assert 2 <= len(rows._kept) <= 4


def test_other_columns_and_the_missing_extra(tmp_path, monkeypatch):
    write_parquet(tmp_path / "train-00000-of-00002.parquet", [1])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(ValueError, match=r"train-00001-of-00002.parquet has the columns \['a'\], and"):
        datasets.from_huggingface(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[huggingface\]"'):
        datasets.from_huggingface(tmp_path)


@pytest.mark.parametrize("form", ["parquet", "stream.arrow", "file.arrow"])
def test_200_mutations(tmp_path, form):
    path = tmp_path / f"train.{form}"
    if form == "parquet":
        write_parquet(path, range(5))
    else:
        write_arrow(path, range(5), stream=form.startswith("stream"))
    content, messages = path.read_bytes(), {}
    for number, damaged in enumerate(mutations(content)):
        path = tmp_path / f"{number}.{form}"  # a file that is mapped into memory must not change
        path.write_bytes(damaged)
        try:
            rows = ArrowRows([str(path)])
            for index in range(min(len(rows), 20)):
                rows.row(index, rows.names)
        except ValueError as error:
            messages[str(path)] = str(error)
    assert len(messages) >= 50
    assert all(path in message for path, message in messages.items())
