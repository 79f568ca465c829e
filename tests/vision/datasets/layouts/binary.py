"""Small copies of data sets that are published as binary files, matrices and databases: `make_<name>(root)`."""

import bz2
import io
import pathlib

import numpy as np
from PIL import Image

STL10_COUNTS = {"train": 13, "test": 4, "unlabeled": 5}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def make_stl10(root: pathlib.Path) -> pathlib.Path:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate(STL10_COUNTS.items()):
        (folder / f"{name}_X.bin").write_bytes(noise(count, 3, 96, 96, seed=seed).tobytes())
        if name != "unlabeled":
            (folder / f"{name}_y.bin").write_bytes((np.arange(count) % 10 + 1).astype(np.uint8).tobytes())
    (folder / "class_names.txt").write_text("".join(f"class{i}\n" for i in range(10)), encoding="utf-8")
    folds = [np.random.default_rng(i).permutation(13)[:5] for i in range(10)]
    lines = [" ".join(map(str, fold)) + " \n" for fold in folds]
    (folder / "fold_indices.txt").write_text("".join(lines), encoding="utf-8")
    return root


def make_svhn(root: pathlib.Path) -> pathlib.Path:
    from scipy.io import savemat

    root.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": 11, "test": 3, "extra": 4}.items()):
        labels = (np.arange(count, dtype=np.uint8) % 10 + 1)[:, np.newaxis]
        variables = {"X": noise(32, 32, 3, count, seed=seed), "y": labels}
        savemat(root / f"{split}_32x32.mat", variables, do_compression=split == "train")
    return root


def make_phototour(root: pathlib.Path, name: str = "liberty") -> pathlib.Path:
    """Two mosaics of 16 patches each, as 8-bit BMP."""
    folder = root / name
    folder.mkdir(parents=True)
    for i in range(2):
        Image.fromarray(noise(256, 256, seed=i)).save(folder / f"patches000{i}.bmp")
    points = np.arange(32) // 3
    (folder / "info.txt").write_text("".join(f"{point} 0\n" for point in points), encoding="utf-8")
    pairs = np.random.default_rng(3).integers(0, 32, (9, 2))
    lines = [f"{a} {points[a]} 0 {b} {points[b]} 0 0\n" for a, b in pairs]
    (folder / "m50_100000_100000_0.txt").write_text("".join(lines), encoding="utf-8")
    return root


def make_semeion(root: pathlib.Path) -> pathlib.Path:
    root.mkdir(parents=True, exist_ok=True)
    bits = np.random.default_rng(0).integers(0, 2, (12, 256))
    lines = [
        " ".join(f"{bit:.4f}" for bit in row) + " " + " ".join("1" if i % 10 == k else "0" for k in range(10)) + " \n"
        for i, row in enumerate(bits)
    ]
    (root / "semeion.data").write_text("".join(lines), encoding="utf-8")
    return root


def make_usps(root: pathlib.Path) -> pathlib.Path:
    root.mkdir(parents=True, exist_ok=True)
    for seed, (name, count) in enumerate({"usps.bz2": 11, "usps.t.bz2": 4}.items()):
        values = np.random.default_rng(seed).uniform(-1, 1, (count, 256)).round(6)
        values[:, :2] = -1, 1
        lines = [
            f"{i % 10 + 1} " + " ".join(f"{k + 1}:{value:g}" for k, value in enumerate(row)) + " \n"
            for i, row in enumerate(values)
        ]
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))
    return root


def make_pcam(root: pathlib.Path) -> pathlib.Path:
    import h5py

    (root / "pcam").mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": 5, "test": 3, "valid": 4}.items()):
        name = root / "pcam" / f"camelyonpatch_level_2_split_{split}"
        with h5py.File(f"{name}_x.h5", "w") as file:
            pixels = noise(count, 96, 96, 3, seed=seed)
            file.create_dataset("x", data=pixels, chunks=(1, 96, 96, 3), compression="gzip", compression_opts=1)
        with h5py.File(f"{name}_y.h5", "w") as file:
            file.create_dataset("y", data=(np.arange(count) % 2).astype(np.uint8).reshape(-1, 1, 1, 1))
    return root


LSUN_NAMES = ("bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen",
              "living_room", "restaurant", "tower")  # fmt: skip


def make_lsun_database(folder: pathlib.Path, count: int, seed: int = 0) -> pathlib.Path:
    import lmdb

    with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for i in range(count):
            buffer = io.BytesIO()
            Image.fromarray(noise(9, 8 + i, 3, seed=100 * seed + i)).save(buffer, "webp", lossless=True)
            transaction.put(f"{(i * 7919) % 1000:040x}".encode(), buffer.getvalue())
    return folder


def make_lsun(root: pathlib.Path) -> pathlib.Path:
    root.mkdir(parents=True, exist_ok=True)
    names = ["test", *(f"{category}_{split}" for category in LSUN_NAMES for split in ("train", "val"))]
    for seed, name in enumerate(names):
        make_lsun_database(root / f"{name}_lmdb", 1 + seed % 3, seed)
    return root


def make_moving_mnist(root: pathlib.Path) -> pathlib.Path:
    (root / "MovingMNIST").mkdir(parents=True)
    np.save(root / "MovingMNIST" / "mnist_test_seq.npy", noise(20, 3, 64, 64))
    return root
