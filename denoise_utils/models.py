"""Build models from standard Keras layers, so that their .h5 opens with plain Keras too.

All take noisy images (N, 28, 28, 1 or 3), float32 in [0, 1], and return such. Older projects' are in zoo/originals.py.
"""

import json
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from denoise_utils.opening import work


def _conv(x, filters, padding="same"):
    return layers.Conv2D(filters, 3, padding=padding, activation="relu")(x)


def to_image(x: keras.KerasTensor, channels: int = 1, **options) -> keras.KerasTensor:
    """Return an image in [0, 1] from the features `x`."""
    return layers.Conv2D(channels, 3, padding="same", activation="sigmoid", **options)(x)


def corrected(inputs: keras.KerasTensor, x: keras.KerasTensor, **options) -> keras.KerasTensor:
    """Return the images `inputs` with a correction from the features `x` added."""
    return layers.Add()([inputs, layers.Conv2D(inputs.shape[-1], 3, padding="same", use_bias=False, **options)(x)])


def _double_to(x, side):
    """Upsample by 2 and crop to `side` pixels, which an odd side needs after its pooling."""
    x = layers.UpSampling2D(2)(x)
    extra = x.shape[1] - side
    return layers.Cropping2D(((0, extra), (0, extra)))(x) if extra else x


def capped_autoencoder(filters: int = 16, depth: int = 2) -> keras.Model:
    """Build the pool/upsample autoencoder that the grid search varies.

    The first convolution has `filters` filters, all later ones half as many; `depth` poolings
    are undone by `depth` upsamplings. A side of 7 is pooled to 4 and cropped from 8 to 7 on the way back.
    """
    narrow = filters // 2
    inputs = x = layers.Input((28, 28, 1))
    sides = []
    for level in range(depth):
        x = _conv(x, filters if level == 0 else narrow)
        sides.append(x.shape[1])
        x = layers.MaxPooling2D(2, padding="same")(x)
    for side in reversed(sides):
        x = _conv(x, narrow)
        x = _double_to(x, side)
    return keras.Model(inputs, to_image(x), name="capped_autoencoder")


def _with_skips(inputs, filters, depth):
    """Return (features of the input's size, features of the first convolution): pool, upsample, add what was pooled."""
    x, skips = inputs, []
    for _ in range(depth):
        x = _conv(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for skip in reversed(skips):
        x = _conv(x, filters)
        x = layers.Add()([_double_to(x, skip.shape[1]), skip])
    return x, skips[0]


def skip_autoencoder(filters: int = 8, depth: int = 3) -> keras.Model:
    """Build a pool/upsample autoencoder whose decoder adds the encoder's tensor of its size, at no parameter.

    All convolutions but the last have `filters` filters.
    """
    inputs = layers.Input((28, 28, 1))
    x, _ = _with_skips(inputs, filters, depth)
    return keras.Model(inputs, to_image(x), name="skip_autoencoder")


def unet(filters: int = 24, depth: int = 3, channels: int = 1, residual: bool = False) -> keras.Model:
    """Build a plain U-Net (Ronneberger, Fischer and Brox 2015) of two convolutions a level.

    Each pooling doubles the filters; the decoder gets the encoder's tensor of its size beside its own.
    `residual` adds the output to the input instead of squashing it into [0, 1].
    """
    inputs = x = layers.Input((28, 28, channels))
    skips = []
    for level in range(depth):
        x = _conv(_conv(x, filters * 2**level), filters * 2**level)
        skips.append(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = _conv(_conv(x, filters * 2**depth), filters * 2**depth)
    for level, skip in reversed(list(enumerate(skips))):
        x = layers.Concatenate()([_double_to(x, skip.shape[1]), skip])
        x = _conv(_conv(x, filters * 2**level), filters * 2**level)
    if residual:
        return keras.Model(inputs, corrected(inputs, x), name="unet")
    return keras.Model(inputs, to_image(x, channels), name="unet")


def gated_autoencoder(filters: int = 8, depth: int = 3, channels: int = 1) -> keras.Model:
    """Build a skip autoencoder that predicts the noise, scaled by how strong it is over the whole image.

    The gate (squeeze and excitation: Hu, Shen and Sun 2018, with one layer, of softplus) averages the first
    features over the image; a gate near 0 leaves the image as it is. The output is not bounded to [0, 1].
    """
    inputs = layers.Input((28, 28, channels))
    x, first = _with_skips(inputs, filters, depth)
    gate = layers.GlobalAveragePooling2D()(first)
    gate = layers.Dense(filters, activation="softplus")(gate)
    x = layers.Multiply()([x, gate])
    correction = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
    return keras.Model(inputs, layers.Add()([inputs, correction]), name="gated_autoencoder")


def rectifier(signs: bool, negation: str = "shared_negation") -> Callable:
    """Return what a step makes of features before it convolves them: ReLU; with `signs` that of x beside that of -x."""
    if not signs:
        return lambda x: layers.ReLU()(x)
    negate = layers.Rescaling(-1.0, name=negation)
    return lambda x: layers.Concatenate()([layers.ReLU()(x), layers.ReLU()(negate(x))])


def _shared_step(filters, steps, separable, context, signs, turned):
    """Return step(features, number): what each of `steps` steps makes of the features, by the same layers.

    It starts small, so that many steps do not blow the features up.
    """
    start = keras.initializers.VarianceScaling(1.2 / steps, "fan_avg", "uniform")
    rectify = rectifier(signs)
    size, name = ((1, turned or 3), "shared_row") if turned or separable else (3, "shared")
    around = layers.Conv2D(filters, size, padding="same", kernel_initializer=start, name=name)
    column = layers.Conv2D(filters, (3, 1), padding="same", name="shared_column")
    turn = layers.Permute((2, 1, 3), name="shared_turn")
    mean = layers.GlobalAveragePooling2D(keepdims=True)
    mix = layers.Dense(filters, use_bias=False, kernel_initializer="zeros", name="shared_context")

    def step(x, number):
        lying = turned and number % 2
        rectified = rectify(turn(x) if lying else x)
        seen = around(rectify(column(rectified)) if separable else rectified)
        seen = turn(seen) if lying else seen
        return layers.Add()([seen, mix(mean(rectified))]) if context else seen

    return step


def tied_denoiser(
    filters: int = 16,
    steps: int = 16,
    channels: int = 1,
    residual: bool = False,
    separable: bool = False,
    context: bool = False,
    signs: bool = False,
    turned: int = 0,
    readout_bias: bool = True,
) -> keras.Model:
    """Build a denoiser of any image size that applies one convolution `steps` times.

    Its parameters are paid for once (weight tying: Kim, Lee and Lee 2016, DRCN; Tai, Yang and Liu 2017,
    DRRN). Each step adds to the features what the convolution makes of their rectified values
    (pre-activation: He et al. 2016). `separable` takes a column of three pixels and then a row of three
    instead of a square (Szegedy et al. 2016, section 3.2): six parameters for each pair of filters, not nine.
    `turned` takes a row of so many pixels, and every other time the same of the turned picture, which is a column.
    `context` lets each step see the features' means over the whole image as well (Hu, Shen and Sun 2018; added
    as in Cao et al. 2019), which can tell how strong the noise is. `signs` lets each convolution of a step see
    what ReLU drops, too: ReLU of -x beside ReLU of x (CReLU: Shang et al. 2016, arXiv 1603.05201). `residual`
    adds the output to the input instead of squashing it into [0, 1]. Without `readout_bias` the last convolution has
    no bias; with `residual` it never has one.
    """
    inputs = layers.Input((None, None, channels))
    step = _shared_step(filters, steps, separable, context, signs, turned)
    x = layers.Conv2D(filters, 3, padding="same")(inputs)
    for number in range(steps):
        x = layers.Add()([x, step(x, number)])
    if residual:
        return keras.Model(inputs, corrected(inputs, x, name="readout"), name="tied_denoiser")
    return keras.Model(inputs, to_image(x, channels, name="readout", use_bias=readout_bias), name="tied_denoiser")


def digit_judge() -> keras.Model:
    """Build the classifier that measures legibility: digits (N, 28, 28, 1) to 10 probabilities."""
    inputs = x = layers.Input((28, 28, 1))
    for filters, convolutions in ((24, 1), (48, 2), (64, 1)):
        for _ in range(convolutions):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.4)(x)
    x = layers.Dense(10, activation="softmax")(x)
    return keras.Model(inputs, x, name="digit_judge")


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return (all parameters, trainable parameters) of a built model."""
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return model.count_params(), trainable


def count_multiplications(model: keras.Model, side: int = 28) -> int:
    """Return the multiplications by kernels of a model for one image, of `side` x `side` pixels if it takes any size.

    Counted from its configuration, as in a file. Raises ValueError for layers that files may not have.
    """
    shape = tuple(side if size is None else size for size in model.input_shape[1:])
    return work.count_multiplications(json.loads(model.to_json()), shape)


def batch_norms(model: keras.Model) -> list[layers.BatchNormalization]:
    """Return the model's batch normalisation layers."""
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def settle(model: keras.Model, images: np.ndarray, batch_size: int = 256) -> keras.Model:
    """Set the moving averages of batch norm to plain averages over `images`, and return the model.

    Forward passes only: no weight is trained. After few steps of training the moving averages still
    hold a part of their initial 0 and 1, and the model is worse in use than it was in training.
    """
    kept = [(layer, layer.momentum) for layer in batch_norms(model)]
    for number, start in enumerate(range(0, len(images), batch_size)):
        for layer, _ in kept:
            layer.momentum = number / (number + 1)
        if kept:
            model(images[start : start + batch_size], training=True)
    for layer, momentum in kept:
        layer.momentum = momentum
    return model


def describe_layers(model: keras.Model) -> list[dict]:
    """Return one dict per layer: its class, output shape and parameters."""
    return [
        {
            "layer": type(layer).__name__,
            "output": "x".join(map(str, layer.output.shape[1:])),
            "parameters": layer.count_params(),
        }
        for layer in model.layers
    ]


def architecture_line(model: keras.Model) -> str:
    """Return the architecture in one line, such as "Conv2D 28x28x16 > MaxPooling2D 14x14x16 > ..."."""
    return " > ".join(f"{row['layer']} {row['output']}" for row in describe_layers(model)[1:])
