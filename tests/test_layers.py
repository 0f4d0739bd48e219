"""The table of layers: what each admits, and that a picture in tiles comes out as it does whole."""

import keras
import numpy as np
import pytest
from keras import layers

from denoise_utils import models, reuse, saving
from denoise_utils.opening import allow_list, constants, safe_open
from denoise_utils.opening.layers import INPUT, TABLE, activations, functions

CHANNELS = 4
DRAWS = 3  # of the options of a layer that has any which matter here


def keep_size(layer, shrink=1, cut=0):
    """Return a function that calls the layer and undoes what it did: made sides smaller by a factor, cut numbers off.

    Edges that are put back, or taken off, are not always those that were changed: pictures may move.
    """

    def call(x):
        x = layer(x)
        if cut:
            before = int(np.random.default_rng(abs(cut)).integers(0, abs(cut) + 1))
            edges = ((before, abs(cut) - before), (abs(cut) - before, before))
            x = (layers.ZeroPadding2D(edges) if cut > 0 else layers.Cropping2D(edges))(x)
        if shrink > 1:
            x = layers.UpSampling2D(shrink)(x)
        return layers.AveragePooling2D(round(1 / shrink))(x) if shrink < 1 else x

    return call


def draw_convolution(make):
    def build(rng):
        size, padding = int(rng.integers(1, 6)), str(rng.choice(["same", "valid"]))
        dilation = int(rng.integers(1, 4))
        stride = int(rng.integers(1, 4)) if dilation == 1 and padding == "same" else 1
        options = {"strides": stride, "dilation_rate": dilation, "padding": padding}
        return keep_size(make(size, options), stride, 0 if padding == "same" else (size - 1) * dilation)

    return build


def draw_transposed(rng):
    size, padding = int(rng.integers(1, 6)), str(rng.choice(["same", "valid"]))
    dilation = int(rng.integers(1, 5))
    stride = int(rng.integers(1, 4)) if dilation == 1 else 1
    extra = 1 if dilation == 1 and stride == 2 and size % 2 and padding == "same" else None
    layer = layers.Conv2DTranspose(CHANNELS, size, stride, padding, output_padding=extra, dilation_rate=dilation)
    more = max((size - 1) * dilation + 1 - stride, 0) if padding == "valid" else 0
    return keep_size(layer, 1 / stride, -more)


def draw_pooling(make):
    def build(rng):
        size, stride = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        return keep_size(make(size, stride, "same"), stride)

    return build


def draw_upsampling(rng):
    size, kinds = int(rng.choice([2, 3, 4])), ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]
    return keep_size(layers.UpSampling2D(size, interpolation=str(rng.choice(kinds))), 1 / size)


def draw_edges(make, sign):
    def build(rng):
        number, before = int(rng.integers(1, 9)), int(rng.integers(0, 9))
        before = min(before, number)
        return keep_size(make(((before, number - before), (number - before, before))), 1, sign * number)

    return build


def joined(layer):
    """Join what two convolutions of different widths make of one tensor."""
    return lambda rng: lambda x: layer()([layers.Conv2D(CHANNELS, size, padding="same")(x) for size in (3, 7)])


def gate(*row):
    """Multiply the tensor by what the row of layers makes of it, one number for each channel."""

    def call(x):
        inner = x
        for layer in row:
            inner = layer(inner)
        return layers.Multiply()([x, layers.Reshape((1, 1, CHANNELS))(inner)])

    return call


def always(make):
    return lambda rng: make()


def draw_axis(layer):
    return lambda rng: layer(axis=int(rng.choice([-1, 3, 1, 2])))


def both_ways(layer):
    """Call a layer, and the same on the picture turned over its diagonal."""
    return lambda x: layers.Permute((2, 1, 3))(layer(layers.Permute((2, 1, 3))(x)))


DRAWN = {  # with options that matter
    "Conv2D": draw_convolution(lambda size, options: layers.Conv2D(CHANNELS, size, **options)),
    "DepthwiseConv2D": draw_convolution(lambda size, options: layers.DepthwiseConv2D(size, **options)),
    "SeparableConv2D": draw_convolution(lambda size, options: layers.SeparableConv2D(CHANNELS, size, **options)),
    "Conv2DTranspose": draw_transposed,
    "MaxPooling2D": draw_pooling(layers.MaxPooling2D),
    "AveragePooling2D": draw_pooling(layers.AveragePooling2D),
    "UpSampling2D": draw_upsampling,
    "ZeroPadding2D": draw_edges(layers.ZeroPadding2D, -1),
    "Cropping2D": draw_edges(layers.Cropping2D, 1),
    "Softmax": draw_axis(layers.Softmax),
    "UnitNormalization": draw_axis(layers.UnitNormalization),
}
PLAIN = {
    "GlobalMaxPooling2D": lambda: gate(layers.GlobalMaxPooling2D()),
    "GlobalAveragePooling2D": lambda: gate(layers.GlobalAveragePooling2D()),
    "Flatten": lambda: gate(layers.GlobalMaxPooling2D(keepdims=True), layers.Flatten()),
    "Reshape": lambda: gate(layers.GlobalAveragePooling2D(), layers.Dense(2 * CHANNELS), layers.Dense(CHANNELS)),
    "Resizing": lambda: gate(layers.Resizing(1, 1)),
    "Permute": lambda: both_ways(layers.Conv2D(CHANNELS, (5, 1), padding="same")),
    "Dense": lambda: layers.Dense(CHANNELS, activation="tanh"),
    "BatchNormalization": layers.BatchNormalization,
    "LayerNormalization": layers.LayerNormalization,
    "GroupNormalization": lambda: layers.GroupNormalization(2),
    "PReLU": lambda: layers.PReLU(shared_axes=[1, 2]),
    "ReLU": lambda: layers.ReLU(max_value=1.0),
    "LeakyReLU": layers.LeakyReLU,
    "ELU": layers.ELU,
    "Activation": lambda: layers.Activation(layers.Softmax(axis=1)),
    "ActivityRegularization": layers.ActivityRegularization,
    "Identity": layers.Identity,
    "Rescaling": lambda: layers.Rescaling(0.5, [0.1, 0.2, 0.3, 0.4]),
    "Dropout": lambda: layers.Dropout(0.2),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.2),
    "AlphaDropout": lambda: layers.AlphaDropout(0.2),
    "GaussianDropout": lambda: layers.GaussianDropout(0.2),
    "GaussianNoise": lambda: layers.GaussianNoise(0.2),
}
BUILDERS = DRAWN | {kind: always(make) for kind, make in PLAIN.items()}
BUILDERS |= {kind: joined(getattr(layers, kind)) for kind in ("Add", "Subtract", "Multiply", "Average", "Concatenate")}
BUILDERS |= {kind: joined(getattr(layers, kind)) for kind in ("Maximum", "Minimum")}
CASES = [(kind, seed) for kind in BUILDERS for seed in range(DRAWS if kind in DRAWN else 1)]
SEES_ALL = {"GlobalMaxPooling2D", "GlobalAveragePooling2D", "GroupNormalization", "Resizing", "Activation"}


def build(kind, seed):
    """Return a model of pictures of any size around one layer with random options, its weights random too."""
    rng = np.random.default_rng([seed, *kind.encode()])
    inputs = layers.Input((None, None, 1))
    x = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(BUILDERS[kind](rng)(x))
    model = keras.Model(inputs, x)
    for weight in model.weights:
        drawn = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.path else drawn)
    return model


def test_every_layer_of_the_table_is_built_here():
    assert set(BUILDERS) == set(TABLE)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_picture_in_tiles_is_the_picture_whole(kind, seed, monkeypatch, rng):
    model = build(kind, seed)
    found = reuse.survey(model)
    sides = [reuse.round_up(side, found.multiple) for side in (190, 170)]
    image = rng.random((1, *sides, 1), dtype=np.float32)
    expected = model.predict_on_batch(image)
    monkeypatch.setattr(reuse, "TILE", 16)
    monkeypatch.setattr(reuse, "RAMP", 2)
    cut = reuse.cut_side(sides[0], None, found, 4096).window < sides[0]
    assert cut == (not found.whole) and (bool(found.whole) or kind not in SEES_ALL)
    assert expected.shape == image.shape and np.ptp(expected) > 1e-3, "or this test proves nothing"
    assert np.abs(reuse.denoise(model, image) - expected).max() < 1e-5


def test_a_turned_picture_is_cut_only_where_it_is_turned_back():
    turn, inputs = layers.Permute((2, 1, 3)), layers.Input((None, None, 1))
    row = layers.Conv2D(1, (1, 5), padding="same")
    far = {  # how far each sees, or no cut
        "back": (turn(row(turn(row(inputs)))), 2),
        "down twice": (turn(row(row(turn(inputs)))), 4),
        "turned": (turn(row(inputs)), None),
        "added to itself": (layers.Add()([row(inputs), turn(inputs)]), None),
        "beside itself": (layers.Conv2D(1, 3, padding="same")(layers.Concatenate()([inputs, turn(inputs)])), None),
        "channels in front": (layers.Permute((2, 3, 1))(layers.Permute((3, 1, 2))(inputs)), None),
    }
    for name, (output, margin) in far.items():
        found = reuse.survey(keras.Model(inputs, output))
        assert (found.whole, found.margin) == ("", margin) if margin else found.whole, name
        assert name != "turned" or found.whole.startswith("permute")


def test_a_free_side_that_lies_across_while_it_is_pooled_sets_the_multiple():
    turn, inputs = layers.Permute((2, 1, 3)), layers.Input((None, 28, 1))
    pooled = layers.MaxPooling2D((1, 4))(turn(inputs))
    found = reuse.survey(keras.Model(inputs, turn(layers.UpSampling2D((1, 4))(pooled))))
    assert (found.whole, found.multiple) == ("", 4)


def test_rows_of_the_turned_picture_see_as_far_down_as_across():
    for steps, margin in ((1, 3), (2, 3), (20, 12)):
        found = reuse.survey(models.tied_denoiser(2, steps, signs=True, turned=3))
        assert (found.whole, found.margin, found.multiple) == ("", margin, 1)


@pytest.mark.parametrize("layer", [layers.UnitNormalization(axis=0), layers.Softmax(axis=0)])
def test_layer_that_mixes_images_is_refused(layer):
    inputs = layers.Input((None, None, 1))
    with pytest.raises(ValueError, match=r'the layer "\w+" with an axis that mixes the images of a batch'):
        reuse.survey(keras.Model(inputs, layer(inputs)))


def test_layer_without_an_entry_is_refused():
    inputs = layers.Input((None, None, 1))
    model = keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(layers.RandomContrast(0.1)(inputs)))
    with pytest.raises(ValueError, match="class RandomContrast, which is not on the list"):
        reuse.survey(model)


@pytest.mark.parametrize("kind", BUILDERS)
def test_every_setting_that_keras_writes_is_in_the_table(kind):
    written = [layer for layer in build(kind, 0).layers if type(layer).__name__ == kind]
    assert written
    for layer in written:
        config = layer.get_config()
        assert {key for key, value in config.items() if value is not None} <= set(TABLE[kind].settings)
    assert set(layers.Input((2, 2, 1))._keras_history.operation.get_config()) <= set(INPUT)


WRONG = [
    ("Conv2D", "filters", 0, "filters 0 instead of a whole number from 1 to 1,000,000"),
    ("Conv2D", "filters", True, "filters True instead of a whole number"),
    ("Conv2D", "filters", 2.0, "filters 2.0 instead of a whole number"),
    ("Conv2D", "kernel_size", [3, 3, 3], "or two of them"),
    ("Conv2D", "padding", "causal", "padding causal instead of one of same, valid"),
    ("Conv2D", "activation", ["relu"], "instead of a standard activation"),
    ("Conv2D", "activation", {"class_name": "Zeros", "config": {}}, "activation of class Zeros instead of a standard"),
    ("Conv2D", "kernel_initializer", "relu", "instead of a standard initializer"),
    ("Conv2D", "height", 3, 'the setting "height", which is not on the list'),
    ("Dropout", "rate", 1.5, "rate 1.5 instead of a number from 0 to 1"),
    ("BatchNormalization", "epsilon", -1e-3, "epsilon -0.001 instead of a number from 0"),
    ("BatchNormalization", "scale", 0.5, "scale 0.5 instead of true or false"),
    ("Rescaling", "scale", [1.0, "relu"], "or lists of them"),
    ("Rescaling", "scale", 1e300, "instead of a number from -1,000,000 to 1,000,000"),
    ("UpSampling2D", "interpolation", "area", "interpolation area instead of one of nearest, bilinear"),
    ("Cropping2D", "cropping", [[0, -1], [0, 0]], "or two pairs"),
    ("ReLU", "max_value", float("nan"), "max_value nan instead of a number"),
    ("Reshape", "target_shape", [[2]], "or a list of them"),
    ("Activation", "trainable", "same", "trainable same instead of true or false"),
    ("Activation", "dtype", "int32", "dtype int32 instead of one of float16"),
    ("Activation", "name", "x" * 300, "instead of a text of 1 to 200 printable characters"),
]


@pytest.mark.parametrize(("kind", "key", "value", "says"), WRONG)
def test_value_that_is_not_admitted_is_named_with_what_is(kind, key, value, says):
    layer = {"class_name": kind, "config": {"name": "l", key: value}}
    with pytest.raises(ValueError, match=r'the layer "') as caught:
        allow_list.check_model({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}})
    assert says in str(caught.value) and "\n" not in str(caught.value)


INTERPOLATES = {"UpSampling2D", "Resizing"}  # by the nearest pixel only, where constants are looked for


@pytest.mark.parametrize(("kind", "seed"), [case for case in CASES if case[0] not in INTERPOLATES])
def test_layers_in_numpy_compute_what_keras_does(kind, seed, monkeypatch, tmp_path):
    """The places of constants are found in NumPy: what Keras makes of the same images must be the same."""
    model = build(kind, seed)
    with saving.without_legacy_warning():
        model.save(tmp_path / "x.h5", include_optimizer=False)
    made = []
    evaluate = constants.evaluate
    monkeypatch.setattr(constants, "evaluate", lambda *given: made.append(evaluate(*given)) or made[-1])
    assert safe_open.inspect_model(tmp_path / "x.h5").count.searched
    images = constants.draw_inputs({1: (None, None, 1)}, 1)[1]
    expected = model.predict_on_batch(images.astype(np.float32))
    assert made[-1].shape == expected.shape and np.abs(made[-1] - expected).max() < 1e-3


@pytest.mark.parametrize("word", activations.WORDS.split())
def test_activations_in_numpy_are_those_of_keras(word):
    x = np.linspace(-4, 4, 60, dtype=np.float32).reshape(6, 10)
    assert np.abs(functions.WORDS[word](x) - np.asarray(keras.activations.get(word)(x))).max() < 1e-3
