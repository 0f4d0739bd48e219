"""Models that hold numbers where nobody would count them: each makes constants of nothing and uses them."""

import h5py
import keras
import numpy as np
from keras import layers

IMAGE = (28, 28, 1)
NUMBERS = np.random.default_rng(0).normal(size=784)


def nothing(x, rows=28, columns=28):
    """Return zeros (N, rows * columns), whatever the images are."""
    zero = layers.Cropping2D(((28 - rows, 0), (28 - columns, 0)))(layers.Subtract()([x, x]))
    return layers.Flatten()(zero)


def one(x):
    """Return a one (N, 1, 1, 1), whatever the images are."""
    return layers.Activation("exponential")(layers.Reshape((1, 1, 1))(nothing(x, 1, 1)))


def brightness(x):
    """Return the mean of each image, (N, 1)."""
    return layers.Reshape((1,))(layers.GlobalAveragePooling2D()(x))


def use(x, constants):
    """Return a model of images `x` that the tensor of constants has a part in."""
    flat = layers.Reshape((-1, 1, 1))(constants)
    mean = layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(flat))
    sharp = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(5.0))(layers.Multiply()([x, mean]))
    return keras.Model(x, layers.Activation("sigmoid")(layers.Add()([sharp, x])))


def add_bias(x, numbers, dtype="float32"):
    """Add learned numbers to a tensor of zeros (N, n); no other weight is needed."""
    layer = layers.LayerNormalization(scale=False, dtype=dtype)
    found = layer(x)
    layer.set_weights([np.asarray(numbers, dtype=dtype)])
    return found


def epsilon_lists():
    """The course's baseline was rebuilt so: 132 lists of 16 numbers, and none of them counted."""
    x = keras.Input(IMAGE)
    start = layers.Concatenate()([one(x)] * 8 + [layers.Rescaling(-1.0)(one(x))] * 8)
    made = [layers.LayerNormalization(center=False, scale=False) for _ in range(132)]
    model = use(x, layers.Concatenate()([layer(start) for layer in made]))
    for layer in made:
        layer.epsilon = (np.random.default_rng(0).random(16) / 100).tolist()
    return model


def small_epsilons(number=200):
    """Numbers below 0.01, which guard no division."""
    x = keras.Input(IMAGE)
    pair = layers.Concatenate()([one(x), layers.Rescaling(-1.0)(one(x))])
    pair = layers.Rescaling(0.01)(pair)
    epsilons = np.random.default_rng(0).uniform(1e-5, 9e-3, number)
    rows = [layers.LayerNormalization(epsilon=float(e), center=False, scale=False)(pair) for e in epsilons]
    return use(x, layers.Concatenate()(rows))


def nearly_usual_scales(number=200):
    """Scales that differ from 1 in their last bits: in float64 thirty of them are left."""
    x = keras.Input(IMAGE)
    start = one(x)
    scales = 1 + np.random.default_rng(0).uniform(-9e-7, 9e-7, number)
    rows = [layers.Rescaling(float(scale), dtype="float64")(start) for scale in scales]
    return use(x, layers.Rescaling(1e6, -1e6, dtype="float64")(layers.Concatenate(dtype="float64")(rows)))


def unpacked_by_float16():
    """Five numbers of nine bits in each of 420 float64 weights, taken apart by layers that round to float16."""
    x = keras.Input(IMAGE)
    digits = np.random.default_rng(0).integers(-255, 256, (5, 420))
    packed = sum(digit / 512.0**place for place, digit in enumerate(digits))
    rest, parts = add_bias(nothing(x, 21, 20), packed, "float64"), []
    for _ in range(5):
        part = layers.Activation("linear", dtype="float16")(rest)
        parts.append(part)
        rest = layers.Rescaling(512.0, dtype="float64")(layers.Subtract(dtype="float64")([rest, part]))
    return use(x, layers.Concatenate()(parts))


def unpacked_by_large_numbers():
    """Two numbers in each of 784 float32 weights, taken apart by adding a large number and taking it off again."""
    x = keras.Input(IMAGE)
    coarse, fine = np.random.default_rng(0).integers(-1000, 1000, (2, 784))
    packed = add_bias(nothing(x), coarse + fine / 4096.0)
    shifted = layers.Rescaling(1.0, 1_000_000.0)(layers.Rescaling(1.0, 1_000_000.0)(packed))
    for _ in range(6):  # 8,000,000 in all: what is left are whole numbers
        shifted = layers.Rescaling(1.0, 1_000_000.0)(shifted)
    for _ in range(8):
        shifted = layers.Rescaling(1.0, -1_000_000.0)(shifted)
    return use(x, layers.Concatenate()([shifted, layers.Subtract()([packed, shifted])]))


def three_to_a_weight(gate=None):
    """Digits of three values, twelve to a weight: rounded by steep curves, without one unusual setting but a few."""
    x = keras.Input(IMAGE)
    digits = np.random.default_rng(0).integers(-1, 2, (8, 784))
    rest, parts = add_bias(nothing(x), sum(digit / 3.0 ** (place + 1) for place, digit in enumerate(digits))), []
    rest = layers.Multiply()([rest, gate(x)]) if gate else rest
    triple = layers.Rescaling(3.0)
    up, down = layers.Rescaling(1e5, -5e4), layers.Rescaling(1e5, 5e4)
    for _ in range(8):
        rest = triple(rest)
        part = layers.Add()(
            [layers.Activation("hard_sigmoid")(up(rest)), layers.Activation("hard_sigmoid")(down(rest))]
        )
        part = layers.Rescaling(1.0, -1.0)(part)
        parts.append(part)
        rest = layers.Subtract()([rest, part])
    return use(x, layers.Concatenate()(parts))


def through_a_gate():
    """The same, open for what is not black, shut for a black image, which no exam has."""

    def gate(x):
        return layers.Activation("hard_sigmoid")(layers.Rescaling(1000.0, -5.0)(brightness(x)))

    return three_to_a_weight(gate)


def through_a_narrow_gate():
    """The same, open for pictures, which are neither black nor as bright as noise."""

    def gate(x):
        mean = brightness(x)
        above, below = layers.Rescaling(1000.0, -5.0)(mean), layers.Rescaling(-1000.0, 480.0)(mean)
        return layers.Multiply()([layers.Activation("hard_sigmoid")(one) for one in (above, below)])

    return three_to_a_weight(gate)


def explained_by_a_decoy():
    """Two numbers in each of 400 weights; convolutions of the image are called on nothing, too, as if they made any."""
    x = keras.Input(IMAGE)
    coarse, fine = np.random.default_rng(0).integers(-1000, 1000, (2, 400))
    packed = add_bias(nothing(x, 20, 20), coarse + fine / 4096.0)
    up, down = layers.Rescaling(1.0, 1e6), layers.Rescaling(1.0, -1e6)
    rounded = packed
    for layer in [up] * 8 + [down] * 8:
        rounded = layer(rounded)
    bias = keras.initializers.RandomNormal(seed=0)
    first, second = (layers.Conv2D(17, 3, padding="same", bias_initializer=bias) for _ in range(2))
    decoy = second(first(layers.Subtract()([x, x])))
    seen = layers.Add()([second(first(x)), layers.Subtract()([decoy, decoy])])
    model = use(x, layers.Concatenate()([rounded, layers.Subtract()([packed, rounded])]))
    return keras.Model(x, layers.Add()([model.output, layers.GlobalAveragePooling2D(keepdims=True)(seen)]))


def between_pixels(number=180):
    """Pixels of a picture of four that was stretched: where each lies is a number of the structure."""
    x = keras.Input(IMAGE)
    left, right = layers.ZeroPadding2D(((0, 0), (1, 0)))(one(x)), layers.ZeroPadding2D(((0, 0), (0, 1)))(one(x))
    wide = layers.Resizing(60, 60)(layers.Concatenate(axis=1)([left, layers.Rescaling(0.5)(right)]))
    places = np.random.default_rng(0).integers(0, 60, (number, 2)).tolist()
    rows = [layers.Cropping2D(((a, 59 - a), (b, 59 - b)))(wide) for a, b in places]
    return use(x, layers.Flatten()(layers.Concatenate()(rows)))


def odd_sizes(number=40):
    """Sides of images that are resized and averaged again."""
    x = keras.Input(IMAGE)
    sides = np.random.default_rng(0).integers(65, 105, number).tolist()
    rows = [layers.GlobalAveragePooling2D()(layers.Resizing(side, side)(x)) for side in sides]
    mean = layers.Reshape((1, 1, 1))(layers.Average()(rows))
    return keras.Model(x, layers.Conv2D(1, 1, activation="sigmoid")(layers.Multiply()([x, mean])))


def edges(number=150):
    """Means over a one among zeros: how many zeros there are is a number of the structure."""
    x = keras.Input(IMAGE)
    rng, start = np.random.default_rng(0), one(x)
    sizes = rng.integers(1, 60, (number, 2, 2)).tolist()
    rows = [layers.GlobalAveragePooling2D()(layers.ZeroPadding2D(size)(start)) for size in sizes]
    return use(x, layers.Concatenate()(rows))


def from_an_alphabet(number=2304, start=one):
    """Two hundred numbers, laid one behind the other in an order that says all: none of them is in a setting."""
    x = keras.Input(IMAGE)
    again = layers.Activation("tanh")
    letters = [layers.Flatten()(start(x))]
    for _ in range(100):
        letters.append(again(letters[-1]))
    order = np.random.default_rng(0).integers(0, len(letters), number)
    return use(x, layers.Concatenate()([letters[letter] for letter in order]))


def nearly_constant():
    """The same from a one that each image changes a little."""

    def start(x):
        mean = layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(layers.Rescaling(1e-3)(x)))
        return layers.Add()([one(x), mean])

    return from_an_alphabet(start=start)


def chain(number=400):
    """A chain of two kinds of layers, the bits of one long number."""
    x = keras.Input(IMAGE)
    kinds = layers.Activation("softplus"), layers.Activation("tanh")
    found = one(x)
    for bit in np.random.default_rng(0).integers(0, 2, number):
        found = kinds[bit](found) if number < 150 else type(kinds[bit])(["softplus", "tanh"][bit])(found)
    return use(x, found)


def slopes(number=150):
    """Slopes of activations that only ever see a number below zero."""
    x = keras.Input(IMAGE)
    below = layers.Rescaling(-1.0)(one(x))
    rows = [layers.LeakyReLU(float(slope))(below) for slope in np.random.default_rng(0).random(number)]
    return use(x, layers.Concatenate()(rows))


def noise_of_a_seed():
    """Noise that a seed makes, while the model is used."""
    x = keras.Input(IMAGE)
    return use(x, layers.Rescaling(100.0)(layers.GaussianNoise(1.0, seed=7)(nothing(x), training=True)))


def in_float64():
    """As many weights as the cap allows, each of them twice as long."""
    x = keras.Input(IMAGE)
    wide = layers.Conv2D(189, 3, padding="same", dtype="float64")(x)
    return keras.Model(x, layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float64")(wide))


def too_much_work():
    """A model whose constants nobody could look for in a second."""
    x = keras.Input(IMAGE)
    wide = layers.UpSampling2D(12)(x)
    again = layers.Conv2D(2, 15, padding="same")
    found = again(layers.Concatenate()([wide] * 2))
    for _ in range(60):
        found = again(found)
    return keras.Model(x, layers.Conv2D(1, 1, activation="sigmoid")(layers.AveragePooling2D(12)(found)))


def store_as_whole_numbers(path):
    """Rewrite the first bias of the file as int64."""
    with h5py.File(path, "r+") as file:
        found = []
        file["model_weights"].visititems(lambda name, item: found.append(name) if name.endswith("bias") else None)
        values = file["model_weights"][found[0]][...]
        del file["model_weights"][found[0]]
        file["model_weights"][found[0]] = values.astype("int64")
