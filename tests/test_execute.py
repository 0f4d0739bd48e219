"""notebooks/execute.py: own pairs, figures, solutions, a cell that fails, a kernel that dies, Ctrl-C, wrong words."""

import base64
import io
import json
import pickle
import re
import signal
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from making import figures, kernel
from nbconvert import HTMLExporter
from PIL import Image

from tests import processes
from tests.execution import execute


@pytest.mark.parametrize("names", [("06",), ("03", "05", "06", "14")])
@pytest.mark.stress
def test_own_pairs_are_trained_on_searched_and_reported(project, tmp_path, names):
    rng = np.random.default_rng(0)
    clean = rng.random((200, 28, 28)) > 0.8
    for name, array in (("X", clean + rng.random((200, 28, 28))), ("Y", clean * 1.0)):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(array))
    code, printed = execute(project, *names, DENOISE_PAIRS="X.pkl,Y.pkl")
    assert code == 0, printed[-4000:]
    assert (project / "build" / "tiny" / "models" / "pairs_cap_baseline.h5").is_file()
    if "14" in names:
        assert "pairs_cap_baseline.h5" in (project / "build" / "tiny" / "reports" / "budget.md").read_text()


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels_of(output):
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    return np.asarray(image.convert("RGB"))


def notebook_of(*pictures, source="plot()"):
    """Return a notebook with one cell that shows the pictures."""
    shown = [
        nbformat.v4.new_output("display_data", {"image/png": png_of(pixels), "text/plain": "<Figure size 1x1>"})
        for pixels in pictures
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, outputs=shown)])


@pytest.mark.parametrize("levels", [6, 200, 256])
def test_figures_are_stored_in_their_exact_colours(levels, rng):
    gray = np.repeat(rng.integers(0, levels, (90, 100, 1), dtype=np.uint8), 3, axis=-1)
    colours = rng.integers(0, 256, (levels, 3), dtype=np.uint8)[rng.integers(0, levels, (90, 100))]
    photograph = rng.integers(0, 256, (90, 100, 3), dtype=np.uint8)
    opaque = np.concatenate([photograph, np.full((90, 100, 1), 255, np.uint8)], axis=-1)
    pictures = (gray, colours, photograph, opaque)
    notebook = notebook_of(*pictures)
    before = len(nbformat.writes(notebook))
    assert figures.store(notebook) == 1
    for pixels, output in zip(pictures, notebook.cells[0].outputs, strict=True):
        np.testing.assert_array_equal(pixels_of(output), pixels[..., :3])
    assert len(nbformat.writes(notebook)) < before


def test_figures_of_a_notebook_that_shows_too_much_have_fewer_pixels_of_the_same_colours(rng):
    large = rng.integers(0, 256, (420, 500, 3), dtype=np.uint8)
    lines = [(255, 127, 14), (214, 39, 40), (148, 103, 189)]
    for row, colour in enumerate(lines):
        large[100 + 10 * row : 110 + 10 * row] = colour
    small = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    notebook = notebook_of(large, small)
    assert len(nbformat.writes(notebook)) > figures.MOST
    scale = figures.store(notebook)
    assert 0.5 <= scale < 1 and len(nbformat.writes(notebook)) <= figures.MOST
    first, second = notebook.cells[0].outputs
    assert pixels_of(first).shape == (round(420 * scale), round(500 * scale), 3)
    assert first.metadata["image/png"] == {"width": 500, "height": 420}, "it is shown as large as before"
    for row, colour in enumerate(lines):
        assert tuple(pixels_of(first)[round((105 + 10 * row) * scale), 50]) == colour
    np.testing.assert_array_equal(pixels_of(second), small)


def test_the_first_line_of_a_cell_becomes_what_is_read_of_its_figure(rng):
    picture = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    notebook = notebook_of(picture, source='# Figure: Two "lines" meet.\nplot()')
    notebook.cells += notebook_of(picture).cells
    figures.store(notebook)
    nbformat.validate(notebook)
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    assert BeautifulSoup(page, "html.parser").find("img")["alt"] == 'Two "lines" meet.'
    assert [cell.outputs[0].data["text/plain"] for cell in notebook.cells] == [
        'Two "lines" meet.',
        "<Figure size 1x1>",
    ]


ASKING = """# %% tags=["exercise"]
answer = ...

# %%
print("between")

# %% tags=["check"]
from denoise_utils import lessons
lessons.check(answer, 3, "count")

# %% tags=["exercise"]
def double(number):
    return ...

# %% tags=["check"]
lessons.check(lambda: double(2), 4, "twice")
"""
SOLVED = "# %% exercise 1\nanswer = 3\n\n# %% exercise 2\ndef double(number):\n    return 2 * number\n"


@pytest.mark.stress
def test_solutions_are_put_in_and_held_to_the_checks(project):
    text = project / "notebooks" / "text" / "00_asking.py"
    solutions = project / "notebooks" / "solutions" / "00_asking.py"
    solutions.parent.mkdir(exist_ok=True)
    text.write_text(ASKING)
    solutions.write_text(SOLVED)
    code, printed = execute(project, "--solutions", "00_asking")
    assert code == 0, printed
    assert "The slowest cells:\n" in printed and re.search(r"^ +\d+ s  00_asking: ", printed, re.M)
    cells = json.loads((project / "build" / "tiny" / "solutions" / "00_asking.ipynb").read_text())["cells"]
    assert cells[0]["source"] == ["answer = 3"] and cells[-1]["outputs"][0]["text"] == ["right\n"]
    solutions.write_text(SOLVED.replace("2 * number", "number"))
    code, printed = execute(project, "--solutions", "00_asking")
    assert code == 1
    assert 'Failed in 00_asking, exercise 2: expected its check to print "right", got: not yet: twice' in printed
    solutions.write_text(SOLVED.partition("# %% exercise 2")[0])
    code, printed = execute(project, "--solutions", "00_asking")
    assert code == 2 and "Expected a solution for each of the 2 exercises of 00_asking, got 1." in printed
    code, printed = execute(project, "00_asking")
    assert code == 0, printed
    assert "not answered yet" in (project / "build" / "tiny" / "notebooks" / "00_asking.ipynb").read_text()


def test_first_error_stops_and_names_the_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_broken.py").write_text(
        "# %% [markdown]\n# # Broken\n\n# %%\nx = 1\n\n# %%\nprint('so far')\ny = x / 0\n"
    )
    code, printed = execute(project, "--at-once", "1", "00_broken", "01")
    assert code == 1
    assert "Failed in 00_broken, code cell 2 (print('so far'))" in printed and "ZeroDivisionError" in printed
    assert "01_load_data" not in printed
    kept = json.loads((project / "build" / "failed" / "00_broken.ipynb").read_text())
    assert "so far" in json.dumps(kept["cells"][2]["outputs"])
    assert not (project / "notebooks" / "00_broken.ipynb").exists()


def test_kernel_that_dies_is_named_by_its_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_dying.py").write_text("# %%\nprint('one')\n\n# %%\nx = 1\n\n# %%\nimport os\nos._exit(9)\n")
    code, printed = execute(project, "00_dying")
    assert code == 1 and "Failed in 00_dying, code cell 3 (import os)" in printed


SLOW = "# %%\nfrom pathlib import Path\nimport time\nPath('begun').touch()\nwhile True:\n    time.sleep(1)\n"
BREAKS = """# %%
from pathlib import Path
import time
while not Path("begun").exists():
    time.sleep(0.01)
1 / 0
"""


def test_an_error_ends_the_notebook_beside_it_and_none_is_begun_after_it(project):
    for name, text in {"00_breaks": BREAKS, "00_slow": SLOW, "00_third": "# %%\nprint(3)\n"}.items():
        (project / "notebooks" / "text" / f"{name}.py").write_text(text)
    code, printed = execute(project, "--at-once", "2", "00_breaks", "00_slow", "00_third")
    assert code == 1 and "Failed in 00_breaks, code cell 1" in printed and "ZeroDivisionError" in printed
    assert "00_slow, cell 1/1" in printed and "00_third" not in printed


ALONE = """# %%
x = 1

# %% tags=["timing"]
print("timed")
"""


def test_a_notebook_that_measures_time_is_executed_alone_and_last(project):
    for name, text in {"00_timed": ALONE, "01_other": "# %%\nimport time\ntime.sleep(1)\n"}.items():
        (project / "notebooks" / "text" / f"{name}.py").write_text(text)
    code, printed = execute(project, "--at-once", "2", "00_timed", "01_other")
    assert code == 0, printed
    assert "Executing 2 notebooks, 2 at once" in printed
    assert printed.index("[2/2] 01_other, cell 1/1") < printed.index("[1/2] 00_timed, cell 1/2")


def test_no_notebook_at_once_is_refused(project):
    code, printed = execute(project, "--at-once", "0", "00")
    assert code == 2 and "expected one notebook at once, or more, got 0" in printed


STOPPED = "Stopped. What was finished is kept: the same command goes on from there."

TRAINED = """# %%
import time
from pathlib import Path
import numpy as np
from denoise_utils import models, profiles, training
from denoise_utils.running import callbacks
images = np.random.default_rng(0).random((200, 28, 28, 1), dtype=np.float32)
data = (images, images), (images[:60], images[:60])
build, runs = (lambda: models.capped_autoencoder(8, 1)), profiles.load_profile().runs
first = training.train(build, *data, name="first", runs=runs, record={}, epochs=1)
begin = callbacks.SaveEpoch.on_epoch_begin
def wait_and_begin(self, epoch, logs=None):
    while epoch == 2 and not Path("go").exists():
        time.sleep(0.01)
    begin(self, epoch, logs)
callbacks.SaveEpoch.on_epoch_begin = wait_and_begin
second = training.train(build, *data, name="second", runs=runs, record={}, epochs=3, batch_size=32)
"""


@pytest.mark.stress
def test_interrupted_execution_goes_on_where_it_was(project):
    (project / "notebooks" / "text" / "00_trained.py").write_text(TRAINED)
    program = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", "00_trained"]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=project)
    runs = project / "build" / "tiny" / "runs"
    try:
        processes.wait_for(lambda: list(runs.glob("second-*/history.json")), process)
        process.send_signal(signal.SIGINT)  # Ctrl-C
        said = process.communicate()[1]
    finally:
        process.kill()
    assert process.returncode == 130 and said.strip() == STOPPED, said
    assert not list(runs.glob("second-*/scores.json")), "it must have been interrupted, or this test proves nothing"
    assert not list((project / "build" / "tiny").glob("notebooks/*"))
    (project / "notebooks" / "go").touch()
    code, printed = execute(project, "00_trained")
    assert code == 0, printed[-2000:]
    cell = json.loads((project / "build" / "tiny" / "notebooks" / "00_trained.ipynb").read_text())["cells"][0]
    text = "".join("".join(output["text"]) for output in cell["outputs"])
    assert "first: run" not in text and "second: run" in text and "goes on after epoch" in text


def test_unknown_names_and_profiles_are_refused(project):
    code, printed = execute(project, "99")
    assert code == 2 and "expected the beginning of a notebook's name, got 99" in printed
    code, printed = execute(project, "--profile", "fast")
    assert code == 2 and 'expected the profile "quick" or "full", got "fast"' in printed


@pytest.mark.parametrize(
    "printed, kept", [("seed 2 ...   ", None), ("done\nseed 2 ...", "done\n"), ("and so on ...\n", "and so on ...\n")]
)
def test_progress_that_nothing_was_printed_over_is_dropped(printed, kept):
    stream = nbformat.v4.new_output("stream", text=printed)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("train()", outputs=[stream])])
    kernel.tidy(notebook)
    assert [output.text for output in notebook.cells[0].outputs] == ([kept] if kept else [])
