"""Data sets of images with labels."""

import io
import json
import pathlib
import tarfile
import zipfile
import zlib

import numpy as np
import scipy.io
from PIL import Image


def picture(path: pathlib.Path, mode: str = "RGB") -> None:
    """A random image of 5 to 8 by 4 to 7 pixels, which depends on the path's last parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32("/".join(path.parts[-4:]).encode())
    rng = np.random.default_rng(seed)
    shape = (4 + seed % 4, 5 + seed // 4 % 4, 3)
    if mode == "1":
        Image.fromarray(rng.integers(0, 2, shape[:2], np.uint8) * 255).convert("1").save(path)
    else:
        noise = rng.integers(0, 256, shape, np.uint8)
        Image.fromarray(noise if mode == "RGB" else noise[..., 0]).save(path)


def lines(path: pathlib.Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")


def mat(path: pathlib.Path, **variables: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables, do_compression=True)


def make_sun397(root: pathlib.Path) -> None:
    names = ["/a/abbey", "/a/apartment_building/outdoor", "/z/zoo"]
    lines(root / "SUN397" / "ClassName.txt", *names)
    for name in names:
        for i in (10, 2):
            picture(root / f"SUN397{name}" / f"sun_{i:05d}.jpg")
    (root / "SUN397" / "README.txt").write_text("notes", encoding="utf-8")


def make_imagenette(root: pathlib.Path) -> None:
    for folder in ("imagenette2", "imagenette2-320", "imagenette2-160"):
        for split in ("train", "val"):
            for wnid in ("n03000684", "n01440764", "n03425413"):
                for i in (2, 11):
                    picture(root / folder / split / wnid / f"{wnid}_{i}.JPEG")


def make_caltech101(root: pathlib.Path) -> None:
    folders = {"Faces": "Faces_2", "accordion": "accordion", "airplanes": "Airplanes_Side_2", "BACKGROUND_Google": ""}
    base = root / "caltech101"
    for name, annotations in folders.items():
        for i in range(1, 4):
            picture(base / "101_ObjectCategories" / name / f"image_{i:04d}.jpg", "L" if i == 2 else "RGB")
            if annotations:
                outline = np.random.default_rng(i).normal(size=(2, 5 + i))
                path = base / "Annotations" / annotations / f"annotation_{i:04d}.mat"
                mat(path, obj_contour=outline, box_coord=np.array([[1, 2, 3, 4]], np.uint16))


def make_caltech256(root: pathlib.Path) -> None:
    for label, name in enumerate(["001.ak47", "002.american-flag", "003.backpack"], 1):
        for i in range(1, 4):
            path = root / "caltech256" / "256_ObjectCategories" / name / f"{label:03d}_{i:04d}.jpg"
            picture(path, "L" if i == 2 else "RGB")
    (root / "caltech256" / "256_ObjectCategories" / "002.american-flag" / "RENAME2").write_bytes(b"")


def make_food101(root: pathlib.Path) -> None:
    for split, numbers in {"train": (7, 3), "test": (5,)}.items():
        names = {name: [f"{name}/{i}" for i in numbers] for name in ("waffles", "apple_pie", "ramen")}
        (root / "food-101" / "meta").mkdir(parents=True, exist_ok=True)
        (root / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(names), encoding="utf-8")
        for members in names.values():
            for member in members:
                picture(root / "food-101" / "images" / f"{member}.jpg")


def make_dtd(root: pathlib.Path) -> None:
    names = [f"{name}/{name}_{i:04d}.jpg" for name in ("zigzagged", "banded") for i in range(6)]
    for name in names:
        picture(root / "dtd" / "dtd" / "images" / name)
    for partition in range(1, 11):
        for i, split in enumerate(("train", "val", "test")):
            lines(root / "dtd" / "dtd" / "labels" / f"{split}{partition}.txt", *names[(i + partition) % 3 :: 3])


def make_gtsrb(root: pathlib.Path) -> None:
    base = root / "gtsrb"
    for label in (2, 0, 11):
        for i in range(2):
            picture(base / "GTSRB" / "Training" / f"{label:05d}" / f"{i:05d}_00000.ppm")
        lines(base / "GTSRB" / "Training" / f"{label:05d}" / f"GT-{label:05d}.csv", "Filename;Width")
    rows = []
    for i, label in enumerate((16, 1, 38)):
        picture(base / "GTSRB" / "Final_Test" / "Images" / f"{i:05d}.ppm")
        rows.append(f"{i:05d}.ppm;53;54;6;5;48;49;{label}")
    lines(base / "GT-final_test.csv", "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId", *rows)


def make_clevr(root: pathlib.Path) -> None:
    base = root / "clevr" / "CLEVR_v1.0"
    for split in ("train", "val", "test"):
        names = [f"CLEVR_{split}_{i:06d}.png" for i in (2, 0, 1)]
        for name in names:
            picture(base / "images" / split / name)
        if split != "test":
            scenes = [{"image_filename": name, "objects": [{}] * (3 + i)} for i, name in enumerate(names)]
            (base / "scenes").mkdir(exist_ok=True)
            content = json.dumps({"info": {}, "scenes": scenes})
            (base / "scenes" / f"CLEVR_{split}_scenes.json").write_text(content, encoding="utf-8")


def make_oxford_iiit_pet(root: pathlib.Path) -> None:
    base = root / "oxford-iiit-pet"
    breeds = [("Abyssinian", 1, 1), ("american_bulldog", 2, 2), ("Maine_Coon", 3, 1)]
    for split, numbers in {"trainval": (100, 7), "test": (3,)}.items():
        rows = []
        for name, label, species in reversed(breeds):
            for i in numbers:
                picture(base / "images" / f"{name}_{i}.jpg")
                picture(base / "annotations" / "trimaps" / f"{name}_{i}.png", "L")
                rows.append(f"{name}_{i} {label} {species} {label}")
        lines(base / "annotations" / f"{split}.txt", *rows)


def make_country211(root: pathlib.Path) -> None:
    for split in ("train", "valid", "test"):
        for name in ("ZW", "AD"):
            for i in range(2):
                picture(root / "country211" / split / name / f"{i}.jpg")


def make_fgvc_aircraft(root: pathlib.Path) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    levels = {
        "variant": ("variants", ["707-320", "Model B200", "F/A-18"]),
        "family": ("families", ["Boeing 707", "King Air", "F/A-18"]),
        "manufacturer": ("manufacturers", ["Boeing", "Beechcraft", "McDonnell Douglas"]),
    }
    splits = {"train": [0, 4], "val": [2], "trainval": [0, 4, 2], "test": [1, 3, 5]}
    for i in range(6):
        picture(data / "images" / f"{1025794 + i:07d}.jpg")
    for level, (file, names) in levels.items():
        lines(data / f"{file}.txt", *names)
        for split, numbers in splits.items():
            lines(data / f"images_{level}_{split}.txt", *(f"{1025794 + i:07d} {names[i % 3]}" for i in numbers))


def make_eurosat(root: pathlib.Path) -> None:
    for name in ("River", "AnnualCrop"):
        for i in (10, 9):
            picture(root / "eurosat" / "2750" / name / f"{name}_{i}.jpg")


def make_rendered_sst2(root: pathlib.Path) -> None:
    for folder in ("train", "valid", "test"):
        for name in ("positive", "negative"):
            for i in range(2):
                picture(root / "rendered-sst2" / folder / name / f"{i}.png")


SPECIES = [
    "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
    "00001_Animalia_Annelida_Polychaeta_Sabellida_Sabellidae_Sabella_spallanzanii",
    "00002_Plantae_Tracheophyta_Polypodiopsida_Polypodiales_Pteridaceae_Adiantum_pedatum",
]


def make_inaturalist(root: pathlib.Path) -> None:
    folders = {
        "2017": ["Plantae/Abies amabilis", "Aves/Accipiter badius", "Aves/Accipiter cooperii"],
        "2018": ["Plantae/1", "Aves/2", "Aves/0"],
        "2019": ["Birds/10", *(f"Fungi/{i}" for i in range(10))],
        **{f"2021_{part}": SPECIES for part in ("train", "train_mini", "valid")},
    }
    for version, names in folders.items():
        for name in names:
            for i in range(2):
                picture(root / version / name / f"{version}-{i}.jpg", "L" if i else "RGB")


def make_places365(root: pathlib.Path) -> None:
    categories = ["/a/airfield", "/b/bow_window/indoor", "/z/zen_garden"]
    lines(root / "categories_places365.txt", *(f"{name} {i}" for i, name in enumerate(categories)))
    lists = {"train_standard": "data_{}_standard", "train_challenge": "data_{}_challenge"}
    for part, folder in {**lists, "val": "val_{}", "test": "test_{}"}.items():
        train = part.startswith("train")
        names = [f"{categories[i % 3] if train else ''}/{part}_{i:08d}.jpg" for i in range(5)]
        names = names if train else [name[1:] for name in names]
        rows = [name if part == "test" else f"{name} {i % 3}" for i, name in enumerate(names)]
        lines(root / f"places365_{part}.txt", *rows)
        for size in ("256", "large"):
            for name in names:
                picture(root / folder.format(size) / name.lstrip("/"))


def make_omniglot(root: pathlib.Path) -> None:
    for part in ("images_background", "images_evaluation"):
        for alphabet in ("Korean", "Balinese"):
            for character in ("character02", "character01"):
                for i in (2, 1):
                    name = f"0{len(alphabet)}{character[-2:]}_{i:02d}.png"
                    picture(root / "omniglot-py" / part / alphabet / character / name, "1")
        with zipfile.ZipFile(root / "omniglot-py" / f"{part}.zip", "w") as archive:
            archive.writestr("note", part)


def make_stanford_cars(root: pathlib.Path) -> None:
    base = root / "stanford_cars"
    names = np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Audi 100 Wagon 1994"], object)
    mat(base / "devkit" / "cars_meta.mat", class_names=names)
    kind = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    for file, folder in {"devkit/cars_train_annos": "cars_train", "cars_test_annos_withlabels": "cars_test"}.items():
        entries = np.zeros((1, 4), kind)
        for i in range(4):
            entries[0, i] = (*np.arange(4, dtype=np.uint8), np.uint8(1 + i % 3), f"{i + 1:05d}.jpg")
            picture(base / folder / f"{i + 1:05d}.jpg")
        mat(base / f"{file}.mat", annotations=entries)


def make_flowers102(root: pathlib.Path) -> None:
    base = root / "flowers-102"
    splits = {"trnid": [3, 1], "valid": [7, 8], "tstid": [2, 6, 5, 4]}
    mat(base / "imagelabels.mat", labels=np.array([[77, 1, 102, 77, 5, 3, 9, 2]], np.uint8))
    mat(base / "setid.mat", **{name: np.array([numbers], np.uint16) for name, numbers in splits.items()})
    for i in range(1, 9):
        picture(base / "jpg" / f"image_{i:05d}.jpg")


WNIDS = {
    1: ("n02119789", "kit fox, Vulpes macrotis"), 2: ("n02100735", "English setter"), 3: ("n01440764", "tench, Tinca"),
}  # fmt: skip


def devkit_files(folder: pathlib.Path) -> None:
    """ImageNet's devkit: three classes, a synset that is none, and the labels of five images."""
    kind = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object), ("num_children", object)]
    synsets = np.zeros((4, 1), kind)
    for i, (wnid, words) in WNIDS.items():
        synsets[i - 1, 0] = (np.uint8(i), wnid, words, "a gloss", np.uint8(0))
    synsets[3, 0] = (np.uint16(1001), "n00001740", "entity", "that which exists", np.uint8(3))
    mat(folder / "data" / "meta.mat", synsets=synsets)
    lines(folder / "data" / "ILSVRC2012_validation_ground_truth.txt", *"31232")


def make_imagenet(root: pathlib.Path) -> None:
    """The three archives, as they are put in place by hand."""
    source = root / "source"
    devkit_files(source / "ILSVRC2012_devkit_t12")
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        archive.add(source / "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12")
    with tarfile.open(root / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid, _ in WNIDS.values():
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w") as inner:
                for i in (3, 12):
                    picture(source / wnid / f"{wnid}_{i}.JPEG")
                    inner.add(source / wnid / f"{wnid}_{i}.JPEG", f"{wnid}_{i}.JPEG")
            member = tarfile.TarInfo(f"{wnid}.tar")
            member.size = len(content.getvalue())
            outer.addfile(member, io.BytesIO(content.getvalue()))
    with tarfile.open(root / "ILSVRC2012_img_val.tar", "w") as archive:
        for i in range(1, 6):
            name = f"ILSVRC2012_val_{i:08d}.JPEG"
            picture(source / "val" / name)
            archive.add(source / "val" / name, name)
