"""Data sets of stereo pairs."""

import pathlib

from .write import as_json, image, numbers16, pfm


def make_carla_stereo(root: pathlib.Path) -> None:
    for scene in ("scene2", "scene1"):
        for i in range(2):
            image(root / "carla-highres" / "trainingF" / scene / f"im{i}.png")
            pfm(root / "carla-highres" / "trainingF" / scene / f"disp{i}GT.pfm")


def make_kitti_2012_stereo(root: pathlib.Path) -> None:
    for split in ("training", "testing"):
        for i in range(2):
            for number in (10, 11):
                for camera in (0, 1):
                    image(root / "Kitti2012" / split / f"colored_{camera}" / f"{i:06d}_{number}.png")
            if split == "training":
                numbers16(root / "Kitti2012" / split / "disp_noc" / f"{i:06d}_10.png", low=0)


def make_kitti_2015_stereo(root: pathlib.Path) -> None:
    for split in ("training", "testing"):
        for i in range(2):
            for camera in (0, 1):
                image(root / "Kitti2015" / split / f"image_{2 + camera}" / f"{i:06d}_10.png")
                if split == "training":
                    numbers16(root / "Kitti2015" / split / f"disp_occ_{camera}" / f"{i:06d}_10.png", low=0)


def make_middlebury_2014_stereo(root: pathlib.Path) -> None:
    folder = root / "Middlebury2014"
    for split, names in {"train": ["Piano", "Adirondack"], "additional": ["Mask"], "test": ["Hoops", "Plants"]}.items():
        for scene in [name + e for name in names for e in (("",) if split == "test" else ("-perfect", "-imperfect"))]:
            for i in range(2):
                image(folder / split / scene / f"im{i}.png")
                if split != "test":
                    pfm(folder / split / scene / f"disp{i}.pfm", infinite=True)
            if names[0] in scene and split != "test":
                image(folder / split / scene / "im1E.png")
                image(folder / split / scene / "im1L.png")


def make_crestereo(root: pathlib.Path) -> None:
    for part in ("shapenet", "reflective", "tree", "hole"):
        for i in range(2):
            for side in ("left", "right"):
                image(root / "CREStereo" / part / f"{i}_{side}.jpg")
                numbers16(root / "CREStereo" / part / f"{i}_{side}.disp.png")


def make_falling_things_stereo(root: pathlib.Path) -> None:
    for n, scene in enumerate(("single/002_can/kitchen_0", "single/003_box/temple_1", "mixed/temple_0")):
        folder = root / "FallingThings" / scene
        as_json(folder / "_camera_settings.json", {"camera_settings": [{"intrinsic_settings": {"fx": 700.5 + n}}]})
        for i in range(2):
            for side in ("left", "right"):
                image(folder / f"{i:06d}.{side}.jpg")
                numbers16(folder / f"{i:06d}.{side}.depth.png")


def make_scene_flow_stereo(root: pathlib.Path) -> None:
    for variant, scenes in {
        "FlyingThings3D": ["TRAIN/A/0000", "TEST/B/0001"],
        "Driving": ["15mm_focallength/scene_forwards/fast"],
        "Monkaa": ["eating_x2", "a_rain_of_stones"],
    }.items():
        for scene in scenes:
            for i in range(2):
                for side in ("left", "right"):
                    for one in ("frames_cleanpass", "frames_finalpass"):
                        image(root / "SceneFlow" / variant / one / scene / side / f"{i:04d}.png")
                    pfm(root / "SceneFlow" / variant / "disparity" / scene / side / f"{i:04d}.pfm")


def make_sintel_stereo(root: pathlib.Path) -> None:
    folder = root / "Sintel" / "training"
    for scene in ("bamboo_2", "alley_1"):
        for i in range(2):
            name = f"frame_{i:04d}.png"
            for one in ("clean_left", "clean_right", "final_left", "final_right", "disparities"):
                image(folder / one / scene / name)
            for one in ("occlusions", "outofframe"):
                image(folder / one / scene / name, "L", values=2)


def make_instereo2k(root: pathlib.Path) -> None:
    for split in ("train", "test"):
        for scene in ("000001", "000000"):
            for side in ("left", "right"):
                image(root / "InStereo2k" / split / scene / f"{side}.png")
                numbers16(root / "InStereo2k" / split / scene / f"{side}_disp.png", low=0)


def make_eth3d_stereo(root: pathlib.Path) -> None:
    for split in ("training", "test"):
        for scene in ("delivery_area_1l", "facade_1s"):
            for i in range(2):
                image(root / "ETH3D" / f"two_view_{split}" / scene / f"im{i}.png")
            if split == "training":
                pfm(root / "ETH3D" / "two_view_training_gt" / scene / "disp0GT.pfm", infinite=True)
                path = root / "ETH3D" / "two_view_training_gt" / scene / "mask0nocc.png"
                image(path, "L", values=2)


