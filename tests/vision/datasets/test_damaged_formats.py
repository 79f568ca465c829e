"""Damaged files of every format of digits, faces and captions: one error, or the data; never a crash."""

import contextlib
import functools
import os
import resource
import struct
import tracemalloc
import warnings

import numpy as np
import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets import _published
from funcvision.vision.datasets._formats import LMDB, HDF5Array, read_idx
from tests.vision.datasets.layouts import binary, captions, faces

MUTATIONS = 200


@pytest.fixture(autouse=True)
def any_digest(monkeypatch):
    """Without digests, the parser alone has to notice the damage."""
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)


def mutated(content: bytes, seed: int) -> bytes:
    """The content cut, with bytes flipped, without or with foreign parts, with parts swapped, or with huge numbers."""
    rng = np.random.default_rng(seed)
    near = min(len(content), 256 if seed % 2 else len(content))  # every other mutation is close to the header
    start = int(rng.integers(0, near))
    match seed % 10:
        case 0 | 1:
            return content[:start]
        case 2 | 3:
            flipped = bytearray(content)
            for position in rng.integers(0, near, 3):
                flipped[position] ^= int(rng.integers(1, 256))
            return bytes(flipped)
        case 4:
            return content[:start] + content[start + int(rng.integers(1, 64)) :]
        case 5:
            return content[:start] + bytes(64) + content[start + 64 :]
        case 6:
            half = len(content) // 2
            return content[half:] + content[:half]
        case 7:
            return content[:start] + rng.choice([b"\xff" * 8, b"9" * 30, b"-1", b"\0\0\0\x7f"]) + content[start + 8 :]
        case 8:
            return content[:start] + rng.bytes(40) + content[start:]
        case _:
            return content + content[:start] if start % 2 else b""


def everything(dataset) -> list:
    """All labels and the first samples, as values that can be compared."""
    labels = getattr(dataset, "targets", getattr(dataset, "labels", None))
    samples = [dataset[i] for i in range(min(3, len(dataset)))]
    return [np.asarray(labels).tolist(), *(_plain(part) for sample in samples for part in sample)]


def _plain(part) -> object:
    return np.asarray(part).tobytes() if hasattr(part, "tobytes") else repr(part)


PARSED = {
    "STL-10 images": (binary.make_stl10, datasets.STL10, "stl10_binary/train_X.bin", False),
    "STL-10 labels": (binary.make_stl10, datasets.STL10, "stl10_binary/train_y.bin", False),
    "STL-10 folds": (binary.make_stl10, functools.partial(datasets.STL10, folds=3), "stl10_binary/fold_indices.txt",
                     False),
    "mat": (binary.make_svhn, functools.partial(datasets.SVHN, split="test"), "test_32x32.mat", False),
    "compressed mat": (binary.make_svhn, datasets.SVHN, "train_32x32.mat", True),
    "HDF5": (binary.make_pcam, datasets.PCAM, "pcam/camelyonpatch_level_2_split_train_x.h5", False),
    "npy": (binary.make_moving_mnist, datasets.MovingMNIST, "MovingMNIST/mnist_test_seq.npy", False),
    "csv": (faces.make_fer2013, datasets.FER2013, "fer2013/fer2013.csv", False),
    "libsvm": (binary.make_usps, functools.partial(datasets.USPS, train=False), "usps.t.bz2", True),
    "matrix": (binary.make_semeion, functools.partial(datasets.SEMEION, download=False), "semeion.data", False),
    "pairs": (binary.make_phototour, functools.partial(datasets.PhotoTour, name="liberty", train=False),
              "liberty/m50_100000_100000_0.txt", False),
    "CelebA's lists": (faces.make_celeba, datasets.CelebA, "celeba/list_attr_celeba.txt", False),
    "LFW's people": (faces.make_lfw, datasets.LFWPeople, "lfw-py/people.txt", False),
    "LFW's pairs": (faces.make_lfw, datasets.LFWPairs, "lfw-py/pairs.txt", False),
    "WIDER FACE's boxes": (faces.make_widerface, datasets.WIDERFace,
                           "widerface/wider_face_split/wider_face_train_bbx_gt.txt", False),
    "SBU's captions": (captions.make_sbu, functools.partial(datasets.SBU, download=False),
                       "dataset/SBU_captioned_photo_dataset_captions.txt", False),
}  # fmt: skip


def check_mutations(open_dataset, path, original: bytes, has_check: bool, seeds=range(MUTATIONS)) -> int:
    """The number of mutations that were noticed."""
    expected, noticed = everything(open_dataset()), 0
    for seed in seeds:
        path.unlink(missing_ok=True)  # a new file: the old one may still be mapped into memory
        path.write_bytes(mutated(original, seed))
        try:
            found = everything(open_dataset())
        except (ValueError, FileNotFoundError) as error:
            noticed += len(str(error)) < 1000
        else:
            assert not has_check or found == expected, seed
    return noticed


@pytest.mark.parametrize("name", PARSED)
def test_damage(tmp_path, name):
    make, dataset, file, has_check = PARSED[name]
    make(tmp_path)
    path = tmp_path / file
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of names that occur twice
        assert check_mutations(lambda: dataset(tmp_path), path, path.read_bytes(), has_check) > MUTATIONS / 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


def test_damaged_captions(tmp_path):
    for make, dataset, file in (
        (captions.make_flickr8k, datasets.Flickr8k, "page.html"),
        (captions.make_flickr30k, datasets.Flickr30k, "results.token"),
    ):
        root = make(tmp_path / file)
        path = root / file
        check_mutations(lambda d=dataset, r=root, p=path: d(r / "photos", p), path, path.read_bytes(), False)


def test_damaged_prepared_phototour(tmp_path):
    torch = pytest.importorskip("torch")
    made = datasets.PhotoTour(binary.make_phototour(tmp_path), "liberty")
    path = tmp_path / "liberty.pt"
    torch.save(tuple(torch.from_numpy(array) for array in (made.data, made.labels, made.matches)), path)
    noticed = check_mutations(lambda: datasets.PhotoTour(tmp_path, "liberty"), path, path.read_bytes(), True)
    assert noticed > MUTATIONS / 2


def test_no_pickle_is_run_by_prepared_phototour(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch = pytest.importorskip("torch")
    torch.save((Evil(), Evil(), Evil()), tmp_path / "liberty.pt")
    with pytest.raises(ValueError, match=r"liberty\.pt does not hold three tensors"):
        datasets.PhotoTour(tmp_path, "liberty")
    assert not (tmp_path / "ran").exists()


def test_truncated_lmdb(tmp_path):
    """A read beyond the end of the file would kill the process."""
    folder = binary.make_lsun_database(tmp_path / "db", 9)
    path = folder / "data.mdb"
    content = path.read_bytes()
    assert len(LMDB(folder).keys()) == 9
    for seed in range(MUTATIONS):
        path.unlink()
        path.write_bytes(content[: int(np.random.default_rng(seed).integers(0, len(content)))])
        with pytest.raises(ValueError, match=r"data\.mdb.* is (damaged, )?truncated|data\.mdb.* is damaged"):
            datasets.LSUNClass(folder)
    for offset, kind in {40: "I", 136: "Q", 144: "Q", 16: "I", 20: "I"}.items():
        for value in (0, 1, 2**31, 2**32 - 1):
            for page in (0, 4096):
                changed = bytearray(content)
                struct.pack_into("<" + kind, changed, page + offset, value)
                path.unlink()
                path.write_bytes(changed)
                with contextlib.suppress(ValueError):
                    assert len(datasets.LSUNClass(folder)) in (0, 9)
    path.unlink()
    path.write_bytes(content[len(content) // 2 :] + content[: len(content) // 2])
    with pytest.raises(ValueError, match="no LMDB database"):
        datasets.LSUNClass(folder)


def test_images_in_lmdb_that_are_none(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path / "db")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"one", b"no image")
    with pytest.raises(ValueError, match="damaged at key b'one'"):
        datasets.LSUNClass(tmp_path / "db")[0]


def test_hdf5_of_another_shape(tmp_path):
    h5py = pytest.importorskip("h5py")
    binary.make_pcam(tmp_path)
    name = tmp_path / "pcam" / "camelyonpatch_level_2_split_train_y.h5"
    with h5py.File(name, "w") as file:
        file.create_dataset("y", (2**40, 1, 1, 1), np.uint8, chunks=(1024, 1, 1, 1))
    with pytest.raises(ValueError, match=r"expected \(5, 1, 1, 1\)"):
        datasets.PCAM(tmp_path)
    with pytest.raises(ValueError, match="has no 'z'"):
        HDF5Array(name, "z")


def test_npy_that_claims_too_much(tmp_path):
    binary.make_moving_mnist(tmp_path)
    path = tmp_path / "MovingMNIST" / "mnist_test_seq.npy"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(20, 3, 64, 64), }", b"(20,10**9,99999)}".ljust(18)))
    with pytest.raises(ValueError, match=r"mnist_test_seq\.npy"):
        datasets.MovingMNIST(tmp_path)
    path.write_bytes(content.replace(b"(20, 3, 64, 64), }", b"(20,99999999999)}".ljust(18)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="declares an array"):
        datasets.MovingMNIST(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    np.save(path, np.array([{}], object))
    with pytest.raises(ValueError, match="expected one of numbers"):
        datasets.MovingMNIST(tmp_path)


def test_idx_of_255_axes(tmp_path):
    path = tmp_path / "idx"
    path.write_bytes(bytes([0, 0, 8, 255]) + bytes(3000))
    with pytest.raises(ValueError, match="not an IDX file") as caught:
        read_idx(str(path))
    assert len(str(caught.value)) < len(str(path)) + 120
