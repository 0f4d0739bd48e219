"""The tied step in variants, to find out which part of it does what. `models.tied_denoiser` has the one that won."""

import keras
from keras import layers

from denoise_utils import models

RECTIFIERS = ("relu", "both", "beside", "prelu")


def rectifier(kind, name):
    """Return what `kind` makes of features: "relu"; "both", ReLU of x beside that of -x; "beside", x beside its ReLU.

    "prelu" learns the slope of each channel below zero, from .25 on (He et al. 2015), the same at every step.
    """
    if kind not in RECTIFIERS:
        raise ValueError(f'Expected a rectifier of {", ".join(RECTIFIERS)}, got "{kind}".')
    if kind == "prelu":
        return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"shared_{name}_prelu")
    if kind == "beside":
        return lambda x: layers.Concatenate()([x, layers.ReLU()(x)])
    return models.rectifier(kind == "both", f"shared_{name}_negation")


def denoiser(
    filters=16, steps=16, *, hidden=None, column="both", row="both", square=False, again=False, scaled=False, half=False
):
    """Build a weight-tied denoiser with one thing changed.

    `column` and `row` name the rectifiers before the two convolutions of a step, which pass through `hidden` channels
    in between; with `square` a step is one convolution of 3x3. `again` shows the features of the input to every step;
    `scaled` gives each step a scale and a bias of its own for each channel. With `half` all steps work on half as
    many rows and columns: the first convolution has stride 2, and a transposed one reads out.
    """
    start = keras.initializers.VarianceScaling(1.2 / steps, "fan_avg", "uniform")
    hidden = hidden or filters
    first_rectifier = rectifier(column, "column")
    if square:
        convolve = layers.Conv2D(filters, 3, padding="same", kernel_initializer=start, name="shared")
    else:
        down = layers.Conv2D(hidden, (3, 1), padding="same", name="shared_column")
        across = layers.Conv2D(filters, (1, 3), padding="same", kernel_initializer=start, name="shared_row")
        second_rectifier = rectifier(row, "row")

    inputs = layers.Input((None, None, 1))
    x = first = layers.Conv2D(filters, 3, strides=2 if half else 1, padding="same")(inputs)
    for step in range(steps):
        seen = layers.Add()([x, first]) if again and step else x
        if scaled:
            seen = layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=f"scale_{step}")(seen)
        seen = first_rectifier(seen)
        x = layers.Add()([x, convolve(seen) if square else across(second_rectifier(down(seen)))])
    if half:
        x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid", name="readout")(x)
    else:
        x = models.to_image(x, name="readout")
    return keras.Model(inputs, x, name="tied_denoiser")
