"""The playground: its function without widgets, and its controls without a notebook."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from denoise_utils import evaluation, noise, reuse, saving
from denoise_utils.pictures import images, playground
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def denoisers():
    return {name: saving.load_model(ROOT / "models" / f"{name}.h5") for name in ("gaussian_small", "watermark_small")}


@pytest.fixture(scope="module")
def judge():
    return evaluation.load_judge(ROOT / "models")


def test_function_measures_what_it_draws(digits, denoisers, judge, gain):
    model = denoisers["gaussian_small"]
    figure, measured = playground.try_out(digits[0], "gaussian", 0.25, model, judge, seed=3)
    noisy = noise.add_gaussian(digits[:1], 0.2, seed=[3, 0])
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    denoised = reuse.denoise(model, noisy)
    for found, expected in zip(shown, (digits[:1], noisy, denoised, denoised - digits[:1]), strict=True):
        assert np.allclose(found, expected[0, ..., 0], atol=1e-6)
    assert measured["strength"] == {"sigma": pytest.approx(0.2)}
    assert measured["noisy"] == pytest.approx(evaluation.psnr(noisy, digits[:1])[0])
    assert measured["denoised"] > measured["noisy"] + gain
    assert measured["read"] == list(evaluation.read_digits(judge, np.concatenate([digits[:1], noisy, denoised])))
    titles = [axis.get_title() for axis in figure.axes]
    assert f"{measured['denoised']:.1f} dB\nread as {measured['read'][2]}" in titles[2]
    plt.close(figure)


@pytest.mark.parametrize("kind", images.NOISES)
@pytest.mark.parametrize("share", [0, 1])
def test_every_noise_at_both_ends(digits, denoisers, kind, share):
    figure, measured = playground.try_out(digits[0], kind, share, denoisers["gaussian_small"])
    plt.close(figure)
    assert "read" not in measured and np.isfinite(measured["denoised"])
    assert (measured["noisy"] == evaluation.HIGHEST_PSNR) == (share == 0 and kind != "occlusion")


def test_unknown_noise_is_refused(digits, denoisers):
    with pytest.raises(ValueError, match=r'Expected a noise of .*watermark.*, got "fog"'):
        playground.try_out(digits[0], "fog", 0.5, denoisers["gaussian_small"])


def test_controls_redraw_the_picture(digits, denoisers, judge):
    box = playground.make_controls(digits[:3], denoisers, judge)
    *controls, picture = box.children
    drawn = [picture.value]
    for control, value in zip(controls, (2, "watermark", 0.5, "watermark_small"), strict=True):
        control.value = value
        drawn.append(picture.value)
    assert len(set(drawn)) == 5
    with Image.open(io.BytesIO(picture.value)) as image:
        assert image.format == "PNG"
    assert not plt.get_fignums()
