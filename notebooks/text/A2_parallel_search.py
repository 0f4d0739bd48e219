# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A2. Parallel search: do more machines search faster?
#
# The search of notebook 05 trains one model after another. Trials do not need each other, so several processes, or several machines, can share them. How much faster does that make a search? What happens when a machine dies?
#
# **You will learn** how a chief and its workers share a search, what a killed worker costs, and when more machines stop helping.
#
# **You need** notebook 05.
#
# **It takes** about 2 minutes in the full profile, at most one in the quick one.

# %%
# The same in every notebook: find the course beside this file, or install it (Colab, Kaggle).
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = "https://github.com/OWNER/denoising-3600"
if Path("../denoise_utils").is_dir():
    sys.path.insert(0, "..")
if not importlib.util.find_spec("denoise_utils"):
    if "/OWNER/" in REPOSITORY:
        raise SystemExit("Run this notebook in a clone of the course: its address is missing.")
    wanted = f"denoise-utils[course] @ git+{REPOSITORY}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", wanted], check=True)
    if "google.colab" in sys.modules:
        print("Colab: Keras was upgraded. If an import fails: Runtime > Restart session.")

from denoise_utils import lessons

lessons.start_keras()  # some seconds, and none of TensorFlow's remarks

# %% [markdown]
# ## Begin
#
# Processes and threads are part of Python; their supervisor is the course's own.

# %%
import heapq
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

from IPython.display import Markdown

from denoise_utils import evaluation, lessons, noise, profiles, search

profile, seed = lessons.begin()

# %% [markdown]
# ## One process
#
# First a search of four trials as you know it, from nothing, in a temporary folder. All others are compared with its time.

# %% tags=["trains"]
grid = {"filters": [12, 20], "depth": [1], "optimizer": ["adam"], "batch_size": [32, 128]}
grid |= {"learning_rate": [4e-3], "epochs": [profile.pick(4, 1)]}
sizes = {"num_train": profile.search_train, "num_val": profile.search_val, "num_test": 1}
pairs = noise.load_task(noise.assignment_task(), **sizes, seed=seed)
results, walls, starts = {}, {}, {}
with tempfile.TemporaryDirectory() as folder:
    begun = time.perf_counter()
    results["one process"] = search.search(grid, profiles.CAP, pairs, runs=folder, seed=seed).rows
    walls["one process"] = time.perf_counter() - begun

# %% [markdown]
# ## A chief and two workers
#
# One process, the *chief*, trains nothing. It hands out trials and keeps the ledger. The *workers* ask it for a trial, train, report, and ask again. All are processes of their own, each with its own TensorFlow. In a shell you would write:
#
#     python -m denoise_utils search --workers 2
#
# Keras Tuner brings chief and workers. But alone it waits for ever for a worker that died. So a supervisor starts a dead worker again, under its old name.
#
# The cell measures two workers. In the second run, a thread kills one of them in the middle of a trial, without a warning.
#
# **Predict:** are two workers twice as fast as one process? By how much does the kill slow them down? Does it change a result?


# %%
def kill_one(folder):
    """Kill the first worker as soon as it has begun a trial."""
    logs = Path(folder).glob
    while not any("\ntrial " in log.read_text() for log in logs("*/logs/worker1.log")):
        time.sleep(0.05)
    next(one for one in multiprocessing.active_children() if one.name == "worker1").kill()


# %% [markdown]
# The folder of a search holds the ledger and the workers' logs.


# %% tags=["trains"]
def measure(title, kill=False):
    """Search with two workers from nothing; note rows, time and how often trials began."""
    with tempfile.TemporaryDirectory() as folder:
        if kill:
            threading.Thread(target=kill_one, args=[folder], daemon=True).start()
        begun, options = time.perf_counter(), {"runs": folder, "num_workers": 2, "seed": seed}
        results[title] = search.search(grid, profiles.CAP, pairs, **options).rows
        walls[title] = time.perf_counter() - begun
        logs = [log.read_text() for log in Path(folder).glob("*/logs/worker*.log")]
        starts[title] = sum(log.count(".json: ") for log in logs)  # a line for each start


for name in profile.pick(["two workers", "two, one killed"], ["two, one killed"]):
    measure(name, kill="killed" in name)

# %% [markdown]
# Wall time holds the start of the processes:

# %% tags=["timing"]
rows = [
    {"name": title, "wall": wall, "begun": starts.get(title, len(results[title]))}
    | {"each": sum(row["seconds"] for row in results[title]) / len(results[title])}
    for title, wall in walls.items()
]
columns = {"name": ("search", "{}"), "wall": ("wall time (s)", "{:.0f}")}
columns |= {"begun": ("trials begun", "{}"), "each": ("seconds a trial", "{:.1f}")}
Markdown(evaluation.format_table(rows, columns, f"four trials; {pairs.label}"))

# %% [markdown]
# On this machine two workers gained nothing; each line was measured once. A trial takes longer beside another: they share the cores. And the rounds of trials are not all of the time. The rest is no training: starting TensorFlow in each worker is part of it. How large a part, we did not measure. The kill costs one more start and the one trial that was under way: some seconds here.
#
# But are the results the same?


# %% tags=["trains"]
def losses(rows):
    """Return the validation losses of a search by its settings."""
    return {tuple(row[axis] for axis in grid): row["val_history"] for row in rows}


alike = all(losses(rows) == losses(results["one process"]) for rows in results.values())
told = f"equal: {alike}"
lessons.claim("here processes and kills change no result, to the bit", alike, told, profile)
again = starts["two, one killed"] - len(results["two, one killed"])
lessons.claim("the kill costs one trial", again == 1, f"begun twice: {again}", profile)

# %% [markdown]
# On one machine, settings and seed decide a trial, not who trains it: kill, restart and share without fear. Other processors may round differently.
#
# ## On paper: 10 and 1,000 machines
#
# The chief gives the next trial to the first machine that is free. So you can compute the time of a search without running it. `heapreplace` takes out the smallest number, the machine that is free first, and puts in a new one. An earlier search of this course had 112 trials on two cores. Half had 4 epochs, about 7 s each; half had 8, about 13 s. (They saw 8,000 pictures each, ours 6,000.)
#
# **Predict:** how long does the search take on 1, 10 and 1,000 such machines?


# %% tags=["timing"]
def schedule(trials, machines):
    free = [0.0] * machines  # the moment from which each machine is free
    for seconds in trials:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free), sum(moment > 0 for moment in free)


trials, rows = [7.0, 13.0] * 56, []
for machines in (1, 2, 10, 100, 1000):
    wall, used = schedule(trials, machines)
    row = {"machines": machines, "used": used, "wall": wall, "gain": sum(trials) / wall}
    rows.append(row | {"paid": machines * wall / 60})
columns = {"machines": ("machines", "{:,}"), "used": ("with a trial", "{}")}
columns |= {"wall": ("wall time (s)", "{:.0f}"), "gain": ("times as fast", "{:.1f}")}
Markdown(evaluation.format_table(rows, columns | {"paid": ("machine minutes paid", "{:.0f}")}))

# %% [markdown]
# Ten machines are nearly ten times as fast. A thousand take 13 s, the length of the longest trial: nothing can be shorter. Of them 888 never get a trial, and you pay for all. Starting TensorFlow on each, for which exercise 3 takes 10 s, is not even counted. From there on only shorter trials help: stop early, or drop the short trials that longer ones contain (notebook 05).
#
# ## Exercises
#
# ### Exercise 1 (easy): four machines
#
# Six trials take 6, 6, 6, 6, 12 and 12 seconds and are handed out in this order. How many seconds does the search take on four machines?

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it:

# %% tags=["check"]
hint = "Draw a line for each machine. When does the first one get free?"
lessons.check(answer_1, schedule([6, 6, 6, 6, 12, 12], 4)[0], hint)

# %% [markdown]
# ### Exercise 2 (medium): machines must start
#
# Machines get ready at different times: `ready` holds for each the second from which it can work. A machine that never gets a trial does not count. Change `schedule` so that it returns the wall time alone.


# %% tags=["exercise"]
def schedule_with_start(trials, ready):
    """Return the wall time in seconds on machines that can work from the seconds in `ready` on."""
    return ...


# %% [markdown]
# Check it:

# %% tags=["check"]
hint = "From which moment is each machine free for the first time?"
right = schedule([7, 7, 5], 1)[0]  # the second machine takes 10 to 17, the third nothing
lessons.check(lambda: schedule_with_start([7, 7, 7, 5], [0, 10, 40]), right, hint)

# %% [markdown]
# ### Exercise 3 (open): choose a number of machines
#
# The 112 trials must be done within two minutes. Every machine needs 10 s to start. You pay for every machine until the search ends. How many machines do you rent, to pay little? Use your `schedule_with_start`.

# %% tags=["exercise"]
answer_3 = ...

# %% [markdown]
# The check allows a tenth more than the cheapest number costs:


# %% tags=["check"]
def pays_little(machines):
    """Say whether so many machines are in time and within a tenth of the cheapest price."""
    walls = {n: schedule_with_start(trials, [10.0] * n) for n in range(1, 200)}
    price = {n: n * wall for n, wall in walls.items() if wall <= 120}
    return machines in price and price[machines] <= 1.1 * min(price.values())


lessons.check(answer_3, pays_little, "Print machines, wall time and price for 8 to 20 machines.")

# %% [markdown]
# ## What we learned
#
# - A chief hands out trials and keeps the ledger; workers train.
# - A killed worker costs its one trial, and no result.
# - On one machine, what is no training may eat the gain. More machines help until the longest trial is all that is left.
#
# **References**
#
# - T. O'Malley et al. (2019), *Keras Tuner*, [github.com/keras-team/keras-tuner](https://github.com/keras-team/keras-tuner).
# - R. L. Graham (1969), *Bounds on multiprocessing timing anomalies*, [doi:10.1137/0117039](https://doi.org/10.1137/0117039).
