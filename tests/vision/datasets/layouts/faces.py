"""Small copies of data sets of faces: `make_<name>(root)`."""

import pathlib

import numpy as np

from .binary import noise
from .captions import save_jpeg


def make_fer2013(root: pathlib.Path, names: tuple[str, ...] = ("fer2013.csv",)) -> pathlib.Path:
    """Any of the four published files, of nine faces: five for training, and two for each test."""
    folder = root / "fer2013"
    folder.mkdir(parents=True)
    pixels = [" ".join(map(str, face.ravel())) for face in noise(9, 48, 48)]
    usages = ["Training"] * 5 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    rows = list(zip([str(i % 7) for i in range(9)], pixels, usages, strict=True))
    tables = {
        "fer2013.csv": ["emotion,pixels,Usage", *(f"{e},{p},{u}" for e, p, u in rows)],
        "icml_face_data.csv": ["emotion, Usage, pixels", *(f"{e},{u},{p}" for e, p, u in reversed(rows))],
        "train.csv": ["emotion,pixels", *(f"{e},{p}" for e, p, _ in rows[:5])],
        "test.csv": ["pixels", *(p for _, p, _ in rows[5:])],
    }
    for name in names:
        (folder / name).write_text("\n".join(tables[name]) + "\n", encoding="utf-8")
    return root


def make_celeba(root: pathlib.Path) -> pathlib.Path:
    """Seven faces; the header of the attributes ends with a space, as in the published file."""
    folder, rng = root / "celeba", np.random.default_rng(0)
    names = [f"{i + 1:06}.jpg" for i in range(7)]
    for i, name in enumerate(names):
        save_jpeg(folder / "img_align_celeba" / name, i)
    titles = {
        "list_attr_celeba.txt": " ".join(f"Attribute_{i}" for i in range(40)) + " ",
        "list_bbox_celeba.txt": "image_id x_1 y_1 width height",
        "list_landmarks_align_celeba.txt": " ".join(f"p{i}" for i in range(10)),
        "list_eval_partition.txt": None, "identity_CelebA.txt": None,
    }  # fmt: skip
    numbers = {
        "list_attr_celeba.txt": rng.choice([-1, 1], (7, 40)),
        "list_bbox_celeba.txt": rng.integers(0, 500, (7, 4)),
        "list_landmarks_align_celeba.txt": rng.integers(0, 178, (7, 10)),
        "list_eval_partition.txt": np.array([0, 0, 0, 1, 1, 2, 2])[:, np.newaxis],
        "identity_CelebA.txt": rng.integers(1, 10178, (7, 1)),
    }
    for file, title in titles.items():
        lines = [] if title is None else ["7", title]
        lines += [
            name + " " + " ".join(f"{number:2}" for number in row)
            for name, row in zip(names, numbers[file], strict=True)
        ]
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


LFW_PEOPLE = {"Aaron_A": 3, "Bob_B": 1, "Cy_C": 2, "Di_D": 2}


def make_lfw(root: pathlib.Path) -> pathlib.Path:
    """Four people in three alignments, the list of people, and the lists of all splits."""
    folder = root / "lfw-py"
    for seed, images in enumerate(("lfw", "lfw_funneled", "lfw-deepfunneled")):
        for k, (person, count) in enumerate(LFW_PEOPLE.items()):
            for i in range(count):
                save_jpeg(folder / images / person / f"{person}_{i + 1:04}.jpg", 100 * seed + 10 * k + i)
    people = [f"{name}\t{count}\n" for name, count in LFW_PEOPLE.items()]
    same, other = "Aaron_A\t1\t3\nCy_C\t2\t1\n", "Aaron_A\t2\tBob_B\t1\nDi_D\t1\tCy_C\t2\n"
    swapped = "Di_D\t1\t2\nAaron_A\t3\t2\n", "Bob_B\t1\tDi_D\t2\nCy_C\t1\tAaron_A\t1\n"
    files = {
        "lfw-names.txt": "".join(people),
        "people.txt": f"2\n2\n{people[0]}{people[2]}2\n{people[1]}{people[3]}",
        "peopleDevTrain.txt": f"3\n{''.join(people[:3])}",
        "peopleDevTest.txt": f"1\n{people[3]}",
        "pairs.txt": f"2\t2\n{same}{other}{''.join(swapped)}",
        "pairsDevTrain.txt": f"2\n{same}{other}",
        "pairsDevTest.txt": f"2\n{''.join(swapped)}",
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    for archive in ("lfw.tgz", "lfw-funneled.tgz", "lfw-deepfunneled.tgz"):
        (folder / archive).write_bytes(b"torchvision wants the archives to be there")
    return root


def make_widerface(root: pathlib.Path) -> pathlib.Path:
    """Three photos for training, two for validation, two for testing; the second one of training has no faces."""
    folder, rng = root / "widerface", np.random.default_rng(0)
    (folder / "wider_face_split").mkdir(parents=True)
    for seed, (split, counts) in enumerate({"train": (2, 0, 1), "val": (3, 1), "test": (1, 1)}.items()):
        lines = []
        for i, count in enumerate(counts):
            photo = f"{i}--Event/{i}_Event_{seed}.jpg"
            save_jpeg(folder / f"WIDER_{split}" / "images" / photo, 10 * seed + i)
            rows = rng.integers(0, 99, (count, 10)) if count else np.zeros((1, 10), int)
            faces = ["".join(f"{number} " for number in row) for row in rows]
            lines += [photo] if split == "test" else [photo, str(count), *faces]
        name = "wider_face_test_filelist.txt" if split == "test" else f"wider_face_{split}_bbx_gt.txt"
        (folder / "wider_face_split" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
