"""Figures: they draw what they are given, name their data, and close nothing half-written."""

import keras
import matplotlib
import pytest

matplotlib.use("Agg")

from denoise_utils import plots
from denoise_utils.zoo import originals


@pytest.fixture(autouse=True)
def close():
    """Close the figures of each test."""
    yield
    plots.plt.close("all")


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_images_carry_their_psnr_and_the_name_of_their_data(clutter):
    clean, noisy = clutter.test.clean[:3], clutter.test.noisy[:3]
    figure = plots.show_images({"clean": clean, "noisy": noisy}, clean, "bundled digits")
    assert len(figure.axes) == 6 and "bundled digits" in texts(figure)
    assert sum(text.endswith("dB") for text in texts(figure)) == 3
    image = figure.axes[0].images[0]
    assert image.get_clim() == (0, 1) and image.get_interpolation() == "none"


def test_diagram_shows_every_layer_and_the_total():
    model = originals.project_c_pooling()
    figure = plots.draw_model(model)
    assert len(figure.axes[0].patches) == len(model.layers)
    assert any("3,369 parameters" in text for text in texts(figure))
    assert any("1,160 p." in text for text in texts(figure))


def test_diagram_names_the_inputs_of_what_takes_others_than_the_layer_before():
    figure = plots.draw_model(originals.project_w_big())
    merged = [text for text in texts(figure) if text.startswith("Add\n")]
    assert [text.rpartition("\n")[2] for text in merged] == ["of 22 and 14", "of 26 and 9", "of 30 and 4"]
    assert not any(
        "of" in text for text in texts(plots.draw_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])))
    )


def test_titles_stand_over_the_first_row(digits):
    figure = plots.show_images({"one": digits[:2], "two": digits[:2]}, titles=["left", "right"])
    assert [axis.get_title() for axis in figure.axes] == ["left", "right", "", ""]
