"""The moving picture of the steps: its last frame is the model's answer, its first the noisy pictures."""

import numpy as np
import pytest
from PIL import Image

from denoise_utils import models, saving
from denoise_utils.pictures import steps
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def small():
    return saving.load_model(ROOT / "models" / "clutter_small.h5")


def test_the_last_of_the_readouts_is_the_models_answer(small, clutter):
    noisy = clutter.val.noisy[:3]
    each = steps.after_each_step(small)(noisy)
    assert len(each) == 20
    assert np.allclose(each[-1], small(noisy), atol=1e-6) and not np.allclose(each[0], each[-1], atol=0.05)


def test_a_frame_for_the_input_and_one_for_each_step(small, clutter, tmp_path):
    path = tmp_path / "steps.gif"
    assert steps.write_steps(path, small, clutter.val.noisy) == path.stat().st_size < 500_000
    with Image.open(path) as moving:
        assert moving.n_frames == 21
        shown = []
        for frame in (0, 20):
            moving.seek(frame)
            shown.append(np.asarray(moving.convert("L"), float) / 255)
    side, top = 28 * steps.ZOOM, 28 * steps.ZOOM + steps.GAP
    first, last = (one[top : top + side, :side][:: steps.ZOOM, :: steps.ZOOM] for one in shown)
    assert np.abs(first - clutter.val.noisy[0, ..., 0]).max() < 1 / steps.GRAYS + 0.01
    assert np.abs(last - np.asarray(small(clutter.val.noisy[:8]))[0, ..., 0]).max() < 1 / steps.GRAYS + 0.01


def test_the_committed_one_shows_all_steps_and_is_small():
    path = ROOT / "reports" / "steps.gif"
    assert path.stat().st_size < 500_000
    with Image.open(path) as moving:
        assert moving.n_frames == 21 and moving.width // (28 * steps.ZOOM) == steps.NUM_SHOWN


def test_a_model_without_steps_is_refused():
    with pytest.raises(ValueError, match="weight-tied"):
        steps.after_each_step(models.capped_autoencoder(4, 1))
