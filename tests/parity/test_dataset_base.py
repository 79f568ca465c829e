"""The base of the data sets against torchvision's."""

import pytest
import torchvision.datasets

from funcvision.vision.datasets import VisionDataset


@pytest.mark.parametrize("others", [{"transform": str}, {"target_transform": str}])
def test_joint_transforms_exclude_the_others(others):
    for base in (VisionDataset, torchvision.datasets.VisionDataset):
        with pytest.raises(ValueError, match="transform"):
            base("root", transforms=max, **others)


def test_the_order_of_arguments_is_torchvision_s():
    ours, theirs = VisionDataset("root", max), torchvision.datasets.VisionDataset("root", max)
    assert ours.transforms is theirs.transforms is max
    ours, theirs = (base("root", None, min, max) for base in (VisionDataset, torchvision.datasets.VisionDataset))
    assert (ours.transform, ours.target_transform) == (theirs.transform, theirs.target_transform) == (min, max)
    assert ours.transforms([3, 1], [2, 4]) == theirs.transforms([3, 1], [2, 4]) == (1, 4)
    assert VisionDataset().transforms is torchvision.datasets.VisionDataset("").transforms is None
