"""Data sets of digits, faces and captions are read by several threads and by spawned and forked processes."""

import concurrent.futures
import multiprocessing
import os
import pickle

import numpy as np
import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets import _published
from tests.vision.datasets.layouts import binary, captions, faces


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Each data set over its small layout."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_published, "check_digest_once", lambda path, **digests: None)
        eight = captions.make_flickr8k(root / "flickr")
        return [
            datasets.STL10(binary.make_stl10(root / "stl10")),
            datasets.SVHN(binary.make_svhn(root / "svhn")),
            datasets.PhotoTour(binary.make_phototour(root / "phototour"), "liberty", train=False),
            datasets.SEMEION(binary.make_semeion(root / "semeion"), download=False),
            datasets.USPS(binary.make_usps(root / "usps")),
            datasets.PCAM(binary.make_pcam(root / "pcam")),
            datasets.LSUN(binary.make_lsun(root / "lsun")),
            datasets.MovingMNIST(binary.make_moving_mnist(root / "moving")),
            datasets.FER2013(faces.make_fer2013(root / "fer")),
            datasets.CelebA(faces.make_celeba(root / "celeba"), target_type=["attr", "identity"]),
            datasets.LFWPeople(faces.make_lfw(root / "lfw")),
            datasets.LFWPairs(root / "lfw"),
            datasets.WIDERFace(faces.make_widerface(root / "wider")),
            datasets.SBU(captions.make_sbu(root / "sbu")),
            datasets.Flickr8k(eight / "photos", eight / "page.html"),
        ]


def digest(dataset, index):
    """A sample as bytes that can be compared."""
    sample = dataset[index]
    return pickle.dumps([np.asarray(part).tolist() if hasattr(part, "tobytes") else repr(part) for part in sample])


def read_all(all_datasets):
    return [[digest(dataset, i) for i in range(len(dataset))] for dataset in all_datasets]


def test_threads(opened):
    expected = read_all(opened)
    work = [(d, i) for _ in range(4) for d, dataset in enumerate(opened) for i in range(len(dataset))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: digest(opened[pair[0]], pair[1]), work))
    assert found == [expected[d][i] for d, i in work]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_forked_process(opened):
    """HDF5's and LMDB's handles must not be used after a fork."""
    chosen = [dataset for dataset in opened if isinstance(dataset, datasets.PCAM | datasets.LSUN)]
    expected = read_all(chosen)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    if (child := os.fork()) == 0:
        try:
            sender.send(read_all(chosen) == expected)
        finally:
            os._exit(0)
    assert receiver.poll(60)
    assert receiver.recv() is True
    os.waitpid(child, 0)


def test_spawned_process(opened):
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(read_all, opened).result(timeout=120) == read_all(opened)


def test_handles_are_not_pickled(opened):
    for dataset in opened:
        again = pickle.loads(pickle.dumps(dataset))
        assert repr(again) == repr(dataset)
        assert digest(again, 0) == digest(dataset, 0)


def test_a_database_is_opened_twice(opened):
    """lmdb refuses two environments of one database in a process."""
    (lsun,) = (dataset for dataset in opened if isinstance(dataset, datasets.LSUN))
    first = datasets.LSUNClass(lsun.dbs[0].root)
    second = datasets.LSUNClass(lsun.dbs[0].root, transform=np.asarray)
    np.testing.assert_array_equal(np.asarray(first[0][0]), second[0][0])
