"""What all tests share: the tiny profile, quiet libraries, a small clutter task."""

import os
import shutil
import signal
import sys
from pathlib import Path

os.environ["DENOISE_PROFILE"] = "tiny"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["DENOISE_OFFLINE"] = "1"  # no test reaches for the network
os.environ.pop("DENOISE_PAIRS", None)
# The tests run in a process per core: more threads would be in each other's way.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")

import numpy as np
import pytest

from denoise_utils import noise, profiles

# A shell ignores Ctrl-C in what it runs in the background, and every process that is started there with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "notebooks"), str(ROOT / "docs" / "website")]  # what the programs there share
ABOUT = {"task": "clutter", "role": "capped", "scores": {}, "noisy_scores": {}, "limits": "none"}  # of a card


@pytest.fixture(scope="session")
def clutter():
    """Clutter pairs: 200 train, 60 val, 60 test; real digits where they can be had, else bundled ones."""
    return noise.load_task("clutter", num_train=200, num_val=60, num_test=60)


@pytest.fixture
def digits(clutter):
    """Forty clean digits (40, 28, 28, 1)."""
    return clutter.train.clean[:40]


@pytest.fixture
def gain(clutter):
    """The dB that a denoiser of digits gains at least, or loses at most on the photographs that stand in for them."""
    return 1 if clutter.label.startswith("MNIST") else -3


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(7)


@pytest.fixture
def project(tmp_path):
    """A copy of the package, the small models and the notebooks' text without results, as a student would have it."""

    def left_out(folder, names):
        large = {name for name in names if os.path.getsize(os.path.join(folder, name)) > 1_000_000}
        return large | set(shutil.ignore_patterns("*.ipynb", "__pycache__")(folder, names))

    for folder in ("denoise_utils", "notebooks", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=left_out)
    return tmp_path


@pytest.fixture
def small_quick(monkeypatch):
    """Let the command's quick profile be as small as the tests'."""
    tiny = profiles.load_profile("tiny")
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: tiny)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium that selenium drives; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium here, which opens pages in a browser")
    from selenium.webdriver.chrome.service import Service

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium and chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        opened.set_script_timeout(120)
        yield opened


LONGEST = ("notebooks", "execute", "grading", "workers", "resume", "kills", "commands", "bad_input")


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that two processes end together."""
    order = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
