"""Where the files of a Hugging Face data set are: in a folder of one of four layouts, or in the local cache.

- A repository: `data/train-00000-of-00002.parquet`, `<configuration>/train-00000-of-00002.parquet` or
  `<configuration>/train/0000.parquet`.
- What `save_to_disk` writes: `dataset_info.json`, `state.json` and `data-00000-of-00001.arrow`, in a folder for each
  split if there are several.
- What `load_dataset` keeps in the cache: `dataset_info.json` and `<name>-train.arrow`.
- Any other folder of Parquet or Arrow files, whose names or folders may contain the name of a split.
"""

import dataclasses
import os
import re
from typing import Any

from ._formats import read_json

__all__ = ["Part", "find_folder", "find_parts"]

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
_SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_TABLES = (".parquet", ".arrow")


@dataclasses.dataclass
class Part:
    """One split of one configuration.

    Attributes:
        paths: its files, sorted.
        info: what the `dataset_info.json` beside them says.
    """

    paths: list[str] = dataclasses.field(default_factory=list)
    info: dict[str, Any] = dataclasses.field(default_factory=dict)


def find_folder(name_or_path: str | os.PathLike[str]) -> str:
    """The folder of a data set, given by its path, or by its name at Hugging Face, which is looked up in the cache.

    Raises:
        FileNotFoundError: there is neither; the message says where it was looked for and how to get it.
    """
    given = os.fspath(name_or_path)
    path = os.path.expanduser(given)
    if os.path.isdir(path):
        return path
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", given) or given in (".", ".."):
        raise FileNotFoundError(f"there is no folder {path}")
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    prepared = os.environ.get("HF_DATASETS_CACHE") or os.path.join(home, "datasets")
    repository = os.path.join(hub, "datasets--" + given.replace("/", "--"))
    *owner, name = given.split("/")
    snake = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)).lower()
    candidates = [_snapshot(repository), *(os.path.join(prepared, "___".join([*owner, one])) for one in (snake, name))]
    for folder in candidates:
        if folder is not None and os.path.isdir(folder):
            return folder
    raise FileNotFoundError(
        f"there is no folder {given!r}, and no data set of that name in the cache of Hugging Face, {hub} and "
        f"{prepared}; fetch it with `hf download {given} --repo-type dataset`"
    )


def find_parts(folder: str) -> dict[str, dict[str, Part]]:
    """The splits of each configuration in a folder.

    Raises:
        FileNotFoundError: it holds no Parquet or Arrow file.
        ValueError: a file of descriptions is damaged; the message names it.
    """
    found: dict[str, dict[str, Part]] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        tables = sorted(name for name in names if name.endswith(_TABLES) and not name.startswith((".", "cache-")))
        info = _description(parent, "dataset_info.json") if tables else {}
        saved = _description(parent, "state.json") if tables else {}
        above = [one for one in os.path.relpath(parent, folder).split(os.sep) if one != "."]
        for name in tables:
            config, split = _classified(above, name, info, saved.get("_split"))
            part = found.setdefault(config, {}).setdefault(split, Part(info=info))
            part.paths.append(os.path.join(parent, name))
    if not found:
        raise FileNotFoundError(f"{folder} holds no .parquet or .arrow file")
    return found


def _classified(above: list[str], name: str, info: dict[str, Any], saved_split: str | None) -> tuple[str, str]:
    """The configuration and the split of a file.

    Args:
        above: the folders that it is in.
        name: its name.
        info: the `dataset_info.json` beside it.
        saved_split: the split that `save_to_disk` noted.
    """
    stem = os.path.splitext(name)[0]
    base = _SHARD.sub("", stem)
    if name.endswith(".arrow") and base == "data":  # save_to_disk's
        return "default", above[-1] if above else saved_split or "train"
    if name.endswith(".arrow") and "config_name" in info and "-" in base:  # load_dataset's
        return info["config_name"] or "default", base.rsplit("-", 1)[1]
    folders = [part for part in above if part != "data"]
    if base != stem:  # a shard is named after its split, whatever that is
        split = base
    elif folders and _known_split(folders[-1]):
        split = _known_split(folders.pop())
    else:
        split = _known_split(base)
    return "/".join(folders) or "default", split or "train"


def _known_split(name: str) -> str | None:
    """The split whose name is a word of another name, such as "images_val-2"."""
    return next((_SPLITS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLITS), None)


def _snapshot(repository: str) -> str | None:
    """The newest snapshot of a repository in the cache of the hub; None without any."""
    snapshots = os.path.join(repository, "snapshots")
    main = os.path.join(repository, "refs", "main")
    if os.path.isfile(main):
        with open(main, encoding="ascii", errors="replace") as file:
            folder = os.path.join(snapshots, os.path.basename(file.read().strip()))
        if os.path.isdir(folder):
            return folder
    found = [entry for entry in os.scandir(snapshots) if entry.is_dir()] if os.path.isdir(snapshots) else []
    return max(found, key=lambda entry: entry.stat().st_mtime).path if found else None


def _description(folder: str, name: str) -> dict[str, Any]:
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    return content
