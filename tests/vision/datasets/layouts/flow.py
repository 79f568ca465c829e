"""Data sets of optical flow."""

import pathlib

from .write import flo, flow16, image, pfm, text


def make_kitti_flow(root: pathlib.Path) -> None:
    for split, count in {"training": 3, "testing": 2}.items():
        for i in range(count):
            for number in (10, 11):
                image(root / "KittiFlow" / split / "image_2" / f"{i:06d}_{number}.png")
            if split == "training":
                flow16(root / "KittiFlow" / split / "flow_occ" / f"{i:06d}_10.png")


def make_sintel(root: pathlib.Path) -> None:
    for split, scenes in {"training": {"bamboo_2": 3, "alley_1": 4}, "test": {"wall": 3, "cave_3": 2}}.items():
        for scene, count in scenes.items():
            for i in range(1, count + 1):
                for one in ("clean", "final"):
                    image(root / "Sintel" / split / one / scene / f"frame_{i:04d}.png")
                if split == "training" and i < count:
                    flo(root / "Sintel" / split / "flow" / scene / f"frame_{i:04d}.flo")


def make_flying_chairs(root: pathlib.Path) -> None:
    for i in range(1, 6):
        image(root / "FlyingChairs" / "data" / f"{i:05d}_img1.ppm")
        image(root / "FlyingChairs" / "data" / f"{i:05d}_img2.ppm")
        flo(root / "FlyingChairs" / "data" / f"{i:05d}_flow.flo")
    text(root / "FlyingChairs" / "FlyingChairs_train_val.txt", "1\n2\n1\n1\n2\n")


def make_flying_things(root: pathlib.Path) -> None:
    folder = root / "FlyingThings3D"
    for split in ("TRAIN", "TEST"):
        for letter, scene in (("A", "0000"), ("B", "0001")):
            for side in ("left", "right"):
                for i in range(6, 9):
                    for one in ("frames_cleanpass", "frames_finalpass"):
                        image(folder / one / split / letter / scene / side / f"{i:04d}.png")
                    for way, mark in (("into_future", "IntoFuture"), ("into_past", "IntoPast")):
                        name = f"Optical{mark}_{i:04d}_{side[0].upper()}.pfm"
                        path = folder / "optical_flow" / split / letter / scene / way / side / name
                        pfm(path, 3, big=letter == "B")


def make_hd1k(root: pathlib.Path) -> None:
    for sequence, count in {0: 3, 35: 2}.items():
        for i in range(count):
            image(root / "hd1k" / "hd1k_input" / "image_2" / f"{sequence:06d}_{i:04d}.png")
            flow16(root / "hd1k" / "hd1k_flow_gt" / "flow_occ" / f"{sequence:06d}_{i:04d}.png")
    for i in range(2):
        for number in (10, 11):
            image(root / "hd1k" / "hd1k_challenge" / "image_2" / f"{i:06d}_{number}.png")
