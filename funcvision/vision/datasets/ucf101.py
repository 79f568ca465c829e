"""UCF101: actions of people in videos of the web (https://www.crcv.ucf.edu/data/UCF101.php)."""

import os

from ._action import SplitActionClips

__all__ = ["UCF101"]


class UCF101(SplitActionClips):
    """Clips of 13,320 videos of 101 actions (Soomro et al. 2012, https://arxiv.org/abs/1212.0402).

    `dataset[index]` is a clip, uint8 `[time, height, width, 3]`; its sound, float32 `[samples, channels]`, which is
    `[0, 1]` where the video has none; and the label of the action. Classes are sorted by name.

    The archives are unpacked by hand: `UCF101.rar` to `root/<class>/<video>.avi`, and
    `UCF101TrainTestSplits-RecognitionTask.zip`, from the same page, to `annotation_path`.

    Args:
        root: the folder of the class folders.
        annotation_path: the folder of the lists, `trainlist01.txt` and so on.
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
        ValueError: an option is out of range.
    """

    def _videos_of_split(self, folder: str) -> set[str]:
        path = os.path.join(folder, f"{'train' if self.train else 'test'}list{self.fold:02}.txt")
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"UCF101 needs {path}: unpack UCF101TrainTestSplits-RecognitionTask.zip from "
                f"https://www.crcv.ucf.edu/data/UCF101.php there"
            )
        with open(path, encoding="utf-8") as file:
            names = [line.split()[0] for line in file if line.strip()]
        return {os.path.join(self.root, *name.split("/")) for name in names}
