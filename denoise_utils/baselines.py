"""Classical filters, tuned on validation images only: what every model must beat."""

from dataclasses import dataclass

import numpy as np
from skimage import filters, restoration

from denoise_utils import data

NUM_TUNING = 200  # validation images that a strength is chosen on


def median(noisy, size):
    """Filter (N, H, W, C) with a square median, `size` pixels wide."""
    return filters.median(noisy, np.ones((1, size, size, 1)))


def gaussian_blur(noisy, sigma):
    """Blur (N, H, W, C) with a Gaussian of `sigma` pixels."""
    return filters.gaussian(noisy, sigma=(0, sigma, sigma, 0))


def total_variation(noisy, weight):
    """Denoise each image by total variation (Chambolle 2004)."""
    filtered = [restoration.denoise_tv_chambolle(image, weight, channel_axis=-1) for image in noisy]
    return np.float32(filtered).reshape(noisy.shape)  # scikit-image drops a lone channel


def non_local_means(noisy, strength):
    """Denoise each image by non-local means (Buades, Coll and Morel 2005)."""
    sizes = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": -1}
    filtered = [restoration.denoise_nl_means(image, h=strength, **sizes) for image in noisy]
    return np.float32(filtered).reshape(noisy.shape)


FILTERS = {
    "median": (median, (3, 5)),
    "Gaussian blur": (gaussian_blur, (0.5, 0.75, 1.0, 1.5)),
    "total variation": (total_variation, (0.05, 0.1, 0.2, 0.4)),
    "non-local means": (non_local_means, (0.1, 0.2, 0.3, 0.5)),
}


@dataclass(frozen=True)
class TunedFilter:
    """A filter with the strength, gain and offset that suit some noise best."""

    name: str
    strength: float
    gain: float
    offset: float
    val_mse: float = 0.0  # on the validation images that it was tuned on

    def __call__(self, noisy):
        """Return the filtered (N, H, W, C), corrected in brightness, clipped to [0, 1]."""
        filtered = FILTERS[self.name][0](data.check_images(noisy, "noisy"), self.strength)
        return np.clip(np.float32(self.gain) * filtered + np.float32(self.offset), 0, 1)

    def __str__(self):
        return f"{self.name}, {self.strength:g}"


def tune(name, noisy, clean):
    """Choose the strength of the filter `name` on validation images and return a TunedFilter.

    Gain and offset are the least-squares fit to the clean images: a mix of two images
    halves the brightness, and a filter alone would be blamed for that.
    """
    noisy, clean = noisy[:NUM_TUNING], clean[:NUM_TUNING]
    candidates = []
    for strength in FILTERS[name][1]:
        filtered = FILTERS[name][0](noisy, strength)
        gain, offset = np.polyfit(filtered.ravel(), clean.ravel(), 1)
        error = np.mean((np.clip(gain * filtered + offset, 0, 1) - clean) ** 2)
        candidates.append(TunedFilter(name, strength, float(gain), float(offset), float(error)))
    return min(candidates, key=lambda candidate: candidate.val_mse)
