"""`typed`: empty samples, key points, flow, transforms, the loader, and errors."""

import pickle

import numpy as np
import pytest
from PIL import Image

from funcvision.data import DataLoader, pad_collate
from funcvision.vision import datasets, transforms, tv_tensors
from funcvision.vision.datasets import _published, typed
from funcvision.vision.datasets._typed.registry import adapter
from tests.vision.datasets.layouts import captions, faces, flow, stereo
from tests.vision.datasets.layouts.classification import make_inaturalist
from tests.vision.datasets.layouts.coco import SIZE, make_coco
from tests.vision.datasets.layouts.driving import make_cityscapes, make_kitti
from tests.vision.datasets.layouts.voc import make_sbd, make_voc
from tests.vision.datasets.layouts.write import text


def coco(root, file="instances", **options):
    make_coco(root)
    return datasets.CocoDetection(root / "images", root / f"{file}.json", **options)


def shapes(sample):
    return {key: getattr(leaf, "shape", leaf) for key, leaf in sample.items()}


def test_an_image_without_annotations_gives_empty_leaves(tmp_path):
    sample = typed(coco(tmp_path), "all")[1]
    assert shapes(sample) == {
        "image": (*SIZE, 3), "image_id": 8, "boxes": (0, 4), "labels": (0,), "masks": (0, *SIZE), "segmentation": [],
        "bbox": (0, 4), "area": (0,), "iscrowd": (0,), "category_id": (0,),
    }  # fmt: skip
    assert sample["boxes"].array.dtype == np.float32
    assert sample["labels"].dtype == np.int64


def test_an_empty_segmentation_gives_an_empty_mask(tmp_path):
    sample = typed(coco(tmp_path, "empty"))[1]
    assert sample["masks"].shape == (1, *SIZE)
    assert not sample["masks"].array.any()


def test_crowds(tmp_path):
    sample = typed(coco(tmp_path), ("masks", "iscrowd"))[4]
    assert sample["iscrowd"].tolist() == [1, 1, 0]
    masks = sample["masks"].array
    np.testing.assert_array_equal(masks[0], masks[1])  # the same runs, as numbers and compressed
    assert masks[0].T.ravel()[15:55].tolist() == [0] * 5 + [1] * 30 + [0] * 5


def test_keypoints(tmp_path):
    data = typed(coco(tmp_path, "keypoints"))
    index = data.ids.index(42)
    points = data[index]["keypoints"]
    assert points.array[:, :, 0].tolist() == [[1, 3, 0], [5, 7, 9]]
    assert points.visible.tolist() == [[2, 1, 0], [2, 2, 2]]
    assert points.canvas_size == SIZE
    assert data[data.ids.index(9)]["keypoints"].shape == (0, 3, 2)


def test_voc_without_objects_and_with_fractions(tmp_path):
    make_voc(tmp_path)
    data = typed(datasets.VOCDetection(tmp_path), "all")
    assert shapes({k: data[0][k] for k in ("boxes", "labels")}) == {"boxes": (0, 4), "labels": (0,)}
    path = data.annotations[1]
    with open(path, encoding="utf-8") as file:
        content = file.read()
    text(tmp_path / path, content.replace("<xmin>1<", "<xmin>1.25<", 1))
    assert data[1]["boxes"].array[0].tolist() == [1.25, 2, 14, 11]
    assert data[1]["labels"].tolist() == [15]
    text(tmp_path / path, content.replace("person", "Person"))
    with pytest.raises(ValueError, match=r"2012_000001.xml names the class 'Person'"):
        data[1]
    text(tmp_path / path, content.replace("<xmin>1<", "<xmin>one<"))
    with pytest.raises(ValueError, match=r"2012_000001.xml has an object without a name or a box"):
        data[1]


def test_kitti_without_objects(tmp_path):
    make_kitti(tmp_path)
    sample = typed(datasets.Kitti(tmp_path), "all")[2]
    assert sample["boxes"].shape == sample["bbox"].shape == (0, 4)
    assert sample["location"].shape == (0, 3)
    assert sample["type"] == []


def test_instances_of_cityscapes(tmp_path):
    make_cityscapes(tmp_path)
    sample = typed(datasets.Cityscapes(tmp_path, target_type=["instance", "semantic"]))[0]
    assert sample["labels"].tolist() == [7, 11, 26, 24, 26, 26, 33]
    assert sample["masks"].array.sum(0).tolist() == [[1] * 4] * 3
    assert sample["masks"].array[4].tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert isinstance(sample["semantic"], tv_tensors.Mask)
    with pytest.raises(ValueError, match="not of 'color'"):
        typed(datasets.Cityscapes(tmp_path, target_type="color"))[0]


def test_boundaries(tmp_path):
    make_sbd(tmp_path)
    data = datasets.SBDataset(tmp_path)
    boundaries = typed(data)[1]["boundaries"]
    assert boundaries.shape == (20, 14, 17)
    np.testing.assert_array_equal(boundaries.array[3], data[1][1][:, :, 3])


def test_flow(tmp_path):
    flow.make_hd1k(tmp_path)
    flow.make_sintel(tmp_path)
    sample = typed(datasets.HD1K(tmp_path))[0]
    assert shapes(sample) == {"image1": (6, 9, 3), "image2": (6, 9, 3), "flow": (6, 9, 2), "valid": (6, 9)}
    np.testing.assert_array_equal(sample["valid"].array, datasets.HD1K(tmp_path)[0][3])
    batch = next(iter(DataLoader(typed(datasets.HD1K(tmp_path)), batch_size=2)))
    assert shapes(batch)["flow"] == (2, 6, 9, 2)
    assert typed(datasets.Sintel(tmp_path))[0]["valid"].array.all()
    assert set(typed(datasets.Sintel(tmp_path, "test"))[0]) == {"image1", "image2"}


def test_stereo(tmp_path):
    stereo.make_kitti_2015_stereo(tmp_path)
    stereo.make_middlebury_2014_stereo(tmp_path)
    sample = typed(datasets.Kitti2015Stereo(tmp_path))[0]
    assert shapes(sample) == {"left": (6, 9, 3), "right": (6, 9, 3), "disparity": (6, 9, 1), "valid": (6, 9)}
    assert sample["disparity"].dtype == np.float32
    np.testing.assert_array_equal(sample["valid"].array, sample["disparity"][:, :, 0] > 0)
    assert set(typed(datasets.Kitti2015Stereo(tmp_path, "test"))[0]) == {"left", "right"}
    ambient = typed(datasets.Middlebury2014Stereo(tmp_path, use_ambient_views=True))
    index = next(i for i, (left, _) in enumerate(ambient.images) if "Piano" in left)
    views = [ambient.load_sample(index, key=seed)["right"].array.tobytes() for seed in range(20)]
    assert views == [ambient.load_sample(index, key=seed)["right"].array.tobytes() for seed in range(20)]
    assert len(set(views)) == 3


def test_transforms_see_the_dict_and_the_loader_pads(tmp_path):
    flip = transforms.RandomHorizontalFlip(1.0)
    data, still = typed(coco(tmp_path, transforms=flip)), typed(coco(tmp_path))
    sample, before = data.load_sample(4, key=3), still[4]
    np.testing.assert_array_equal(sample["masks"].array, before["masks"].array[:, :, ::-1])
    np.testing.assert_allclose(sample["boxes"].array[:, 0], 17 - before["boxes"].array[:, 2])
    with pytest.raises(AttributeError):
        _ = still.load_sample
    batch = next(iter(DataLoader(data, batch_size=5, seed=1, collate_fn=pad_collate)))
    assert batch["masks"].shape == (5, 3, *SIZE)
    assert np.asarray(batch["boxes"].valid).sum() == 6


def test_separate_transforms(tmp_path):
    def more(target):
        return {**target, "count": len(target["labels"])}

    data = typed(coco(tmp_path, transform=lambda image: image.array.mean(), target_transform=more))
    assert data[4]["count"] == 3
    assert data[4]["image"] == typed(coco(tmp_path))[4]["image"].array.mean()


def test_classification(tmp_path):
    data = typed(datasets.FakeData(3, (3, 8, 8)))
    assert set(data[0]) == {"image", "label"}
    assert isinstance(data[0]["image"], tv_tensors.Image)


def test_captions(tmp_path):
    make_coco(tmp_path)
    data = datasets.CocoCaptions(tmp_path / "images", tmp_path / "captions.json")
    assert typed(data)[0]["captions"] == data[0][1]


def test_captions_of_flickr_and_sbu(tmp_path):
    made = captions.make_flickr8k(tmp_path / "8k")
    for data, key in [
        (datasets.Flickr8k(made / "photos", made / "page.html"), "captions"),
        (datasets.SBU(captions.make_sbu(tmp_path / "sbu"), download=False), "caption"),
    ]:
        sample = typed(data)[1]
        assert set(sample) == {"image", key}
        assert sample[key] == data[1][1]
        np.testing.assert_array_equal(sample["image"].array, np.asarray(data[1][0]))


def test_pairs_of_photos(tmp_path, monkeypatch):
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)
    made = faces.make_lfw(tmp_path)
    data, crop = datasets.LFWPairs(made), transforms.CenterCrop(4)
    sample, cropped = typed(data)[0], typed(datasets.LFWPairs(made, transform=crop))[0]
    assert set(sample) == set(cropped) == {"image1", "image2", "label"}
    assert sample["label"] == data[0][2]
    for i, name in enumerate(("image1", "image2")):
        np.testing.assert_array_equal(sample[name].array, np.asarray(data[0][i]))
        np.testing.assert_array_equal(cropped[name].array, crop(sample[name]).array)


def test_ranks_of_species(tmp_path):
    make_inaturalist(tmp_path)
    data = datasets.INaturalist(tmp_path, "2021_train", ["full", "genus"])
    sample = typed(data)[2]
    assert set(sample) == {"image", "label", "genus"}
    assert (sample["label"], sample["genus"]) == data[2][1]
    one = datasets.INaturalist(tmp_path, "2021_train", "genus")
    assert typed(one)[2]["genus"] == one[2][1]


def test_attributes_pickling_and_summary(tmp_path):
    data = typed(coco(tmp_path), ("boxes",))
    copy = pickle.loads(pickle.dumps(data))
    assert (copy.ids, len(copy), list(copy[0])) == (data.ids, 5, ["image", "boxes"])
    assert repr(data).startswith("Typed Dataset CocoDetection\n    Number of datapoints: 5")
    assert len(list(data)) == 5
    assert datasets.wrap_dataset_for_transforms_v2 is typed


def test_a_data_set_of_ones_own(tmp_path):
    class Birds(datasets.VisionDataset):
        def __len__(self):
            return 1

        def read(self, index):
            return np.zeros((2, 3, 3), np.uint8), "wren"

    with pytest.raises(TypeError, match="Birds has no typed form"):
        typed(Birds())

    @adapter("Birds", keys=("species", "letters"), default=("species",))
    def birds(dataset, index, sample, wanted):
        return {"image": sample[0]} | dict.fromkeys(wanted, sample[1])

    assert set(typed(Birds())[0]) == {"image", "species"}
    assert set(typed(Birds(), "all")[0]) == {"image", "species", "letters"}


def stub(name, sample, **attributes):
    """A data set of a class with this name that holds one sample."""
    methods = {"__len__": lambda self: 1, "read": lambda self, index: sample, **attributes}
    return type(name, (datasets.VisionDataset,), methods)()


IMAGE = Image.fromarray(np.zeros((8, 9, 3), np.uint8))


def test_celeba():
    types = ["attr", "identity", "bbox", "landmarks"]
    targets = (np.array([0, 1, 1]), np.int64(7), np.array([1, 2, 3, 4]), np.arange(10))
    sample = typed(stub("CelebA", (IMAGE, targets), target_type=types))[0]
    assert set(sample) == {"image", "attributes", "identity", "boxes", "keypoints"}
    assert sample["boxes"].array.tolist() == [[1, 2, 4, 6]]
    assert sample["keypoints"].array.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    alone = typed(stub("CelebA", (IMAGE, targets[3]), target_type=["landmarks"]))[0]
    assert (set(alone), alone["keypoints"].canvas_size) == ({"image", "keypoints"}, (8, 9))
    assert set(typed(stub("CelebA", (IMAGE, None), target_type=[]))[0]) == {"image"}


def test_wider_face():
    names = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")
    target = {"bbox": np.array([[1, 2, 3, 4], [0, 0, 5, 5]]), **{name: np.array([0, 1]) for name in names}}
    sample = typed(stub("WIDERFace", (IMAGE, target)))[0]
    assert set(sample) == {"image", "boxes", *names}
    assert sample["boxes"].array.tolist() == [[1, 2, 4, 6], [0, 0, 5, 5]]
    assert set(typed(stub("WIDERFace", (IMAGE, target)), ["bbox", "blur"])[0]) == {"image", "bbox", "blur"}
    assert set(typed(stub("WIDERFace", (IMAGE, None)))[0]) == {"image"}


def test_oxford_iiit_pet():
    trimap = Image.fromarray(np.ones((8, 9), np.uint8))
    types = ["category", "binary-category", "segmentation"]
    sample = typed(stub("OxfordIIITPet", (IMAGE, (3, 1, trimap)), target_types=types))[0]
    assert (sample["label"], sample["binary_label"], sample["masks"].shape) == (3, 1, (8, 9))
    assert set(typed(stub("OxfordIIITPet", (IMAGE, None), target_types=[]))[0]) == {"image"}


def test_caltech101():
    outline = np.arange(6.0).reshape(2, 3)
    sample = typed(stub("Caltech101", (IMAGE, (4, outline)), target_type=["category", "annotation"]))[0]
    assert (set(sample), sample["label"]) == ({"image", "label", "outline"}, 4)
    assert sample["outline"].array.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_moving_mnist():
    clip = np.zeros((20, 8, 9, 1), np.uint8)
    sample = typed(stub("MovingMNIST", (clip,)))[0]
    assert (list(sample), sample["video"].shape) == (["video"], (20, 8, 9, 1))


@pytest.mark.parametrize("name", ["Kinetics", "HMDB51", "UCF101"])
def test_videos(name):
    frames, sound = np.zeros((4, 8, 9, 3), np.uint8), np.zeros((100, 1), np.float32)
    sample = typed(stub(name, (frames, sound, 5)))[0]
    assert isinstance(sample["video"], tv_tensors.Video)
    assert (sample["video"].shape, sample["audio"].shape, sample["label"]) == ((4, 8, 9, 3), (100, 1), 5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [("boxes", "neither None, 'all' nor"), (["box"], r"target_keys has \['box'\]; CocoDetection has image_id, boxes")],
)
def test_wrong_keys(tmp_path, keys, message):
    with pytest.raises(ValueError, match=message):
        typed(coco(tmp_path), keys)


def test_errors(tmp_path):
    make_voc(tmp_path)
    with pytest.raises(ValueError, match="VOCSegmentation has no keys to choose from"):
        typed(datasets.VOCSegmentation(tmp_path), "all")
    with pytest.raises(TypeError, match=r"typed takes a data set of vision\.datasets, and got list"):
        typed([1, 2])
