# %% exercise 1
answer_1 = 18


# %% exercise 2
def schedule_with_start(trials, machines, start=10.0):
    """Return the wall time in seconds if each machine first needs `start` seconds."""
    free = [start] * machines
    for seconds in trials:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


# %% exercise 3
answer_3 = min(
    (n for n in range(1, 200) if schedule_with_start(trials, n) <= 120),
    key=lambda n: n * schedule_with_start(trials, n),
)
