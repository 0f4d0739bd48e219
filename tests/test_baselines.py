"""Classical filters: they gain on the noise that they are for, and are tuned on val alone."""

import numpy as np
import pytest
from skimage.filters import gaussian

from denoise_utils import baselines, evaluation, noise


@pytest.mark.parametrize("name", baselines.FILTERS)
@pytest.mark.parametrize("task", ["gaussian", "salt_pepper"])
def test_tuned_filter_gains_on_the_test_images(name, task):
    strength = {"sigma": 0.2} if task == "gaussian" else {"amount": 0.1}
    pairs = noise.load_task(task, num_train=1, num_val=60, num_test=60, **strength)
    tuned = baselines.tune(name, pairs.val.noisy, pairs.val.clean)
    before = evaluation.psnr(pairs.test.noisy, pairs.test.clean).mean()
    filtered = tuned(pairs.test.noisy)
    assert filtered.shape == pairs.test.noisy.shape and filtered.min() >= 0 and filtered.max() <= 1
    assert evaluation.psnr(filtered, pairs.test.clean).mean() > before + 1


def test_brightness_is_corrected_where_mixing_halved_it(clutter):
    tuned = baselines.tune("median", clutter.val.clean / 2, clutter.val.clean)
    assert tuned.gain == pytest.approx(2, abs=0.2) and tuned.offset == pytest.approx(0, abs=0.05)
    halved, clean = clutter.test.clean / 2, clutter.test.clean
    assert evaluation.psnr(tuned(halved), clean).mean() > evaluation.psnr(halved, clean).mean() + 3


def test_filters_do_not_mix_images_or_channels(rng):
    images = rng.random((4, 28, 28, 3), dtype=np.float32)
    one_by_one = np.stack([gaussian(image, 0.9, channel_axis=-1) for image in images])
    assert np.allclose(baselines.gaussian_blur(images, 0.9), one_by_one, atol=1e-6)
    for function, strengths in baselines.FILTERS.values():
        alone = function(images[:1], strengths[-1])
        assert np.allclose(function(images, strengths[-1])[:1], alone, atol=1e-6)


def test_the_filter_with_the_lowest_error_is_chosen(clutter):
    val = clutter.val
    errors = {name: baselines.tune(name, val.noisy, val.clean).val_mse for name in ("median", "Gaussian blur")}
    found = baselines.choose(errors, val.noisy, val.clean)
    assert found.name == min(errors, key=errors.get) and found.val_mse == min(errors.values())


def test_every_filter_is_tuned_and_applied(tmp_path):
    pairs = noise.load_task("gaussian", num_train=1, num_val=20, num_test=20)
    filtered = baselines.filter_all(pairs, num_slow=0, cache=tmp_path)
    assert len(filtered) == len(baselines.FILTERS)
    assert all(images.shape == pairs.test.noisy.shape for images in filtered.values())


def test_bm3d_gains_in_grey_and_colour_and_is_kept(tmp_path):
    pytest.importorskip("bm3d", reason="an optional extra")
    for task in ("gaussian", "colour"):
        pairs = noise.load_task(task, num_train=1, num_val=2, num_test=4)
        filtered = baselines.filter_all(pairs, num_slow=2, cache=tmp_path)
        title, images = list(filtered.items())[-1]
        assert title.startswith("filter: BM3D") and title.endswith("first 2")
        before = evaluation.psnr(pairs.test.noisy[:2], pairs.test.clean[:2]).mean()
        assert evaluation.psnr(images, pairs.test.clean[:2]).mean() > before + 1
        again = baselines.filter_all(pairs, num_slow=2, cache=tmp_path)
        assert np.array_equal(again[title], images)
