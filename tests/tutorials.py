"""Denoisers and other models of images as the Keras tutorials build them, under the names of their pages."""

import keras
from keras import layers


def blog_dense():
    """Building autoencoders in Keras: deep fully-connected."""
    inputs = x = keras.Input((784,))
    for units in (128, 64, 32, 64, 128):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(784, activation="sigmoid")(x))


def blog_convolutional():
    """Building autoencoders in Keras: convolutional."""
    inputs = x = keras.Input((28, 28, 1))
    for filters in (16, 8, 8):
        x = layers.Conv2D(filters, (3, 3), activation="relu", padding="same")(x)
        x = layers.MaxPooling2D((2, 2), padding="same")(x)
    for filters in (8, 8, 16):
        padding = "valid" if filters == 16 else "same"
        x = layers.Conv2D(filters, (3, 3), activation="relu", padding=padding)(x)
        x = layers.UpSampling2D((2, 2))(x)
    return keras.Model(inputs, layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x))


def vision_autoencoder():
    """Convolutional autoencoder for image denoising."""
    inputs = x = keras.Input((28, 28, 1))
    for _ in range(2):
        x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(x)
        x = layers.MaxPooling2D((2, 2), padding="same")(x)
    for _ in range(2):
        x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
    return keras.Model(inputs, layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x))


def segmentation_xception():
    """Image segmentation with a U-Net-like architecture: 70 calls."""
    inputs = keras.Input((160, 160, 3))
    x = layers.Conv2D(32, 3, strides=2, padding="same")(inputs)
    x = before = layers.Activation("relu")(layers.BatchNormalization()(x))
    for filters in (64, 128, 256):
        for _ in range(2):
            x = layers.SeparableConv2D(filters, 3, padding="same")(layers.Activation("relu")(x))
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = before = layers.add([x, layers.Conv2D(filters, 1, strides=2, padding="same")(before)])
    for filters in (256, 128, 64, 32):
        for _ in range(2):
            x = layers.Conv2DTranspose(filters, 3, padding="same")(layers.Activation("relu")(x))
            x = layers.BatchNormalization()(x)
        residual = layers.Conv2D(filters, 1, padding="same")(layers.UpSampling2D(2)(before))
        x = before = layers.add([layers.UpSampling2D(2)(x), residual])
    return keras.Model(inputs, layers.Conv2D(3, 3, activation="softmax", padding="same")(x))


def low_light_zero_dce():
    """Zero-DCE for low-light image enhancement."""
    inputs = x = keras.Input((None, None, 3))
    kept = []
    for _ in range(4):
        x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(x)
        kept.append(x)
    for one in reversed(kept[:3]):
        joined = layers.Concatenate(axis=-1)([one, x])
        x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(joined)
    return keras.Model(inputs, layers.Conv2D(24, (3, 3), activation="tanh", padding="same")(x))


def guide_mixed_precision():
    """Mixed precision: what is inside computes in float16, what comes out is float32."""
    inputs = keras.Input((784,))
    x = layers.Dense(64, activation="relu", dtype="mixed_float16")(inputs)
    x = layers.Dense(10, dtype="mixed_float16")(x)
    return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))


def guide_functional():
    """The functional API: a toy ResNet on images in [0, 255]."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = before = layers.MaxPooling2D(3)(layers.Conv2D(64, 3, activation="relu")(x))
    for _ in range(2):
        for _ in range(2):
            x = layers.Conv2D(64, 3, activation="relu", padding="same")(x)
        x = before = layers.add([x, before])
    x = layers.Dense(256, activation="relu")(layers.GlobalAveragePooling2D()(layers.Conv2D(64, 3)(x)))
    return keras.Model(inputs, layers.Dense(10)(layers.Dropout(0.5)(x)))


ALL = (blog_dense, blog_convolutional, vision_autoencoder, segmentation_xception, low_light_zero_dce)
ALL += (guide_mixed_precision, guide_functional)
