"""notebooks/verify.py: what counts as the same, and the copy that is executed and compared."""

import json
import shutil
import subprocess
import sys

import pytest
from making import comparing

from tests.conftest import ROOT
from tests.execution import execute

SMALL = """# %% [markdown]
# # Small

# %%
from denoise_utils import lessons, profiles, saving
profile, seed = lessons.begin()

# %%
print("| model | PSNR |", "clutter", 28.314, sep="\\n")

# %% tags=["timing"]
import time
print(time.time())

# %% tags=["trains"]
import random
number = random.random()
print(number)
lessons.claim("a chance is below one", number < 1, f"{number}", profile)

# %%
card = saving.read_card(profile.models / "one.h5")
print((profile.shelf / "a_run").is_dir(), "architecture" in card["settings"], card["settings"]["epochs"])
"""


@pytest.mark.parametrize(
    "old, new",
    [
        ("28.31 dB", "28.32 dB"),
        ("PSNR (dB): 28.3", "PSNR (dB):  28.30"),
        ("3,369 parameters", "3,368 parameters"),
        ("1.2e-4", "1.3e-4"),
        ("-0.5", "-0.5"),
    ],
)
def test_numbers_agree_within_one_unit_of_the_last_digit(old, new):
    assert comparing.compare_texts(old, new) is None


@pytest.mark.parametrize(
    "old, new",
    [
        ("28.31 dB", "28.33 dB"),
        ("28.31 dB", "28.31"),
        ("3,369 parameters", "3,367 parameters"),
        ("1.2e-4", "1.4e-4"),
        ("-0.5", "0.5"),
        ("small 28.31", "big 28.31"),
        ("28.31", "nan"),
    ],
)
def test_other_words_and_numbers_are_differences(old, new):
    assert old.split()[0] in comparing.compare_texts(old, new) or "dB" in comparing.compare_texts(old, new)


@pytest.fixture
def course(project):
    """A copy of the project with one small notebook, "committed" as executed in the full profile."""
    shutil.rmtree(project / "notebooks" / "text")
    shutil.rmtree(project / "notebooks" / "solutions", ignore_errors=True)
    (project / "notebooks" / "text").mkdir()
    (project / "notebooks" / "text" / "00_small.py").write_text(SMALL)
    (project / "models" / "runs" / "a_run").mkdir(parents=True)
    shutil.copy(ROOT / "models" / "clutter_small.h5", project / "models" / "one.h5")
    shutil.copy(ROOT / "models" / "clutter_small.json", project / "models" / "one.json")
    code, printed = execute(project, "--profile", "full")
    assert code == 0, printed
    return project


def verify(project, *words):
    program = [sys.executable, project / "notebooks" / "verify.py", *words]
    done = subprocess.run(program, capture_output=True, text=True, cwd=project)
    return done.returncode, done.stdout + done.stderr


def change(project, before, after):
    """Change what the committed notebook shows."""
    path = project / "notebooks" / "00_small.ipynb"
    content = path.read_text()
    assert content.count(before) == 1
    path.write_text(content.replace(before, after))


@pytest.mark.stress
def test_committed_outputs_are_held_to_what_comes_out(course):
    committed = (course / "notebooks" / "00_small.ipynb").read_text()
    card = (course / "models" / "one.json").read_text()
    code, printed = verify(course)
    assert code == 0 and "1 notebooks executed in build/verify/, 0 differences" in printed, printed
    assert (course / "build" / "verify" / "notebooks" / "00_small.ipynb").is_file()
    change(course, '28.314\\n"', '28.319\\n"')
    change(course, '"holds: a chance is below one', '"holds: a chance is above one')
    changed = (course / "notebooks" / "00_small.ipynb").read_text()
    code, printed = verify(course, "00")
    assert code == 1 and "2 differences" in printed
    assert '00_small, code cell 2 (print("| model | PSNR |"' in printed and "28.319, now 28.314" in printed
    assert "code cell 4 (import random): its claims were ['a chance is above one']" in printed
    assert changed != committed and changed == (course / "notebooks" / "00_small.ipynb").read_text()
    assert card == (course / "models" / "one.json").read_text()


@pytest.mark.stress
def test_from_nothing_no_finished_training_counts(course):
    code, printed = verify(course, "--from", "nothing")
    assert code == 0 and "0 differences" in printed, "only the claims are compared"
    path = course / "build" / "verify" / "notebooks" / "00_small.ipynb"
    cells = json.loads(path.read_text())["cells"]
    assert "".join(cells[-1]["outputs"][0]["text"]) == "False False 12\n"
    committed = json.loads((course / "notebooks" / "00_small.ipynb").read_text())["cells"]
    assert "".join(committed[-1]["outputs"][0]["text"]) == "True True 12\n"
