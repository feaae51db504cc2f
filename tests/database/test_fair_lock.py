"""The fair lock: first come, first served; a thread that gives up leaves the queue."""

import random
import threading
import time

from registration.database.fair_lock import FairLock


def test_the_first_to_ask_has_the_first_turn():
    lock, order = FairLock(5), []

    def wait(number: int) -> None:
        assert lock.acquire()
        order.append(number)
        lock.release()

    assert lock.acquire()
    threads = [threading.Thread(target=wait, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)  # each is in the queue before the next one comes
    lock.release()
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_repeated_requests_never_overtake_a_waiting_one():
    lock, waited = FairLock(5), []

    def come(_number: int) -> None:
        for _ in range(40):
            started = time.monotonic()
            assert lock.acquire()
            waited.append(time.monotonic() - started)
            time.sleep(0.001)
            lock.release()

    threads = [threading.Thread(target=come, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordinary = sorted(waited)[len(waited) // 2]
    assert max(waited) < 20 * ordinary + 0.5


def test_a_waiter_that_gives_up_leaves_the_queue_and_blocks_nobody():
    lock = FairLock(0.1)
    assert lock.acquire()
    assert not lock.acquire()
    lock.release()
    assert lock.acquire()
    lock.release()


def test_no_turn_is_lost_or_given_twice_however_impatient_they_are():
    lock, inside, most, done = FairLock(0.002), [0], [0], [0]
    chance = random.Random(7)

    def come(_number: int) -> None:
        for _ in range(200):
            if lock.acquire():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(chance.random() * 0.001)
                inside[0] -= 1
                done[0] += 1
                lock.release()

    threads = [threading.Thread(target=come, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside[0], most[0]) == (0, 1)
    assert done[0] > 200
    assert lock.acquire(), "nobody has it, and nobody waits"
