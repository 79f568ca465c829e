"""HMDB51: actions of people in films (https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/)."""

import glob
import os
from typing import ClassVar

from ._action import SplitActionClips

__all__ = ["HMDB51"]


class HMDB51(SplitActionClips):
    """Clips of about 7,000 videos of 51 actions (Kuehne et al. 2011).

    `dataset[index]` is a clip, uint8 `[time, height, width, 3]`; its sound, float32 `[samples, channels]`, which is
    `[0, 1]` since the videos have none; and the label of the action. Classes are sorted by name.

    The two archives are RAR files, which are unpacked by hand: `hmdb51_org.rar`, and the archive of each class in it,
    to `root/<class>/<video>.avi`; `test_train_splits.rar` to `annotation_path`.

    Args:
        root: the folder of the class folders.
        annotation_path: the folder of the lists, `<class>_test_split<fold>.txt`.
        frames_per_clip: the number of frames in a clip.
        step_between_clips: the number of frames from the start of a clip to the start of the next.
        frame_rate: frames in a second, to resample to; None keeps the frames.
        fold: which of the three splits: 1, 2 or 3.
        train: whether to take the videos for training, or those for testing.
        transform: called on the frames of every clip.
        num_workers: how many threads read the videos at first.
        output_format: "THWC".

    Attributes:
        classes: the names of the actions, in the order of their labels.
        samples: (path, label) of every video of all splits.
        indices: the numbers in `samples` of the videos of the split.
        video_clips: the clips of the split; see `VideoClips`.
        metadata: what is known of all videos, as `_precomputed_metadata` takes it.

    Raises:
        FileNotFoundError: `root` or a list is missing.
        ValueError: an option is out of range, or a list is damaged; the message names it.
    """

    data_url: ClassVar = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar"
    splits: ClassVar = {
        "url": "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
        "md5": "15e67781e70dcfbdce2d7dbb9b3344b5",
    }
    TRAIN_TAG: ClassVar = 1
    TEST_TAG: ClassVar = 2

    def _videos_of_split(self, folder: str) -> set[str]:
        lists = sorted(glob.glob(f"*test_split{self.fold}.txt", root_dir=folder))
        if not lists:
            raise FileNotFoundError(
                f"HMDB51 needs the lists *test_split{self.fold}.txt in {folder}: unpack {self.splits['url']} there"
            )
        wanted, names = str(self.TRAIN_TAG if self.train else self.TEST_TAG), set()
        for path in (os.path.join(folder, name) for name in lists):
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    words = line.split()
                    if words and (len(words) != 2 or not words[1].isdigit()):
                        raise ValueError(f"{path}, line {number}: expected a file name and a number, got {line!r}")
                    if words and words[1] == wanted:
                        names.add(words[0])
        return {path for path, _ in self.samples if os.path.basename(path) in names}
