"""notebooks/execute.py: own pairs, a cell that fails, a kernel that dies, Ctrl-C, wrong words."""

import base64
import importlib.util
import io
import json
import pickle
import signal
import subprocess
import sys

import numpy as np
from PIL import Image

from tests import processes
from tests.conftest import ROOT
from tests.execution import execute


def test_own_pairs_are_searched_and_trained_on(project, tmp_path):
    rng = np.random.default_rng(0)
    clean = rng.random((200, 28, 28)) > 0.8
    for name, array in (("X", clean + rng.random((200, 28, 28))), ("Y", clean * 1.0)):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(array))
    code, printed = execute(project, "02", "05", "06", "14", DENOISE_PAIRS="X.pkl,Y.pkl")
    assert code == 0, printed[-4000:]
    assert (project / "build" / "tiny" / "models" / "pairs_cap_baseline.h5").is_file()
    assert "pairs_cap_baseline.h5" in (project / "build" / "tiny" / "reports" / "budget.md").read_text()


def test_thin_lines_keep_their_colours_and_photographs_their_number(rng):
    about = importlib.util.spec_from_file_location("execute_notebooks", ROOT / "notebooks" / "execute.py")
    script = importlib.util.module_from_spec(about)
    about.loader.exec_module(script)

    def stored(pixels):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        kept = script.shrink(base64.b64encode(buffer.getvalue()).decode(), 24, 96)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(kept))).convert("RGB")).reshape(-1, 3)

    lines = [(255, 127, 14), (214, 39, 40), (148, 103, 189), (227, 119, 194), (188, 189, 34), (23, 190, 207)]
    drawing = np.full((100, 100, 3), 255, np.uint8)
    drawing[:50] = np.linspace(0, 250, 100, dtype=np.uint8)[:, None]  # many grays
    for row, colour in enumerate(lines):
        drawing[60 + row, :20] = colour
    assert set(lines) <= {tuple(map(int, colour)) for colour in stored(drawing)}
    gray = np.repeat(rng.integers(0, 256, (100, 100, 1), dtype=np.uint8), 3, axis=-1)
    assert len(np.unique(stored(gray), axis=0)) <= 24
    photograph = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    assert 24 < len(np.unique(stored(photograph), axis=0)) <= 96


def test_first_error_stops_and_names_the_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_broken.py").write_text(
        "# %% [markdown]\n# # Broken\n\n# %%\nx = 1\n\n# %%\nprint('so far')\ny = x / 0\n"
    )
    code, printed = execute(project, "00", "01")
    assert code == 1
    assert "Failed in 00_broken, code cell 2 (print('so far'))" in printed and "ZeroDivisionError" in printed
    assert "01_load_data" not in printed
    kept = json.loads((project / "build" / "failed" / "00_broken.ipynb").read_text())
    assert "so far" in json.dumps(kept["cells"][2]["outputs"])
    assert not (project / "notebooks" / "00_broken.ipynb").exists()


def test_kernel_that_dies_is_named_by_its_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_dying.py").write_text("# %%\nprint('one')\n\n# %%\nx = 1\n\n# %%\nimport os\nos._exit(9)\n")
    code, printed = execute(project, "00")
    assert code == 1 and "Failed in 00_dying, code cell 3 (import os)" in printed


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


def test_interrupted_execution_goes_on_where_it_was(project):
    (project / "notebooks" / "text" / "00_trained.py").write_text(TRAINED)
    program = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", "00"]
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
    code, printed = execute(project, "00")
    assert code == 0, printed[-2000:]
    cell = json.loads((project / "build" / "tiny" / "notebooks" / "00_trained.ipynb").read_text())["cells"][0]
    text = "".join("".join(output["text"]) for output in cell["outputs"])
    assert text.count("Finished runs are loaded") == 1 and "second: run" in text and "goes on after epoch" in text


def test_unknown_names_and_profiles_are_refused(project):
    code, printed = execute(project, "99")
    assert code == 2 and "expected the beginning of a notebook's name, got 99" in printed
    code, printed = execute(project, "--profile", "fast")
    assert code == 2 and 'expected the profile "quick" or "full", got "fast"' in printed
