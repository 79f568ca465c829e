import numpy as np
import pytest

from funcvision.data import ArrayDataset, ConcatDataset, RandomSampler, SequentialSampler, Subset, random_split

from .samples import Numbers


def test_array_dataset_gives_rows_and_batches_of_any_pytree():
    arrays = {"image": np.arange(24).reshape(4, 3, 2), "label": (np.arange(4),)}
    dataset = ArrayDataset(arrays)
    assert len(dataset) == 4
    np.testing.assert_array_equal(dataset[2]["image"], arrays["image"][2])
    batch = dataset.load_batch(np.array([3, 1]))
    np.testing.assert_array_equal(batch["image"], arrays["image"][[3, 1]])
    np.testing.assert_array_equal(batch["label"][0], [3, 1])


@pytest.mark.parametrize("arrays", [(np.zeros(3), np.zeros(4)), (), np.float32(1), (np.zeros(()), np.zeros(()))])
def test_array_dataset_refuses_lengths_that_differ(arrays):
    with pytest.raises(ValueError, match=r"arrays of equal length.*got arrays of shapes"):
        ArrayDataset(arrays)


def test_subset_and_its_whole_batch_gather():
    subset = Subset(Subset(ArrayDataset(np.arange(10) * 10), [9, 5, 2, 0]), [1, 3])
    assert [int(subset[i]) for i in range(len(subset))] == [50, 0]
    np.testing.assert_array_equal(subset.load_batch(np.array([1, 0, 1])), [0, 50, 0])
    assert not hasattr(Subset(Numbers(10), [1]), "load_batch")
    assert len(Subset(Numbers(3), [])) == 0


@pytest.mark.parametrize("index", [-1, 10])
def test_subset_refuses_samples_that_do_not_exist(index):
    with pytest.raises(IndexError, match=f"sample {index} is not in a dataset of 10 samples"):
        Subset(Numbers(10), [0, index])


def test_concat():
    joined = ConcatDataset([Numbers(2), Numbers(0), Numbers(3)])
    assert [joined[i][1] for i in range(len(joined))] == [0, 1, 0, 1, 2]
    assert joined[-1][1] == 2
    assert joined[-5][1] == 0
    for index in (5, -6):
        with pytest.raises(IndexError):
            joined[index]
    with pytest.raises(ValueError, match="at least one dataset"):
        ConcatDataset([])


@pytest.mark.parametrize(
    ("lengths", "sizes"), [([3, 7], [3, 7]), ([0.5, 0.5], [5, 5]), ([0.33, 0.33, 0.34], [4, 3, 3]), ([0, 10], [0, 10])]
)
def test_random_split_covers_the_dataset(lengths, sizes):
    parts = random_split(Numbers(10), lengths, seed=3)
    assert [len(p) for p in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(10))


def test_random_split_depends_on_the_seed_only():
    first, again, other = (random_split(Numbers(100), [60, 40], seed=seed)[0].indices for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("lengths", [[3, 8], [0.5, 0.6], [11, -1], [2.5, 7.5], []])
def test_random_split_refuses_other_sums(lengths):
    with pytest.raises(ValueError, match="whole numbers of samples that sum to 10, or fractions that sum to 1"):
        random_split(Numbers(10), lengths)


def test_samplers():
    assert SequentialSampler(Numbers(4))(7).tolist() == [0, 1, 2, 3]
    sampler = RandomSampler(Numbers(50), seed=1)
    assert len(sampler) == 50
    assert sorted(sampler(0)) == list(range(50))
    assert (sampler(0) != sampler(1)).any()
    assert (sampler(0) != RandomSampler(Numbers(50), seed=2)(0)).any()
    assert sampler(0)[:5].tolist() == RandomSampler(Numbers(50), seed=1)(0)[:5].tolist()
