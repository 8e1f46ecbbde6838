"""A candidate's several workers: who writes what, and what follows when one is gone. Workers are stand-ins that obey the test."""

import asyncio

import pytest

from bakeoff.core.errors import (
    BakeoffError,
    EndpointFailed,
    EndpointTimeout,
    UsageError,
    WorkerDied,
    WorkerError,
    WorkerLost,
    WorkerNotStarted,
)
from bakeoff.study.plan import Trial
from bakeoff.study.pool import PoolWriter


class FakeWorker:
    """Starts when allowed to, writes when allowed to, ends when told to."""

    def __init__(self, *starts):
        self.starts = list(starts)  # an error, or None for one that succeeds
        self.loads = ()
        self.placed = asyncio.Event()
        self.placed.set()
        self.end = asyncio.get_running_loop().create_future()
        self.writes = asyncio.Event()
        self.writes.set()
        self.warm = asyncio.Event()
        self.warm.set()
        self.first_text = None  # the error that comes of it
        self.in_flight = self.most = self.written = self.opened = self.warmed = 0
        self.closed = False

    def seat(self, has_node):
        self.has_node = has_node
        return self

    async def start(self):
        await self.placed.wait()
        self.opened += 1
        error = self.starts.pop(0) if self.starts else None
        if error is not None:
            raise error
        self.end = asyncio.get_running_loop().create_future()

    async def warm_up(self):
        await self.warm.wait()
        self.warmed += 1
        if self.first_text is not None:
            raise self.first_text

    async def write(self, trial, messages, concurrency, first_token_s=None):
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.writes.wait()
            await asyncio.sleep(0)
            self.written += 1
            return trial.generation(text="t", finish_reason="stop")
        finally:
            self.in_flight -= 1

    async def until_gone(self):
        return await asyncio.shield(self.end)

    async def measure(self):
        pass

    async def close(self):
        self.closed = True


def pool_of(workers, told, room_within_s=5.0):
    seats = [worker.seat for worker in workers]
    return PoolWriter("m", seats, lambda kind, message: told.append(kind), room_within_s, lambda: "go on with: RUN")


def write(pool, number, concurrency=2):
    return pool.write(Trial(f"t{number}", "m", f"b{number}", 0, 0), (), concurrency)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def run(test):
    asyncio.run(asyncio.wait_for(test(), 20))


def test_texts_are_spread_and_no_worker_has_more_than_its_share():
    async def test():
        workers = [FakeWorker() for _ in range(3)]
        pool = pool_of(workers, [])
        await pool.open()
        await settle()
        await asyncio.gather(*(write(pool, number) for number in range(60)))
        assert sum(worker.written for worker in workers) == 60
        assert [worker.most for worker in workers] == [2, 2, 2]
        await pool.close()
        assert all(worker.closed for worker in workers)

    run(test)


def test_one_is_enough_to_begin_and_those_who_come_later_join():
    async def test():
        workers, told = [FakeWorker(), FakeWorker()], []
        workers[1].placed.clear()
        pool = pool_of(workers, told)
        await pool.open()
        workers[0].writes.clear()
        texts = [asyncio.create_task(write(pool, number)) for number in range(4)]
        await settle()
        assert workers[0].in_flight == 2
        workers[1].placed.set()
        await settle()
        assert told == ["worker_joined"]
        assert workers[1].written == 2  # those that waited
        workers[0].writes.set()
        await asyncio.gather(*texts)
        await pool.close()

    run(test)


def test_a_lost_worker_is_told_its_texts_fail_at_once_and_its_seat_is_filled_again():
    async def test():
        workers, told = [FakeWorker(), FakeWorker()], []
        pool = pool_of(workers, told)
        await pool.open()
        await settle()
        workers[0].writes.clear()
        workers[1].writes.clear()
        texts = [asyncio.create_task(write(pool, number)) for number in range(4)]
        await settle()
        workers[0].end.set_result(WorkerLost("its node is gone"))
        workers[1].writes.set()
        results = await asyncio.gather(*texts, return_exceptions=True)
        assert sum(isinstance(result, WorkerLost) for result in results) == 2
        await settle()
        assert told.count("worker_lost") == 1
        assert workers[0].opened == 2
        workers[0].writes.set()
        await pool.open()
        await write(pool, 9)
        await pool.close()

    run(test)


def test_an_idle_worker_that_died_is_told_once_by_the_next_open():
    async def test():
        workers = [FakeWorker(), FakeWorker()]
        pool = pool_of(workers, [])
        await pool.open()
        await settle()
        workers[1].end.set_result(WorkerDied("it ran out of memory"))
        await settle()
        with pytest.raises(WorkerDied, match="memory"):
            await pool.open()
        await pool.open()
        await pool.close()

    run(test)


def test_a_node_that_goes_while_a_worker_starts_there_costs_a_moment():
    async def test():
        told = []
        worker = FakeWorker(WorkerLost("its node is gone"), None)
        pool = pool_of([worker], told)
        await pool.open()
        assert told == ["worker_lost"]
        assert worker.opened == 2
        await write(pool, 0)
        await pool.close()

    run(test)


def test_an_error_of_the_text_is_the_texts_own():
    async def test():
        worker = FakeWorker()

        async def fail(*_arguments):
            raise EndpointFailed("500")

        worker.write = fail
        pool = pool_of([worker], [])
        await pool.open()
        with pytest.raises(EndpointFailed):
            await write(pool, 0)
        await pool.open()
        assert worker.opened == 1
        await pool.close()

    run(test)


def test_a_node_on_which_it_does_not_start_costs_that_node():
    async def test():
        told = []
        workers = [FakeWorker(UsageError("no such folder")), FakeWorker()]
        pool = pool_of(workers, told)
        await pool.open()
        await settle()
        assert told.count("worker_not_placed") == 1
        await asyncio.gather(*(write(pool, number) for number in range(6)))
        assert (workers[0].written, workers[1].written) == (0, 6)
        await pool.close()

    run(test)


def test_where_none_starts_the_reason_is_told():
    async def test():
        pool = pool_of([FakeWorker(UsageError("no such folder")) for _ in range(2)], [])
        with pytest.raises(UsageError, match="no such folder"):
            await pool.open()
        await pool.open()  # asked again, they start
        await pool.close()

    run(test)


def test_nobody_is_waited_for_for_ever():
    async def test():
        worker = FakeWorker()
        worker.placed.clear()
        pool = pool_of([worker], [], room_within_s=0.05)
        with pytest.raises(BakeoffError, match="was placed within") as caught:
            await pool.open()
        assert not isinstance(caught.value, WorkerError)  # which would be held against the model
        assert "then go on with: RUN" in caught.value.hint
        await pool.close()

    run(test)


def test_a_worker_that_has_a_node_may_start_there_for_longer():
    async def test():
        workers = [FakeWorker(), FakeWorker()]
        for worker in workers:
            worker.placed.clear()
        pool = pool_of(workers, [], room_within_s=0.05)
        opening = asyncio.create_task(pool.open())
        await settle()
        await workers[1].has_node()
        await asyncio.sleep(0.2)
        assert not opening.done()
        workers[1].placed.set()
        await opening
        await write(pool, 0)
        assert workers[1].written == 1
        await pool.close()

    run(test)


def test_a_worker_that_is_lost_while_it_starts_is_waited_for_as_long_as_is_left():
    async def test():
        told = []
        worker = FakeWorker(WorkerLost("its node is gone"))
        worker.placed.clear()
        pool = pool_of([worker], told, room_within_s=0.3)
        opening = asyncio.create_task(pool.open())
        await settle()
        await worker.has_node()
        await asyncio.sleep(0.4)
        worker.placed.set()  # and it is lost
        await settle()
        worker.placed.clear()
        assert told == ["worker_lost"]
        with pytest.raises(BakeoffError, match="was placed within"):
            await opening
        await pool.close()

    run(test)


def test_a_worker_writes_what_counts_once_it_is_warm_and_its_first_text_takes_no_time_of_placing():
    async def test():
        workers, told = [FakeWorker(), FakeWorker()], []
        workers[0].warm.clear()
        workers[1].placed.clear()
        pool = pool_of(workers, told, room_within_s=0.05)
        opening = asyncio.create_task(pool.open())
        await settle()
        await workers[0].has_node()
        await asyncio.sleep(0.2)  # four times as long as nobody may have a worker
        assert not opening.done()
        workers[0].warm.set()
        await opening
        await asyncio.gather(*(write(pool, number) for number in range(6)))
        workers[1].warm.clear()
        workers[1].placed.set()
        await settle()
        assert told == []
        await asyncio.gather(*(write(pool, number) for number in range(6)))
        assert (workers[0].written, workers[1].written) == (12, 0)
        workers[1].warm.set()
        await settle()
        assert told == ["worker_joined"]
        await asyncio.gather(*(write(pool, number) for number in range(6)))
        assert workers[1].written
        assert [worker.warmed for worker in workers] == [1, 1]
        await pool.close()

    run(test)


def test_a_worker_in_the_place_of_a_lost_one_is_warmed_up_too():
    async def test():
        workers = [FakeWorker(), FakeWorker()]
        pool = pool_of(workers, [])
        await pool.open()
        await settle()
        workers[0].end.set_result(WorkerLost("its node is gone"))
        await settle()
        assert [(worker.opened, worker.warmed) for worker in workers] == [(2, 2), (1, 1)]
        await pool.close()

    run(test)


def test_where_a_first_text_does_not_come_the_others_are_asked_for_and_where_it_kills_the_worker_did_not_start():
    async def test():
        told = []
        workers = [FakeWorker(), FakeWorker()]
        workers[0].first_text = EndpointTimeout("no first token")
        workers[1].first_text = WorkerDied("killed")
        pool = pool_of(workers, told)
        await pool.open()
        await settle()
        await asyncio.gather(*(write(pool, number) for number in range(6)))
        assert (workers[0].written, workers[1].written) == (6, 0)
        assert told == ["worker_not_placed"]
        await pool.close()

        pool = pool_of(workers[1:], [])
        with pytest.raises(WorkerDied, match="killed"):
            await pool.open()
        await pool.close()

    run(test)


def test_a_node_that_goes_before_the_first_text_is_waited_for_as_before():
    async def test():
        worker = FakeWorker()
        worker.first_text = WorkerLost("its node is gone")
        pool = pool_of([worker], [], room_within_s=0.1)
        worker.warm.clear()
        opening = asyncio.create_task(pool.open())
        await settle()
        worker.placed.clear()
        worker.warm.set()
        with pytest.raises(BakeoffError, match="was placed within"):
            await opening
        await pool.close()

    run(test)


def test_the_last_worker_that_does_not_come_back_ends_what_waits():
    async def test():
        worker = FakeWorker(None, UsageError("the disk is gone"))
        pool = pool_of([worker], [])
        await pool.open()
        worker.writes.clear()
        texts = [asyncio.create_task(write(pool, number)) for number in range(3)]
        await settle()
        worker.end.set_result(WorkerLost("its node is gone"))
        results = await asyncio.gather(*texts, return_exceptions=True)
        assert [type(result) for result in results] == [WorkerLost, WorkerLost, WorkerNotStarted]
        await pool.close()

    run(test)
