"""Damaged copies of files, for the tests of parsers."""

from collections.abc import Iterator

import numpy as np


def mutations(content: bytes, count: int = 200, seed: int = 0) -> Iterator[bytes]:
    """Copies of a file that were cut, emptied, flipped, overwritten, or whose parts were swapped or doubled."""
    random = np.random.default_rng(seed)
    yield b""
    for i in range(count - 1):
        first, second = sorted(int(n) for n in random.integers(0, len(content) + 1, 2))
        damaged = bytearray(content)
        match i % 6:
            case 0:
                del damaged[first:]
            case 1:
                damaged[min(first, len(content) - 1)] ^= 1 << int(random.integers(8))
            case 2:
                start = int(random.integers(0, min(len(content), 64)))  # most files start with sizes and counts
                damaged[start : start + 4] = random.bytes(4) if i % 4 else b"\xff\xff\xff\xff"
            case 3:
                damaged = damaged[second:] + damaged[first:second] + damaged[:first]
            case 4:
                damaged[first:first] = damaged[first:second]
            case _:
                damaged[first : first + 8] = bytes(8)
        yield bytes(damaged)
