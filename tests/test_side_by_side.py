"""notebooks/making/side_by_side.py: how many at once, in which order, and what an error or Ctrl-C does."""

import asyncio
import os
import signal
import threading
from functools import partial

import pytest
from making import side_by_side


def test_results_come_in_order_and_no_more_than_allowed_run_at_once():
    running, most, begun = set(), [], []

    async def one(number):
        running.add(number)
        begun.append(number)
        most.append(len(running))
        await asyncio.sleep(0.03 / number)
        running.discard(number)
        return number

    found = side_by_side.run(side_by_side.each([partial(one, n) for n in (1, 2, 3, 4, 5)], 2))
    assert found == begun == [1, 2, 3, 4, 5]
    assert max(most) == 2


def test_the_first_error_cancels_the_others_and_begins_none():
    told = []

    async def fails():
        raise ValueError("no")

    async def waits():
        try:
            await asyncio.sleep(100)
        finally:
            told.append("tidied up")

    async def late():
        told.append("late")

    with pytest.raises(ValueError, match="no"):
        side_by_side.run(side_by_side.each([waits, fails, late], 2))
    assert told == ["tidied up"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself Ctrl-C alone")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_what_runs_and_is_raised_after_it_tidied_up(sent):
    told, before = [], signal.getsignal(signal.SIGTERM)

    async def waits():
        threading.Timer(0.1, os.kill, (os.getpid(), sent)).start()
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.05)
            told.append("tidied up")

    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side.run(waits())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == ["tidied up"]
