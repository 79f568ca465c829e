"""Datasets and transforms that a spawned worker process can import. The imports here are few, to be quick."""

import multiprocessing.connection
import os
import signal
import time

import numpy as np


class Numbers:
    """Sample i is (an array full of i, i)."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(f"no sample {index}")
        return np.full((2, 3), index, np.float32), index


class PickyError(Exception):
    """An error that cannot be rebuilt from its pickle: its __init__ takes two arguments and passes one on."""

    def __init__(self, what, why):
        super().__init__(f"{what} because {why}")


class Faulty(Numbers):
    """Numbers, but reading sample `bad` fails in the way that `fault` names."""

    def __init__(self, length, bad, fault):
        super().__init__(length)
        self.bad, self.fault = bad, fault

    def __getitem__(self, index):
        if index == self.bad:
            match self.fault:
                case "raise":
                    raise KeyError("no such file")
                case "stop":
                    return next(iter(()))
                case "picky":
                    raise PickyError("broken", "it must be")
                case "exit":
                    os._exit(3)
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "hang":
                    time.sleep(3600)
                case "lambda":
                    return lambda: index
        return super().__getitem__(index)


class DiesWhileItSends(Numbers):
    """Reading any sample arranges that the process is killed when it has written half of its next message."""

    def __getitem__(self, index):
        def send_half(connection, message):
            os.write(connection.fileno(), message[: len(message) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        multiprocessing.connection.Connection._send = send_half
        return super().__getitem__(index)


class CannotBeRebuilt(Numbers):
    def __setstate__(self, state):
        raise OSError("the file is not here")


class Environment(Numbers):
    """A sample holds the platforms of jax in the process that loads it, and in processes started from there."""

    def __getitem__(self, index):
        import jax

        return {"here": jax.config.jax_platforms, "below": os.environ["JAX_PLATFORMS"]}


def add_noise(sample, *, key):
    image, label = sample
    return image + key.standard_normal(image.shape, np.float32), label


def list_of_labels(samples):
    return [label for _, label in samples]
