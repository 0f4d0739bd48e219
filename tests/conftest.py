"""What all tests share: the tiny profile, quiet libraries, a small clutter task."""

import os
import signal
from pathlib import Path

os.environ["DENOISE_PROFILE"] = "tiny"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["DENOISE_OFFLINE"] = "1"  # no test reaches for the network
os.environ.pop("DENOISE_PAIRS", None)

import numpy as np
import pytest

from denoise_utils import noise

# A shell ignores Ctrl-C in what it runs in the background, and every process that is started there with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def clutter():
    """Clutter pairs: 200 train, 60 val, 60 test; real digits where they can be had, else bundled ones."""
    return noise.load_task("clutter", num_train=200, num_val=60, num_test=60)


@pytest.fixture
def digits(clutter):
    """Forty clean digits (40, 28, 28, 1)."""
    return clutter.train.clean[:40]


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(7)


def pytest_collection_modifyitems(items):
    """Begin with the longest tests, so that two processes end together."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")
