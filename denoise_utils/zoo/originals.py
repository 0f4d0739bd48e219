"""The models of the five older course projects and of two tutorials, to the parameter, from standard Keras layers.

All take float32 images of 28x28 pixels and return images of the same shape.
"""

import keras
from keras import layers, regularizers

from denoise_utils.models import to_image


def _conv(x, filters, padding="same", **options):
    return layers.Conv2D(filters, 3, padding=padding, activation="relu", **options)(x)


def project_c_pooling() -> keras.Model:
    """Build project C's own answer: filters 16-8-4, code 4x4x4; 3,369 parameters."""
    inputs = x = layers.Input((28, 28, 1))
    for filters in (16, 8, 4):
        x = _conv(x, filters)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for filters, padding in ((4, "same"), (8, "same"), (16, "valid")):
        x = _conv(x, filters, padding)
        x = layers.UpSampling2D(2)(x)
    return keras.Model(inputs, to_image(x), name="project_c_pooling")


def project_c_dense() -> keras.Model:
    """Build another answer to the same assignment: a dense code of 11 numbers; 3,552 parameters."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(1, 18, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(4)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(11, activation="relu")(x)
    x = layers.Dense(196, activation="relu")(x)
    x = layers.Reshape((14, 14, 1))(x)
    x = layers.Conv2DTranspose(1, 18, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, x, name="project_c_dense")


def project_c_transposed() -> keras.Model:
    """Build the third answer: transposed convolutions; 3,279 parameters."""
    inputs = layers.Input((28, 28, 1))
    x = _conv(inputs, 12)
    x = layers.MaxPooling2D(2)(x)
    x = _conv(x, 14)
    x = layers.Conv2DTranspose(12, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, x, name="project_c_transposed")


def project_w_small(penalty: float = 1e-4) -> keras.Model:
    """Build project W's small model: code 4x4x8 under an L1 activity `penalty`; 3,729 parameters."""
    inputs = x = layers.Input((28, 28, 1))
    for filters in (16, 8, 8):
        last = filters == 8 and x.shape[1] == 7
        x = _conv(x, filters, activity_regularizer=regularizers.L1(penalty) if last and penalty else None)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for padding in ("same", "same", "valid"):
        x = _conv(x, 8, padding)
        x = layers.UpSampling2D(2)(x)
    return keras.Model(inputs, to_image(x), name="project_w_small")


def project_w_big() -> keras.Model:
    """Build project W's big model: added skips, a slope per pixel and channel; 3,284,993 parameters."""

    def activate(x):
        return layers.BatchNormalization()(layers.PReLU()(x))

    inputs = x = layers.Input((28, 28, 1))
    skips = []
    for filters, padding in ((64, "same"), (128, "same"), (256, "valid")):
        x = activate(layers.Conv2D(filters, 3, padding="same")(x))
        skips.append(x)
        x = layers.MaxPooling2D(2, padding=padding)(x)
        x = layers.Dropout(0.3)(x)
    x = activate(layers.Conv2D(512, 3, padding="same", activity_regularizer=regularizers.L2(1e-4))(x))
    for filters, padding in ((256, "valid"), (128, "same"), (64, "same")):
        x = activate(layers.Conv2DTranspose(filters, 3, strides=2, padding=padding)(x))
        x = layers.Add()([x, skips.pop()])
    return keras.Model(inputs, to_image(x), name="project_w_big")


def project_o_dense() -> keras.Model:
    """Build project O's dense model 784-128-50-128-784 on flattened images; 214,594 parameters."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Flatten()(inputs)
    for units in (128, 50, 128):
        x = layers.Dense(units, activation="relu", name="code" if units == 50 else None)(x)
    x = layers.Dense(784, activation="sigmoid")(x)
    return keras.Model(inputs, layers.Reshape((28, 28, 1))(x), name="project_o_dense")


def project_g_nine_layers(batch_norm: bool = True, leaky: bool = True) -> keras.Model:
    """Build project G's nine layers at full resolution; 51,057 parameters (50,705 trainable) with batch norm."""
    inputs = x = layers.Input((28, 28, 1))
    layout = [(layers.Conv2D, n) for n in (64, 32, 16, 8, 8, 16)] + [(layers.Conv2DTranspose, n) for n in (32, 64)]
    for number, (layer, filters) in enumerate(layout):
        x = layer(filters, 3, padding="same")(x)
        if batch_norm and number:
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.01)(x) if leaky else layers.ReLU()(x)
    x = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, x, name="project_g_nine_layers")


def project_r_encoder_decoder() -> keras.Model:
    """Build project R's colour model: code 10x10x128; 541,065 trainable parameters, 541,775 in all.

    PyTorch, which it was written in, does not count the statistics of batch normalisation.
    """
    inputs = x = layers.Input((28, 28, 3))
    for filters, strides, padding in ((16, 1, "same"), (32, 2, "same"), (64, 1, "same"), (128, 1, "valid")):
        x = layers.Conv2D(filters, 5, strides=strides, padding=padding)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    encoder = keras.Model(inputs, x, name="encoder")
    code = x = layers.Input(encoder.output_shape[1:])
    for filters, strides, padding in ((64, 1, "valid"), (32, 1, "same"), (16, 2, "same"), (3, 1, "same")):
        x = layers.Conv2DTranspose(filters, 5, strides=strides, padding=padding)(x)
        x = layers.Activation("sigmoid" if filters == 3 else "relu")(layers.BatchNormalization()(x))
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(inputs, decoder(encoder(inputs)), name="project_r")


def tutorial_keras() -> keras.Model:
    """Build the autoencoder of the common Keras tutorial: two poolings, 32 filters; 28,353 parameters."""
    inputs = x = layers.Input((28, 28, 1))
    for _ in range(2):
        x = layers.MaxPooling2D(2, padding="same")(_conv(x, 32))
    for _ in range(2):
        x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, to_image(x), name="tutorial_keras")


def tutorial_tensorflow() -> keras.Model:
    """Build the autoencoder of the common TensorFlow tutorial: strides instead of poolings; 3,217 parameters."""
    inputs = x = layers.Input((28, 28, 1))
    for filters in (16, 8):
        x = _conv(x, filters, strides=2)
    for filters in (8, 16):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, to_image(x), name="tutorial_tensorflow")
