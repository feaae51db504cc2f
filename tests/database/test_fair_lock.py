"""Turns: first come, first served; who goes away leaves the queue; none is lost on the way."""

import random
import threading
import time

from registration.database.fair_lock import Turns


def test_whoever_asks_first_has_the_first_turn():
    turns, order = Turns(5), []

    def wait(number: int) -> None:
        assert turns.take()
        order.append(number)
        turns.give()

    assert turns.take()
    threads = [threading.Thread(target=wait, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)  # each is in the queue before the next one comes
    turns.give()
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_nobody_who_comes_again_and_again_overtakes_who_waits():
    turns, waited = Turns(5), []

    def come(_number: int) -> None:
        for _ in range(40):
            started = time.monotonic()
            assert turns.take()
            waited.append(time.monotonic() - started)
            time.sleep(0.001)
            turns.give()

    threads = [threading.Thread(target=come, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordinary = sorted(waited)[len(waited) // 2]
    assert max(waited) < 20 * ordinary + 0.5


def test_who_goes_away_leaves_the_queue_and_keeps_nobody_waiting():
    turns = Turns(0.1)
    assert turns.take()
    assert not turns.take()
    turns.give()
    assert turns.take()
    turns.give()


def test_no_turn_is_lost_or_given_twice_however_impatient_they_are():
    turns, inside, most, done = Turns(0.002), [0], [0], [0]
    chance = random.Random(7)

    def come(_number: int) -> None:
        for _ in range(200):
            if turns.take():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(chance.random() * 0.001)
                inside[0] -= 1
                done[0] += 1
                turns.give()

    threads = [threading.Thread(target=come, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside[0], most[0]) == (0, 1)
    assert done[0] > 200
    assert turns.take(), "nobody has it, and nobody waits"
