"""A playground: pick a digit, a noise, its strength and a model, and see what becomes of it."""

import io
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from denoise_utils import evaluation, reuse
from denoise_utils.pictures import images

if TYPE_CHECKING:
    import ipywidgets
    import keras

STRONGEST = {"gaussian": 0.8, "salt_pepper": 0.9, "masking": 0.9, "watermark": 30, "occlusion": 7}


def strength_of(noise: str, share: float) -> dict[str, float]:
    """Return the strength, as the noise's own keyword, at the `share` (0 to 1) of the strongest: {"sigma": 0.2}."""
    if noise not in STRONGEST:
        raise ValueError(f'Expected a noise of {", ".join(STRONGEST)}, got "{noise}".')
    (name,) = images.NOISES[noise].strength
    value = share * STRONGEST[noise]
    if images.STRENGTHS[name] is int:  # marks may be none; a band has one line at least
        value = max(round(value), 1 if noise == "occlusion" else 0)
    return {name: value}


def try_out(
    clean: np.ndarray,
    noise: str,
    share: float,
    model: "keras.Model",
    judge: "keras.Model | None" = None,
    seed: int = 0,
) -> tuple[Figure, dict]:
    """Damage and denoise the image `clean` (28, 28, 1) in [0, 1]; return (figure, what was measured).

    `noise` is one of images.NOISES, `share` its strength from 0 to 1, the strongest. Measured are the PSNR of
    noisy and denoised in dB, and, with a `judge`, the digits that it reads in clean, noisy and denoised.
    """
    strength = strength_of(noise, share)
    clean = np.asarray(clean, dtype=np.float32)[None]
    noisy = images.choose_noise(noise, strength, seed)(clean, 0)
    denoised = reuse.denoise(model, noisy)
    measured = {"strength": strength}
    measured |= {name: float(evaluation.psnr(x, clean)[0]) for name, x in (("noisy", noisy), ("denoised", denoised))}
    if judge is not None:
        read = evaluation.read_digits(judge, np.concatenate([clean, noisy, denoised]))
        measured["read"] = [int(digit) for digit in read]
    return _draw(clean[0], noisy[0], denoised[0], measured), measured


def _draw(clean, noisy, denoised, measured):
    figure, axes = plt.subplots(1, 4, figsize=(8, 2.3))
    titles = ["clean", f"noisy, {measured['noisy']:.1f} dB", f"denoised, {measured['denoised']:.1f} dB"]
    if "read" in measured:
        titles = [f"{title}\nread as {digit}" for title, digit in zip(titles, measured["read"], strict=True)]
    for axis, image, title in zip(axes, (clean, noisy, denoised), titles, strict=False):
        axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="none")
        axis.set_title(title, fontsize=9)
    axes[3].imshow((denoised - clean)[..., 0], cmap="RdBu", vmin=-1, vmax=1, interpolation="none")
    axes[3].set_title("denoised - clean\n(red: too dark)", fontsize=9)
    for axis in axes:
        axis.set_axis_off()
    figure.tight_layout(pad=0.3)
    return figure


def make_controls(
    digits: np.ndarray, denoisers: "dict[str, keras.Model]", judge: "keras.Model | None" = None
) -> "ipywidgets.VBox":
    """Return the playground as an ipywidgets box; `digits` are (N, 28, 28, 1), `denoisers` name to model."""
    import ipywidgets

    digit = ipywidgets.IntSlider(0, 0, len(digits) - 1, description="digit")
    noise = ipywidgets.Dropdown(options=sorted(STRONGEST), value="gaussian", description="noise")
    share = ipywidgets.FloatSlider(0.25, min=0, max=1, step=0.05, description="strength")
    model = ipywidgets.Dropdown(options=list(denoisers), description="model")
    picture = ipywidgets.Image(format="png")

    def update(_=None):
        figure, _ = try_out(digits[digit.value], noise.value, share.value, denoisers[model.value], judge)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        plt.close(figure)
        picture.value = buffer.getvalue()

    for control in (digit, noise, share, model):
        control.observe(update, "value")
    update()
    return ipywidgets.VBox([digit, noise, share, model, picture])
