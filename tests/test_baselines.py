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
