"""Batches, the bounded queue, deadlines and fairness, with functions in place of models."""

import asyncio
import threading
import time

import numpy as np
import pytest

from funcvision.serve.batching import Batcher, Worker
from funcvision.serve.errors import ServeError


class Doubling:
    """Doubles rows, records the sizes of batches, and waits while it is closed."""

    def __init__(self, *, closed=False):
        self.sizes = []
        self.gate = threading.Event()
        if not closed:
            self.gate.set()

    def __call__(self, rows):
        self.sizes.append(len(rows[0]))
        self.gate.wait(10)
        return [2 * rows[0], rows[0].sum(-1)]


def rows(count, value=1.0, width=2):
    return [np.full((count, width), value)]


def batcher(run, *, workers=1, max_delay=0.0, max_queue=64):
    found = Batcher(max_delay=max_delay, max_queue=max_queue)
    found.scale([Worker(run) for _ in range(workers)])
    return found


async def ask(batches, inputs, *, limit=4, seconds=10.0):
    with batches.place() as place:
        return await batches.submit(place, inputs, limit=limit, deadline=time.monotonic() + seconds)


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_each_request_gets_its_own_rows():
    async def main():
        run = Doubling(closed=True)
        batches = batcher(run)
        asked = [asyncio.create_task(ask(batches, rows(1 + i % 2, i))) for i in range(9)]
        await until(lambda: batches.waiting == 8)
        run.gate.set()
        for i, (double, total) in enumerate(await asyncio.gather(*asked)):
            np.testing.assert_array_equal(double, rows(1 + i % 2, 2 * i)[0])
            np.testing.assert_array_equal(total, np.full(1 + i % 2, 2.0 * i))
        assert run.sizes == [1, 4, 4, 4]  # the first was alone; then 2 + 1 + 1 rows, and so on
        assert batches.requests == 0

    asyncio.run(main())


def test_rows_of_other_shapes_are_other_batches():
    async def main():
        run = Doubling(closed=True)
        batches = batcher(run)
        first = asyncio.create_task(ask(batches, rows(1)))
        await until(lambda: run.sizes)
        others = [asyncio.create_task(ask(batches, rows(1, width=2 + i % 2))) for i in range(4)]
        await until(lambda: batches.waiting == 4)
        run.gate.set()
        await first
        assert [len(double[0]) for double, _ in await asyncio.gather(*others)] == [2, 3, 2, 3]
        assert run.sizes == [1, 2, 2]

    asyncio.run(main())


def test_a_lone_request_does_not_wait():
    async def main():
        batches = batcher(Doubling(), max_delay=60)
        await asyncio.wait_for(ask(batches, rows(1)), 5)

    asyncio.run(main())


def test_a_batch_waits_for_a_request_that_is_being_decoded():
    async def main():
        run = Doubling()
        batches = batcher(run, max_delay=60)
        with batches.place() as place:  # its image is being decoded
            first = asyncio.create_task(ask(batches, rows(1)))
            await until(lambda: batches.waiting == 1)
            await asyncio.sleep(0.05)
            assert run.sizes == []
            await batches.submit(place, rows(1), limit=4, deadline=time.monotonic() + 10)
        await first
        assert run.sizes == [2]

        with batches.place():  # this one is refused, and leaves its place
            second = asyncio.create_task(ask(batches, rows(1)))
            await until(lambda: batches.waiting == 1)
        await asyncio.wait_for(second, 5)

    asyncio.run(main())


def test_it_waits_no_longer_than_the_delay():
    async def main():
        batches = batcher(Doubling(), max_delay=0.05)
        with batches.place():
            begin = time.monotonic()
            await ask(batches, rows(1))
            assert time.monotonic() - begin >= 0.045

    asyncio.run(main())


def test_a_full_queue():
    async def main():
        run = Doubling(closed=True)
        batches = batcher(run, max_queue=3)
        asked = [asyncio.create_task(ask(batches, rows(1))) for _ in range(3)]
        await until(lambda: batches.waiting == 2)
        with pytest.raises(ServeError, match="queue of the model is full") as error:
            await ask(batches, rows(1))
        assert error.value.status == 503
        assert error.value.retry_after >= 1
        run.gate.set()
        await asyncio.gather(*asked)
        await ask(batches, rows(1))

    asyncio.run(main())


def test_deadlines():
    """A request that gives up while it waits is not computed; one that is being computed is answered with 504."""

    async def main():
        run = Doubling(closed=True)
        batches = batcher(run)
        running = asyncio.create_task(ask(batches, rows(1), seconds=0.2))
        await until(lambda: run.sizes == [1])
        waiting = asyncio.create_task(ask(batches, rows(1), seconds=0.1))
        for task in (running, waiting):
            with pytest.raises(ServeError) as error:
                await task
            assert error.value.status == 504
        assert batches.waiting == 0
        run.gate.set()
        await ask(batches, rows(3))
        assert run.sizes == [1, 3]

    asyncio.run(main())


def test_a_client_that_goes_away():
    async def main():
        run = Doubling(closed=True)
        batches = batcher(run)
        first, second, third = (asyncio.create_task(ask(batches, rows(1, i))) for i in range(3))
        await until(lambda: batches.waiting == 2)
        second.cancel()
        await until(lambda: batches.waiting == 1)
        assert batches.requests == 2
        run.gate.set()
        await first
        np.testing.assert_array_equal((await third)[0], rows(1, 4)[0])
        assert run.sizes == [1, 1]

    asyncio.run(main())


def test_an_error_of_the_model_reaches_its_requests_only():
    async def main():
        def run(rows):
            if rows[0][0, 0] == 1:
                raise RuntimeError("out of memory")
            return [rows[0]]

        batches = batcher(run)
        with pytest.raises(RuntimeError, match="out of memory"):
            await ask(batches, rows(1, 1))
        await ask(batches, rows(1, 0))

    asyncio.run(main())


def test_workers():
    """Each runs one batch at a time. One that is taken away finishes its batch; without any, requests are refused."""

    async def main():
        run = Doubling(closed=True)
        batches = batcher(run, workers=2)
        asked = [asyncio.create_task(ask(batches, rows(1), limit=1)) for _ in range(3)]
        await until(lambda: len(run.sizes) == 2)
        assert batches.waiting == 1
        batches.scale(batches.workers[:1])
        run.gate.set()
        await asyncio.gather(*asked)
        batches.scale([])
        with pytest.raises(ServeError, match="no worker") as error:
            await ask(batches, rows(1))
        assert error.value.status == 503

    asyncio.run(main())


def test_an_unregistered_model():
    async def main():
        run = Doubling(closed=True)
        batches = batcher(run)
        running = asyncio.create_task(ask(batches, rows(1)))
        await until(lambda: run.sizes)
        waiting = asyncio.create_task(ask(batches, rows(1)))
        await until(lambda: batches.waiting == 1)
        batches.close()
        with pytest.raises(ServeError, match="unregistered"):
            await waiting
        run.gate.set()
        np.testing.assert_array_equal((await running)[0], rows(1, 2)[0])
        with pytest.raises(ServeError, match="unregistered"):
            await ask(batches, rows(1))

    asyncio.run(main())


def test_a_slow_model_does_not_starve_another():
    async def main():
        slow, quick = Doubling(closed=True), Doubling()
        first, second = batcher(slow), batcher(quick)
        stuck = [asyncio.create_task(ask(first, rows(1))) for _ in range(20)]
        await until(lambda: first.waiting == 19)
        for _ in range(20):
            await asyncio.wait_for(ask(second, rows(1)), 5)
        slow.gate.set()
        await asyncio.gather(*stuck)

    asyncio.run(main())
