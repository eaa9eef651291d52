"""Ids grow whatever the clock does: order and uniqueness stand on them."""

import threading

import time_machine

from hub.model.ids import IdSource, is_id

NOON = 1_780_000_000.0
HOUR = 3600.0


def test_ids_grow_over_a_clock_that_jumps_an_hour_back_and_forth():
    source = IdSource()
    made = []
    for moment in (NOON, NOON + HOUR, NOON, NOON - HOUR, NOON + 2 * HOUR, NOON + HOUR):
        with time_machine.travel(moment, tick=False):
            made += [source.next() for _ in range(1_000)]
    assert made == sorted(set(made))
    assert all(is_id(one) for one in made)


def test_a_clock_that_stands_still_runs_out_of_no_numbers():
    source = IdSource()
    with time_machine.travel(NOON, tick=False):
        made = [source.next() for _ in range(10_000)]  # more than a millisecond's 4,096
    assert made == sorted(set(made))


def test_threads_share_no_id():
    source = IdSource()
    made: list[str] = []

    def draw() -> None:
        made.extend(source.next() for _ in range(2_000))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(made)) == len(made) == 8_000
