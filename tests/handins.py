"""What a class hands in: good models, mistakes and cheats, each with the verdict that it must get."""

import os
from dataclasses import dataclass

import h5py
import keras
import numpy as np
from keras import layers

from denoise_utils import models, saving
from tests import smuggling
from tests.conftest import ROOT

IMAGE = (28, 28, 1)


@dataclass(frozen=True)
class Handin:
    """One hand-in: how it is made, its verdict, words of its flags or reason."""

    make: callable
    verdict: str
    says: str = ""


def save(model, path, **options):
    """Save as a student does: with plain Keras, the optimizer in it if there is one."""
    temporary = path.parent / "in progress.h5"  # Keras goes by the ending, and some names here have another
    model.save(temporary, **options)
    temporary.rename(path)


def saved(build):
    return lambda path: save(build(), path)


def functional(*steps, inputs=None):
    """Chain layers, or functions of a tensor, to a model."""
    inputs = x = layers.Input(IMAGE) if inputs is None else inputs
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


def to_image(activation="sigmoid", **options):
    return layers.Conv2D(1, 3, padding="same", activation=activation, **options)


def let_through(model):
    """Set the convolutions so that the image comes out again, paler: it has learned nothing, but ignores nothing."""
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    for layer in found:
        kernel, *bias = layer.get_weights()
        kernel[:] = 0
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, 0, 0] = 4 if layer is found[-1] else 1
        layer.set_weights([kernel, *[one * 0 - 2 * (layer is found[-1]) for one in bias]])
    return model


def good():
    keras.utils.set_random_seed(0)
    return let_through(models.capped_autoencoder(8, 1))


def sequential():
    return let_through(keras.Sequential([layers.Input(IMAGE), layers.Conv2D(8, 3, padding="same"), to_image()]))


def any_size():
    inputs = layers.Input((None, None, 1))
    return let_through(functional(layers.Conv2D(8, 3, padding="same"), to_image(), inputs=inputs))


def tied():
    again = layers.Conv2D(12, 3, padding="same", activation="relu")
    return let_through(functional(layers.Conv2D(12, 3, padding="same"), *[again] * 6, to_image()))


def dense():
    inputs = layers.Input(IMAGE)
    flat = layers.Dense(784, kernel_initializer="zeros")(layers.Dense(1)(layers.Flatten()(inputs)))
    return keras.Model(inputs, layers.ReLU(max_value=1)(layers.Add()([inputs, layers.Reshape(IMAGE)(flat)])))


def usual_settings():
    """Settings as people choose them, twelve of which could act as weights: eight slopes, two scales, two offsets."""
    kinds = [lambda: layers.BatchNormalization(epsilon=1e-5), lambda: layers.LeakyReLU(0.1), layers.ReLU] * 8
    scaled = layers.Rescaling(0.5, offset=0.5), layers.Rescaling(2.0, offset=-1.0)
    return let_through(functional(*scaled, *[kind() for kind in kinds], to_image()))


def resized():
    wide = layers.Conv2D(8, 3, padding="same")
    return let_through(functional(layers.Resizing(14, 14), wide, layers.Resizing(28, 28), to_image()))


def compiled():
    model = good()
    model.compile("adam", "mse")
    model.fit(np.zeros((4, *IMAGE)), np.zeros((4, *IMAGE)), verbose=0)
    return model


def frozen(filters):
    model = let_through(models.capped_autoencoder(filters, 1))
    model.trainable = False
    return model


def near_the_cap(num_norms):
    """3,592 parameters, and four for each batch normalisation."""
    norms = [layers.BatchNormalization() for _ in range(num_norms)]
    return let_through(functional(*norms, layers.Conv2D(189, 3, padding="same"), to_image()))


def statistics():
    return functional(layers.Conv2D(600, 1), layers.BatchNormalization(), layers.Conv2D(1, 1, activation="sigmoid"))


def nested():
    inner = functional(layers.Conv2D(60, 3, padding="same"), layers.Conv2D(8, 3, padding="same"))
    return functional(inner, to_image())


def constant_scale():
    rng = np.random.default_rng(0)
    scale, offset = (rng.random((3, *IMAGE), dtype=np.float32) for _ in range(2))
    return functional(*[layers.Rescaling(a, b) for a, b in zip(scale, offset, strict=True)], to_image())


def constant_pictures():
    """Five pictures as plain lists in the settings, which the list of what is admitted lets pass."""
    pictures = np.random.default_rng(0).random((5, *IMAGE)).tolist()
    return functional(*[layers.Rescaling(picture) for picture in pictures], to_image())


def constant_lists():
    """Lists as short as that of a padding, but many of them."""
    lists = np.random.default_rng(0).random((120, 2, 16)).tolist()
    return functional(layers.Conv2D(16, 1), *[layers.Rescaling(a, b) for a, b in lists], to_image())


def constant_scalars():
    """Three convolutions without a parameter: each weight is the scale of a layer of its own."""
    weights = np.random.default_rng(0).normal(size=(3, 3, 3)).tolist()

    def convolve(kernel):
        def apply(x):
            wide = layers.ZeroPadding2D(1)(x)
            cut = [[layers.Cropping2D(((i, 2 - i), (j, 2 - j)))(wide) for j in range(3)] for i in range(3)]
            return layers.Add()([layers.Rescaling(kernel[i][j])(cut[i][j]) for i in range(3) for j in range(3)])

        return apply

    return functional(*map(convolve, weights), layers.Activation("sigmoid"))


def constant_added():
    big = np.random.default_rng(0).random((1, 28, 28, 8), dtype=np.float32)
    return functional(layers.Conv2D(8, 3, padding="same"), lambda x: layers.Add()([x, big]), to_image())


def constant_of_lambda():
    big = np.ones((1, 28, 28, 8), dtype=np.float32)
    return functional(layers.Lambda(lambda x: x + big), to_image())


def ignores():
    return functional(to_image(kernel_initializer="zeros"))


def hardly_looks():
    return functional(layers.Rescaling(0.006, offset=0.13))


def mean_of_the_input():
    return functional(layers.AveragePooling2D(28), layers.UpSampling2D(28))


def infinite():
    wild = keras.initializers.Constant(1e5)
    return functional(layers.Conv2D(1, 1, kernel_initializer=wild, bias_initializer=wild, activation="exponential"))


def out_of_range():
    return functional(to_image("linear", kernel_initializer="ones"))


def beside():
    return functional(layers.UnitNormalization(axis=0), layers.ReLU(max_value=1))


def shared_out():
    return functional(layers.Softmax(axis=0))


def slow():
    again = layers.Conv2D(1, 31, padding="same", activation="sigmoid")
    return functional(layers.UpSampling2D(16), *[again] * 60, layers.AveragePooling2D(16))


def hungry():
    wide, back = layers.Conv2D(8, 1), layers.Conv2D(1, 1, activation="sigmoid")
    return functional(layers.UpSampling2D(64), wide, back, layers.AveragePooling2D(64))


def many_layers():
    return let_through(functional(*[layers.Conv2D(1, 1) for _ in range(300)], to_image()))


def two_inputs():
    a, b = layers.Input(IMAGE), layers.Input(IMAGE)
    return keras.Model([a, b], to_image()(layers.Add()([a, b])))


def two_outputs():
    x = layers.Input(IMAGE)
    return keras.Model(x, [to_image()(x), to_image()(x)])


def shape(*sizes, batch=None):
    return lambda: functional(layers.ReLU(max_value=1), inputs=layers.Input(sizes, batch_size=batch))


def write(content):
    return lambda path: path.write_bytes(content)


def truncated(path):
    save(good(), path)
    path.write_bytes(path.read_bytes()[:9000])


def edited(build, edit):
    """Save a model, then change its file."""

    def make(path):
        save(build(), path)
        with h5py.File(path, "r+") as file:
            edit(file)

    return make


def twice():
    return functional(
        *[layers.Conv2D(16, 3, padding="same", name=name) for name in ("one", "two", "three")], to_image()
    )


def link_weights(file):
    """Let two layers share one stored kernel: half of the parameters vanish from the file."""
    weights = file["model_weights"]
    for name in ("kernel", "bias"):
        del weights[f"three/three/{name}"]
        weights[f"three/three/{name}"] = weights[f"two/two/{name}"]


def hide_more(file):
    file["model_weights"]["more"] = np.ones(5000, dtype=np.float32)


def hide_beside(file):
    file["more"] = np.ones(300_000, dtype=np.float32)


def break_config(file):
    file.attrs["model_config"] = "{" * 10


def inside(*handins):
    """Make a folder that holds the hand-ins, as `number`.h5."""

    def make(path):
        path.mkdir()
        for number, one in enumerate(handins):
            one(path / f"{number}.h5")

    return make


def nudged(path):
    """Hand in a model of the course, each weight changed a little."""
    model = saving.load_model(ROOT / "models" / "clutter_tiny.h5")
    rng = np.random.default_rng(0)
    model.set_weights([weight + rng.normal(0, 1e-6, weight.shape) for weight in model.get_weights()])
    save(model, path)


def weights_only(path):
    good().save_weights(path.with_name("x.weights.h5"))
    path.with_name("x.weights.h5").rename(path)


def keras_format(path):
    good().save(path.with_name("in progress.keras"))
    path.with_name("in progress.keras").rename(path)


def huge(path):
    with open(path, "wb") as file:
        file.truncate(10**11)  # sparse: it takes no room


GOOD = saved(good)
FEW = {
    "a slow one.h5": Handin(saved(slow), "TIMEOUT", "within 15 s of processor time"),
    "good.h5": Handin(GOOD, "PASS"),
    "ignores.h5": Handin(saved(ignores), "PASS", "ignores its input"),
    "infinite.h5": Handin(saved(infinite), "BROKEN", "NaN or infinity in 60 of 60"),
    "lambda.h5": Handin(saved(constant_of_lambda), "REFUSED", "Lambda"),
    "over.h5": Handin(saved(lambda: models.capped_autoencoder(40, 2)), "OVER"),
    "statistics.h5": Handin(saved(statistics), "OVER", "1,200 parameters are statistics"),
    "truncated.h5": Handin(truncated, "BROKEN", "cannot be read"),
}
CHEATS = {
    "constant lists.h5": Handin(saved(constant_lists), "OVER", "3,840 numbers stand as constants"),
    "constant pictures.h5": Handin(saved(constant_pictures), "OVER", "3,920 numbers stand as constants"),
    "constant scalars.h5": Handin(saved(constant_scalars), "PASS", "27 numbers stand as constants"),
    "beside.h5": Handin(saved(beside), "PASS", "changes with the images beside it"),
    "hardly looks.h5": Handin(saved(hardly_looks), "PASS", "nearly ignores its input"),
    "large.h5": Handin(edited(good, hide_beside), "PASS", "the file has 1.2 MB: less than 1 MB is allowed"),
    "mean of the input.h5": Handin(saved(mean_of_the_input), "PASS", "nearly ignores its input"),
    "shared out.h5": Handin(saved(shared_out), "PASS", "changes with the images beside it"),
}
HONEST = {
    "any size.h5": Handin(saved(any_size), "PASS"),
    "resized.h5": Handin(saved(resized), "PASS"),
    "tied.h5": Handin(saved(tied), "PASS"),
    "usual settings.h5": Handin(saved(usual_settings), "PASS"),
}
OF_THE_PROJECT = (ROOT / "models" / "clutter_cap_baseline.h5").read_bytes()
SMUGGLED = {
    "an alphabet.h5": Handin(saved(smuggling.from_an_alphabet), "PASS", "its structure and settings take"),
    "chain.h5": Handin(saved(smuggling.chain), "PASS", "uses of layers around"),
    "epsilon lists.h5": Handin(saved(smuggling.epsilon_lists), "REFUSED", "with epsilon ["),
    "float64.h5": Handin(saved(smuggling.in_float64), "OVER", "more than 32 bits"),
    "noise of a seed.h5": Handin(saved(smuggling.noise_of_a_seed), "PASS", "training=True"),
    "nudged.h5": Handin(nudged, "PASS", "the same pictures as the course's models/clutter_tiny.h5"),
    "slopes.h5": Handin(saved(smuggling.slopes), "PASS", "stand as constants"),
    "small epsilons.h5": Handin(saved(smuggling.small_epsilons), "PASS", "stand as constants"),
    "three to a weight.h5": Handin(saved(smuggling.three_to_a_weight), "OVER", "computed from none of the input"),
    "unpacked by float16.h5": Handin(saved(smuggling.unpacked_by_float16), "OVER", "computed from none of the input"),
    "unpacked by large.h5": Handin(saved(smuggling.unpacked_by_large_numbers), "PASS", "computed from none"),
}
MANY = (
    FEW
    | CHEATS
    | HONEST
    | SMUGGLED
    | {
        "archive.7z": Handin(write(b"7z"), "BROKEN", "an archive (.7z): hand in the .h5"),
        "archive.h5.zip": Handin(write(b"PK"), "BROKEN", "an archive (.zip): hand in the .h5"),
        "archive.rar": Handin(write(b"Rar!"), "BROKEN", "an archive (.rar): hand in the .h5"),
        "archive.tar.gz": Handin(write(b"\x1f\x8b"), "BROKEN", "an archive (.gz): hand in the .h5"),
        "at the cap.h5": Handin(saved(lambda: near_the_cap(2)), "PASS"),
        "best.h5": Handin(write(OF_THE_PROJECT), "PASS", "the same file as best again"),
        "best again.h5": Handin(write(OF_THE_PROJECT), "PASS", "the same file as best"),
        "channels first.h5": Handin(saved(shape(1, 28, 28)), "BROKEN", "channels last"),
        "compiled.h5": Handin(saved(compiled), "PASS"),
        "config.h5": Handin(edited(good, break_config), "BROKEN", "cannot be read"),
        "constant added.h5": Handin(saved(constant_added), "REFUSED", "a constant, or an object, as its input"),
        "constant scale.h5": Handin(saved(constant_scale), "REFUSED", "scale of class __numpy__"),
        "copy.h5 (1)": Handin(GOOD, "BROKEN", "hand in the .h5 itself"),
        "dense.h5": Handin(saved(dense), "PASS"),
        "digits.h5": Handin(saved(models.digit_judge), "BROKEN", "the output (None, 10)"),
        "empty.h5": Handin(write(b""), "BROKEN", "an empty file"),
        "empty folder": Handin(inside(), "BROKEN", "found none; in it: nothing"),
        "fixed batch.h5": Handin(saved(shape(*IMAGE, batch=32)), "BROKEN", "batches of 32 only"),
        "flat.h5": Handin(saved(shape(784)), "BROKEN", "flatten and reshape inside"),
        "folder": Handin(inside(GOOD), "PASS"),
        "folder of two": Handin(inside(GOOD, GOOD), "PASS", "the newest of 2; older: 0.h5"),
        "frozen small.h5": Handin(saved(lambda: frozen(8)), "PASS"),
        "frozen.h5": Handin(saved(lambda: frozen(30)), "OVER", "are not trainable"),
        "hides more.h5": Handin(edited(good, hide_more), "OVER", "the file stores"),
        "huge.h5": Handin(huge, "REFUSED", "100,000 MB"),
        "hungry.h5": Handin(saved(hungry), "MEMORY", "of memory"),
        "just over.h5": Handin(saved(lambda: near_the_cap(3)), "OVER"),
        "links.h5": Handin(edited(twice, link_weights), "REFUSED", "which is there twice"),
        "many layers.h5": Handin(saved(many_layers), "PASS", "less than 1 MB"),
        "nested.h5": Handin(saved(nested), "OVER", "model within the model"),
        "other.keras": Handin(keras_format, "BROKEN", "got .keras"),
        "out of range.h5": Handin(saved(out_of_range), "PASS", "outside [0, 1]"),
        "picture.h5": Handin(write(b"\x89PNG\r\n\x1a\n" + b"\0" * 500), "BROKEN", "an HDF5 file"),
        "pipe.h5": Handin(os.mkfifo, "BROKEN", "no plain file"),
        "renamed.h5": Handin(keras_format, "BROKEN", "a .keras archive"),
        "sequential.h5": Handin(saved(sequential), "PASS"),
        "small side.h5": Handin(saved(shape(14, 14, 1)), "BROKEN", "begin with Input((28, 28, 1))"),
        "text.h5.txt": Handin(GOOD, "BROKEN", "got .txt: hand in the .h5 itself"),
        "two inputs.h5": Handin(saved(two_inputs), "BROKEN", "got 2 ("),
        "two outputs.h5": Handin(saved(two_outputs), "BROKEN", "got 2 (conv2d"),
        "upper case.H5": Handin(GOOD, "BROKEN", "rename it"),
        "weights only.h5": Handin(weights_only, "BROKEN", "weights alone"),
        "<script>alert(1)<\u2215script>.h5": Handin(GOOD, "PASS"),
        "=HYPERLINK(1).h5": Handin(GOOD, "PASS"),
        "@sum" + "m" * 240 + ".h5": Handin(GOOD, "PASS"),
        "line\nfeed and \u202e back.h5": Handin(GOOD, "PASS"),
        os.fsdecode(b"undecodable \xff\xfe.h5"): Handin(GOOD, "PASS"),
    }
)


def make_all(folder, handins):
    """Make every hand-in in `folder`."""
    folder.mkdir()
    for name, one in handins.items():
        one.make(folder / name)
