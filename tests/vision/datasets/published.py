"""Small files in the formats and layouts of the published data sets, with random contents."""

import gzip
import hashlib
import lzma
import pathlib
import pickle

import numpy as np

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def idx(array: np.ndarray) -> bytes:
    """An array as an IDX file."""
    magic, sizes = bytes([0, 0, CODES[array.dtype.name], array.ndim]), np.array(array.shape, ">u4")
    return magic + sizes.tobytes() + array.astype(array.dtype.newbyteorder(">")).tobytes()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def labels(count: int, classes: int, seed: int = 0, first: int = 0) -> np.ndarray:
    return (np.arange(count) % (classes - first) + first).astype(np.uint8)


def write_mnist(folder: pathlib.Path, suffix: str = "") -> pathlib.Path:
    """MNIST's four files (Fashion-MNIST's and KMNIST's have the same names): 13 and 7 images."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": 13, "t10k": 7}.items()):
        (folder / f"{split}-images-idx3-ubyte{suffix}").write_bytes(PACK[suffix](idx(images(count, seed))))
        (folder / f"{split}-labels-idx1-ubyte{suffix}").write_bytes(PACK[suffix](idx(labels(count, 10))))
    return folder


EMNIST_CLASSES = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 27, "digits": 10, "mnist": 10}


def write_emnist(folder: pathlib.Path, suffix: str = "") -> pathlib.Path:
    """EMNIST's 24 files; the labels of letters start at 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, classes) in enumerate(EMNIST_CLASSES.items()):
        for part, count in {"train": classes + 1, "test": 5}.items():
            numbers = labels(count, classes, first=split == "letters")
            name = f"emnist-{split}-{part}"
            (folder / f"{name}-images-idx3-ubyte{suffix}").write_bytes(PACK[suffix](idx(images(count, seed))))
            (folder / f"{name}-labels-idx1-ubyte{suffix}").write_bytes(PACK[suffix](idx(numbers)))
    return folder


def write_qmnist(folder: pathlib.Path, what: str, count: int = 9, suffix: str = "") -> pathlib.Path:
    """QMNIST's two files of "train", "test" or "nist"; eight numbers per image, of which the first is the digit."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "xnist" if what == "nist" else f"qmnist-{what}"
    numbers = np.random.default_rng(count).integers(0, 2**31 - 1, (count, 8)).astype(np.int32)
    numbers[:, 0] = labels(count, 10)
    (folder / f"{name}-images-idx3-ubyte{suffix}").write_bytes(PACK[suffix](idx(images(count))))
    (folder / f"{name}-labels-idx2-int{suffix}").write_bytes(PACK[suffix](idx(numbers)))
    return folder


CIFAR10_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR100_NAMES = [f"class {i:02}" for i in range(100)]


def cifar10_batch(count: int, seed: int) -> dict:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    return {
        "batch_label": f"batch {seed}",
        "labels": [int(label) for label in labels(count, 10)],
        "data": pixels,
        "filenames": [f"{i}.png" for i in range(count)],
    }


def cifar10_files(protocol: int = 2) -> dict[str, bytes]:
    """The files of `cifar-10-batches-py`: five batches of 3 images and a test batch of 4."""
    files = {f"data_batch_{i}": cifar10_batch(3, i) for i in range(1, 6)} | {"test_batch": cifar10_batch(4, 6)}
    files["batches.meta"] = {"num_cases_per_batch": 3, "label_names": CIFAR10_NAMES, "num_vis": 3072}
    return {name: pickle.dumps(entries, protocol) for name, entries in files.items()}


def cifar100_files(protocol: int = 2) -> dict[str, bytes]:
    """The files of `cifar-100-python`: 103 images for training and 4 for testing."""
    files = {}
    for name, count in {"train": 103, "test": 4}.items():
        batch = cifar10_batch(count, count)
        del batch["labels"]
        numbers = [int(label) for label in labels(count, 100)]
        files[name] = batch | {"fine_labels": numbers, "coarse_labels": [n // 5 for n in numbers]}
    files["meta"] = {"fine_label_names": CIFAR100_NAMES, "coarse_label_names": [str(i) for i in range(20)]}
    return {name: pickle.dumps(entries, protocol) for name, entries in files.items()}


def write_files(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def use_digests_of(monkeypatch, dataset: type, files: dict[str, bytes]) -> None:
    """Makes a CIFAR class (ours or torchvision's) expect the digests of these files instead of the published ones."""
    digests = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(dataset, table, [[name, digests[name]] for name, _ in getattr(dataset, table)])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": digests[dataset.meta["filename"]]})
