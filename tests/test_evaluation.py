"""Measures, each against a hand-worked value or an independent implementation."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from denoise_utils import evaluation, models, noise


def test_psnr_by_hand_and_by_scikit_image(clutter):
    clean = np.zeros((2, 28, 28, 1), np.float32)
    images = clean + np.array([0.1, 0.01], np.float32).reshape(-1, 1, 1, 1)
    assert np.allclose(evaluation.psnr(images, clean), [20, 40], atol=1e-4)
    test = clutter.test
    expected = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(test.clean, test.noisy, strict=True)]
    assert np.allclose(evaluation.psnr(test.noisy, test.clean), expected, atol=1e-4)


def test_psnr_clips_first_and_is_bounded():
    clean = np.ones((1, 28, 28, 1), np.float32)
    assert evaluation.psnr(clean * 5, clean)[0] == evaluation.HIGHEST_PSNR


def test_mean_psnr_is_the_mean_of_images():
    clean = np.zeros((2, 28, 28, 1), np.float32)
    images = clean + np.array([0.1, 0.01], np.float32).reshape(-1, 1, 1, 1)
    found = evaluation.score(images, noise.Pairs(images, clean, None))
    assert found["psnr"] == pytest.approx(30, abs=1e-3) and found["psnr_sd"] == pytest.approx(10, abs=1e-3)


def test_ssim_agrees_with_scikit_image(clutter):
    test = clutter.test
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [
        structural_similarity(np.float64(a[..., 0]), np.float64(b[..., 0]), **settings)
        for a, b in zip(test.clean, test.noisy, strict=True)
    ]
    assert np.allclose(evaluation.ssim(test.noisy, test.clean), expected, atol=1e-4)
    assert evaluation.ssim(test.clean, test.clean).min() == pytest.approx(1)


def test_bce_by_hand_and_by_keras(clutter):
    import keras

    grey, half = np.full((1, 28, 28, 1), 0.25), np.full((1, 28, 28, 1), 0.5)
    assert evaluation.bce(half, grey)[0] == pytest.approx(np.log(2))
    test = clutter.test
    expected = float(keras.losses.BinaryCrossentropy()(test.clean, test.noisy))
    assert evaluation.bce(test.noisy, test.clean).mean() == pytest.approx(expected, abs=1e-4)


def test_floor_is_the_entropy_and_no_image_is_below_it(rng):
    grey = np.full((1, 28, 28, 1), 0.25)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert evaluation.bce_floor(grey)[0] == pytest.approx(entropy)
    assert evaluation.bce_floor(np.zeros((1, 28, 28, 1)))[0] < 1e-5
    for _ in range(20):
        assert evaluation.bce(rng.random(grey.shape), grey)[0] >= entropy


def test_legibility_counts_what_the_judge_reads(clutter):
    judge = models.digit_judge()
    labels = evaluation.read_digits(judge, clutter.test.clean)
    assert evaluation.legibility(judge, clutter.test.clean, labels) == 1
    wrong = labels.copy()
    wrong[:15] += 1
    assert evaluation.legibility(judge, clutter.test.clean, wrong) == pytest.approx(0.75)


def test_score_has_no_legibility_without_labels(clutter):
    pairs = noise.Pairs(clutter.test.noisy, clutter.test.clean, None)
    assert evaluation.score(pairs.noisy, pairs, models.digit_judge())["legibility"] is None


@pytest.mark.parametrize("fault", ["shape", "NaN"])
def test_broken_output_is_refused(clutter, fault):
    clean = clutter.test.clean
    images = clean[:, :14] if fault == "shape" else clean * np.nan
    with pytest.raises(ValueError, match="Expected"):
        evaluation.psnr(images, clean)


def test_missing_judge_names_the_notebook(tmp_path):
    with pytest.raises(FileNotFoundError, match="03_measure_quality"):
        evaluation.load_judge(tmp_path)


def test_table_shows_dashes_and_escapes():
    table = evaluation.format_table([{"name": "a|b", "parameters": 1234, "psnr": None}], caption="of what")
    assert "| a\\|b | 1,234 | - |" in table and table.endswith("*of what*")


def test_legibility_is_asked_only_where_it_can_be(digits):
    judge, labels = models.digit_judge(), np.zeros(len(digits), int)
    assert evaluation.legibility(judge, digits, labels) is not None
    assert evaluation.legibility(None, digits, labels) is None
    assert evaluation.legibility(judge, digits, None) is None
    assert evaluation.legibility(judge, np.repeat(digits, 3, axis=-1), labels) is None


def test_filters_are_scored_against_the_first_images(clutter):
    few, all_of_them = clutter.test.noisy[:5], clutter.test.noisy
    rows = evaluation.score_filters(clutter.test, {"a few": few, "all": all_of_them})
    assert [(row["name"], row["images"]) for row in rows] == [("a few", 5), ("all", len(all_of_them))]
    assert rows[0]["psnr"] == pytest.approx(evaluation.psnr(few, clutter.test.clean[:5]).mean())
