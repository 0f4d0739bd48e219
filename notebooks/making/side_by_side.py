"""Run coroutines side by side, in a thread of their own: the main thread alone hears Ctrl-C, and tells them to end."""

import asyncio
import concurrent.futures
import signal
import threading
import time

MOMENT = 0.2  # seconds between two looks at whether they have ended: on Windows a wait without end hears no Ctrl-C


def run(coroutine):
    """Run a coroutine and return its result; Ctrl-C or a request to end cancels it.

    KeyboardInterrupt is raised once it has ended, with all that it had to tidy up.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    loop, begun = asyncio.SelectorEventLoop(), []  # the kind that a kernel's sockets need on Windows

    async def begin():
        begun.append(asyncio.current_task())
        return await coroutine

    def run_loop():
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(begin())

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(run_loop)
        try:
            return wait(future)
        except KeyboardInterrupt:
            while not begun and not future.done():
                time.sleep(MOMENT)
            loop.call_soon_threadsafe(begun[0].cancel)
            concurrent.futures.wait([future])
            raise


def wait(future):
    """Return the result of a future, looking at it from time to time."""
    while not future.done():
        concurrent.futures.wait([future], timeout=MOMENT)
    return future.result()


async def each(makers, at_once):
    """Await what each of `makers` makes, `at_once` at a time, begun in their order; return the results in that order.

    The first exception cancels those that run, and no other is begun.
    """
    permits, ended = asyncio.Semaphore(at_once), asyncio.Event()

    async def one(make):
        async with permits:
            if ended.is_set():
                return None
            try:
                return await make()
            except BaseException:
                ended.set()  # before the permit goes to the next
                raise

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(make)) for make in makers]
    except BaseExceptionGroup as found:
        raise found.exceptions[0] from None
    return [task.result() for task in tasks]
