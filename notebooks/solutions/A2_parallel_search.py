# %% exercise 1
answer_1 = 18


# %% exercise 2
def schedule_with_start(trials, ready):
    """Return the wall time in seconds on machines that can work from the seconds in `ready` on."""
    free, ends = sorted(ready), []
    for seconds in trials:
        ends.append(free[0] + seconds)
        heapq.heapreplace(free, ends[-1])
    return max(ends)


# %% exercise 3
walls = {n: schedule_with_start(trials, [10.0] * n) for n in range(1, 200)}
answer_3 = min((n for n in walls if walls[n] <= 120), key=lambda n: n * walls[n])
