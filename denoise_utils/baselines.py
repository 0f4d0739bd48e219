"""Classical filters, tuned on validation images only: what every model must beat."""

import importlib.util
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from skimage import filters, restoration

from denoise_utils import data
from denoise_utils.measures.table import FILTER
from denoise_utils.noise import TaskData

NUM_TUNING = 200  # validation images that a strength is chosen on


def median(noisy: np.ndarray, size: int) -> np.ndarray:
    """Filter (N, H, W, C) with a square median, `size` pixels wide."""
    return filters.median(noisy, np.ones((1, size, size, 1)))


def gaussian_blur(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Blur (N, H, W, C) with a Gaussian of `sigma` pixels."""
    return filters.gaussian(noisy, sigma=(0, sigma, sigma, 0))


def total_variation(noisy: np.ndarray, weight: float) -> np.ndarray:
    """Denoise each image by total variation (Chambolle 2004)."""
    filtered = [restoration.denoise_tv_chambolle(image, weight, channel_axis=-1) for image in noisy]
    return np.float32(filtered).reshape(noisy.shape)  # scikit-image drops a lone channel


def non_local_means(noisy: np.ndarray, strength: float) -> np.ndarray:
    """Denoise each image by non-local means (Buades, Coll and Morel 2005)."""
    sizes = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": -1}
    filtered = [restoration.denoise_nl_means(image, h=strength, **sizes) for image in noisy]
    return np.float32(filtered).reshape(noisy.shape)


def wavelet(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise each image by soft wavelet thresholds (BayesShrink: Chang, Yu and Vetterli 2000)."""
    options = {"sigma": sigma, "channel_axis": -1, "rescale_sigma": True, "convert2ycbcr": noisy.shape[-1] == 3}
    with warnings.catch_warnings():  # a patch without any contrast makes it divide by 0
        warnings.simplefilter("ignore", RuntimeWarning)
        filtered = np.float32([restoration.denoise_wavelet(image, **options) for image in noisy])
    return np.nan_to_num(filtered).reshape(noisy.shape)


def bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Denoise each image by BM3D (Dabov et al. 2007), about a second each; needs the package bm3d."""
    from bm3d import bm3d as denoise_gray
    from bm3d import bm3d_rgb as denoise_colour

    denoise = denoise_colour if noisy.shape[-1] == 3 else denoise_gray
    workers = joblib.Parallel(n_jobs=-1)  # one process per core
    return np.float32(workers(joblib.delayed(denoise)(np.squeeze(i), sigma) for i in noisy)).reshape(noisy.shape)


FILTERS = {
    "median": (median, (3, 5)),
    "Gaussian blur": (gaussian_blur, (0.5, 0.75, 1.0, 1.5)),
    "total variation": (total_variation, (0.02, 0.05, 0.1, 0.2, 0.4)),
    "non-local means": (non_local_means, (0.05, 0.07, 0.1, 0.2, 0.3, 0.5)),
    "wavelet": (wavelet, (0.05, 0.1, 0.2, 0.4)),
}
SLOW = {"BM3D": (bm3d, (0.1, 0.2, 0.3))}  # not for whole test sets


@dataclass(frozen=True)
class TunedFilter:
    """A filter with the strength, gain and offset that suit some noise best."""

    name: str
    strength: float
    gain: float
    offset: float
    val_mse: float = 0.0  # on the validation images that it was tuned on

    def __call__(self, noisy: np.ndarray) -> np.ndarray:
        """Return the filtered (N, H, W, C), corrected in brightness, clipped to [0, 1]."""
        filtered = (FILTERS | SLOW)[self.name][0](data.check_images(noisy, "noisy"), self.strength)
        return np.clip(np.float32(self.gain) * filtered + np.float32(self.offset), 0, 1)

    def __str__(self) -> str:
        return f"{self.name}, {self.strength:g}"


def tune(name: str, noisy: np.ndarray, clean: np.ndarray) -> TunedFilter:
    """Choose the strength of the filter `name` on validation images (N, H, W, C) and return a TunedFilter.

    Gain and offset are the least-squares fit to the clean images: a mix of two images
    halves the brightness, and a filter alone would be blamed for that.
    """
    noisy, clean = noisy[:NUM_TUNING], clean[:NUM_TUNING]
    candidates = []
    function, strengths = (FILTERS | SLOW)[name]
    for strength in strengths:
        filtered = function(noisy, strength)
        gain, offset = np.polyfit(filtered.ravel(), clean.ravel(), 1)
        error = np.mean((np.clip(gain * filtered + offset, 0, 1) - clean) ** 2)
        candidates.append(TunedFilter(name, strength, float(gain), float(offset), float(error)))
    return min(candidates, key=lambda candidate: candidate.val_mse)


def choose(names: Iterable[str], noisy: np.ndarray, clean: np.ndarray) -> TunedFilter:
    """Tune each of the filters `names` on validation images (N, H, W, C); return the one with the lowest MSE there."""
    return min((tune(name, noisy, clean) for name in names), key=lambda one: one.val_mse)


def filter_all(task_data: TaskData, num_slow: int, cache: str | Path) -> dict[str, np.ndarray]:
    """Return {title: images} of every filter on the test images of `task_data`.

    Each is tuned on validation images. BM3D, where it is installed, filters only the first
    `num_slow` test images, after a tenth as many to tune it; `cache` is a folder that keeps its results.
    """
    val, test = task_data.val, task_data.test
    tuned = [tune(name, val.noisy, val.clean) for name in FILTERS]
    filtered = {f"{FILTER}{one}": one(test.noisy) for one in tuned}
    if num_slow and importlib.util.find_spec("bm3d"):
        memory = joblib.Memory(cache, verbose=0)
        few = max(1, num_slow // 10)
        one = memory.cache(tune)("BM3D", val.noisy[:few], val.clean[:few])
        filtered[f"{FILTER}{one}, first {num_slow}"] = memory.cache(_apply)(one, test.noisy[:num_slow])
    return filtered


def _apply(tuned, noisy):
    return tuned(noisy)
