"""Old files and models of other shapes: they open, or the error says how to convert them; no wrong picture."""

import json
import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

from denoise_utils import cli, evaluation, models, reuse, saving
from denoise_utils.grading import one
from denoise_utils.opening import safe_open
from denoise_utils.pictures import images
from tests import legacy
from tests.conftest import ROOT

CASES = Path(os.environ.get("DENOISE_CASES_DIR") or ROOT.parent / "shared" / "cases") / "h5"
FILES = sorted(CASES.glob("keras_*/*.h5")) or [pytest.param(None, marks=pytest.mark.skip(f"no files in {CASES}"))]
REFUSED = {  # of these files, with what the message must name and what it must advise
    "augmentation": ("RandomRotation", "without it"),
    "lambda_layer": ("Lambda", "with a standard layer in its place"),
    "ops_add": ("x + y", "use layers.Add()"),
}


def draw(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def kernel(rng, *shape, filters=None):
    return {"kernel": draw(rng, *shape), "bias": draw(rng, filters or shape[-1])}


@pytest.mark.parametrize("sequential", [False, True])
def test_file_of_keras_2_opens_with_its_weights(tmp_path, rng, sequential):
    rows = [legacy.convolution(4), legacy.batch_norm(), legacy.LEAKY, legacy.POOLING, legacy.UPSAMPLING]
    rows.append(legacy.convolution(1, "sigmoid"))
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {0: kernel(rng, 3, 3, 1, 4), 1: {part: np.abs(draw(rng, 4)) for part in parts}}
    weights[5] = kernel(rng, 3, 3, 4, 1)
    legacy.write(tmp_path / "old.h5", rows, weights, sequential=sequential)
    model = saving.load_model(tmp_path / "old.h5")
    assert safe_open.inspect_model(tmp_path / "old.h5").keras_version == "2.11.0"
    stored = [array for arrays in weights.values() for array in arrays.values()]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), stored, strict=True))
    slope = next(layer for layer in model.layers if isinstance(layer, layers.LeakyReLU)).negative_slope
    assert slope == pytest.approx(0.3)
    evaluation.check_images_model(model)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path and f"{path.parent.name}/{path.stem}")
def test_file_of_older_keras_gives_what_its_own_version_gave_or_says_what_to_do(path):
    if path.stem in REFUSED:
        with pytest.raises(ValueError, match=r"model\.load_weights\(path\)") as caught:
            saving.load_model(path)
        said = str(caught.value)
        assert all(words in said for words in REFUSED[path.stem]) and f"in {path.name}, " in said and "\n" not in said
        return
    model, expected = saving.load_model(path), np.load(path.with_suffix(".npy"))
    noisy = np.load(CASES / "x.npy")
    assert np.abs(evaluation.predict(model, noisy) - expected).max() < 1e-3
    count = safe_open.inspect_model(path).count
    assert count.built == count.stored == model.count_params() and count.trainable == models.count_parameters(model)[1]
    assert one.denoise(model, noisy)[0] == pytest.approx(expected, abs=1e-3)
    assert np.abs(reuse.denoise(model, noisy) - evaluation.clip(expected)).max() < 1e-3


def without_augmentation():
    return [layers.Conv2D(8, 3, padding="same", activation="relu"), layers.Conv2D(1, 3, padding="same")]


def with_a_scale():
    return [layers.Conv2D(8, 3, padding="same", activation="relu"), layers.Rescaling(2.0), without_augmentation()[1]]


def with_add():
    return [layers.Conv2D(1, 3, padding="same")]


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no files in {CASES}")
@pytest.mark.parametrize(
    ("name", "build"),
    [("augmentation", without_augmentation), ("lambda_layer", with_a_scale), ("ops_add", with_add)],
)
def test_way_out_of_a_refused_file_works(name, build, tmp_path):
    path = CASES / "keras_2.15" / f"{name}.h5"
    model = keras.Sequential([layers.Input((28, 28, 1)), *build()])
    if name == "ops_add":
        inputs = model.inputs[0]
        model = keras.Model(inputs, layers.ReLU(max_value=1)(layers.Add()([model.layers[0](inputs), inputs])))
    else:
        model.layers[-1].activation = keras.activations.sigmoid
    model.load_weights(path)
    saving.save_model(model, tmp_path / "new.h5", {})
    found = evaluation.predict(saving.load_model(tmp_path / "new.h5"), np.load(CASES / "x.npy"))
    assert np.abs(found - np.load(path.with_suffix(".npy"))).max() < 1e-3


def test_transposed_convolution_of_keras_2_opens(tmp_path, rng):
    weights = {0: kernel(rng, 3, 3, 1, 4), 1: kernel(rng, 3, 3, 1, 4, filters=1)}
    legacy.write(tmp_path / "old.h5", [legacy.convolution(4), legacy.transposed(1)], weights)
    found = saving.load_model(tmp_path / "old.h5").get_weights()
    assert np.array_equal(found[0], weights[0]["kernel"]) and np.array_equal(found[2], weights[1]["kernel"])


def activate(tmp_path, rng, version, sequential=False, **attributes):
    """Write a convolution with hard_sigmoid as a file of `version`; return (its path, its kernel)."""
    weights = {0: kernel(rng, 3, 3, 1, 1)}
    legacy.write(tmp_path / "old.h5", [legacy.convolution(1, "hard_sigmoid")], weights, sequential=sequential)
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        del file.attrs["keras_version"]
        if version:
            file.attrs["keras_version"] = version
        file.attrs.update(attributes)
    return tmp_path / "old.h5", weights[0]


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(("version", "slope"), [("2.2.5", 0.2), ("2.15.0", 0.2), ("3.15.1", 1 / 6)])
def test_hard_sigmoid_is_that_of_the_version_that_wrote_it(tmp_path, rng, digits, version, slope, sequential):
    path, weights = activate(tmp_path, rng, version, sequential)
    linear = keras.Sequential([layers.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same")])
    linear.set_weights(list(weights.values()))
    expected = np.clip(slope * evaluation.predict(linear, digits) + 0.5, 0, 1)
    model = saving.load_model(path)
    assert np.abs(evaluation.predict(model, digits) - expected).max() < 1e-6
    saving.save_model(model, tmp_path / "again.h5", {})
    assert np.abs(evaluation.predict(saving.load_model(tmp_path / "again.h5"), digits) - expected).max() < 1e-6


def old_layer(kind, name, config, *sources):
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": [list(sources)]}


def old_model(name, shape, rows, output):
    first = {"class_name": "InputLayer", "name": "in", "inbound_nodes": []}
    first["config"] = {"name": "in", "batch_input_shape": [None, *shape]}
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [output]}
    return {"name": name, "layers": [first, *rows], **ends}


def test_model_inside_keeps_its_weights_where_a_hard_sigmoid_is_rewritten(tmp_path, rng, digits):
    """Two branches of equal weights: the order in which Keras 3 lists them changes, the function must not."""
    convolution = legacy.convolution(1, "linear")[1]
    source = ["in", 0, 0, {}]
    rows = [
        old_layer("Conv2D", "a/b", convolution | {"activation": "hard_sigmoid"}, source),
        old_layer("Conv2D", "c", convolution, source),
        old_layer("Subtract", "d", {}, ["a/b", 0, 0, {}], ["c", 0, 0, {}]),
    ]
    inner = old_model("m", (28, 28, 1), rows, ["d", 0, 0])
    outer = old_model("model", (28, 28, 1), [old_layer("Functional", "m", inner, source)], ["m", 1, 0])
    parts = [kernel(rng, 3, 3, 1, 1), kernel(rng, 3, 3, 1, 1)]
    path = tmp_path / "old.h5"
    legacy.write(path, [], {})
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": outer})
        file["model_weights"].attrs["layer_names"] = np.array(["in", "m"], dtype="S")
        group = file.create_group("model_weights/m")
        names = [f"{name}/{part}:0" for name in ("a/b", "c") for part in ("kernel", "bias")]
        group.attrs["weight_names"] = np.array(names, dtype="S")
        for name, array in zip(names, [array for part in parts for array in part.values()], strict=True):
            group[name] = array
        file["model_weights"].create_group("in").attrs["weight_names"] = np.array([], dtype="S")
    first, second = (ops.convert_to_numpy(ops.conv(digits, one["kernel"], padding="same")) for one in parts)
    expected = np.clip(0.2 * (first + parts[0]["bias"]) + 0.5, 0, 1) - (second + parts[1]["bias"])
    assert np.abs(evaluation.predict(saving.load_model(path), digits) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("version", "attributes", "says"),
    [
        (None, {}, "hard_sigmoid, which is not the same in Keras 2 and 3"),
        ("2.2.5", {"backend": "theano"}, r"Theano.*kernel\[::-1, ::-1\]"),
    ],
)
def test_what_cannot_be_known_or_rewritten_is_refused(tmp_path, rng, version, attributes, says):
    with pytest.raises(ValueError, match=says):
        saving.load_model(activate(tmp_path, rng, version, **attributes)[0])


@pytest.mark.parametrize(
    ("version", "row", "says"),
    [
        ("2.2.4-tf", (legacy.UPSAMPLING[0], legacy.UPSAMPLING[1] | {"interpolation": "bilinear"}), "other pixels"),
        ("2.15.0", (legacy.batch_norm()[0], legacy.batch_norm()[1] | {"epsilon": 1e-7}), r"epsilon=1\.001e-05"),
    ],
)
def test_settings_that_meant_something_else_are_refused(tmp_path, rng, version, row, says):
    weights = {0: kernel(rng, 3, 3, 1, 4), 1: {}, 2: kernel(rng, 3, 3, 4, 1)}
    if row[0] == "BatchNormalization":
        weights[1] = {name: np.ones(4, np.float32) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    path = tmp_path / "old.h5"
    legacy.write(path, [legacy.convolution(4), row, legacy.convolution(1)], weights)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = version
    with pytest.raises(ValueError, match=says):
        saving.load_model(path)


def test_old_custom_classes_stay_refused(tmp_path, rng):
    for change in ({"registered_name": "mine>Conv2D"}, {"module": "mine"}):
        path, _ = activate(tmp_path, rng, "2.15.0")
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1] |= change
            file.attrs["model_config"] = json.dumps(config)
        with pytest.raises(ValueError, match="custom class mine"):
            saving.load_model(path)


def test_old_file_with_a_lambda_is_refused(tmp_path):
    path = tmp_path / "old.h5"
    legacy.write(path, [("Lambda", {"function": ["4wEAAAA=", None, None], "function_type": "lambda"})], {})
    with pytest.raises(ValueError, match="class Lambda, which is not on the list"):
        saving.load_model(path)


def flat():
    return keras.Sequential([layers.Input((784,)), layers.Dense(784, activation="sigmoid")])


def channels_first():
    convolution = layers.Conv2D(1, 3, padding="same", data_format="channels_first", name="first")
    return keras.Sequential([layers.Input((1, 28, 28)), convolution])


def hidden_channels_first():
    inner = keras.Sequential(
        [layers.Input((28, 28, 1)), layers.MaxPooling2D(1, data_format="channels_first", name="in")]
    )
    return keras.Sequential([layers.Input((28, 28, 1)), inner])


def enlarging():
    return keras.Sequential([layers.Input((28, 28, 1)), layers.UpSampling2D(2)])


def classifier():
    return keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])


def two_inputs():
    inputs = [layers.Input((28, 28, 1)) for _ in range(2)]
    return keras.Model(inputs, layers.Add()(inputs))


def without_channels():
    return keras.Sequential([layers.Input((28, 28)), layers.Dense(28)])


STRANGE = {
    flat: r"takes \(784,\): wrap it",
    without_channels: r"takes \(28, 28\), without an axis of channels: wrap it.*Reshape\(\(28, 28\)\), model",
    channels_first: r"takes \(1, 28, 28\), channels first \(layer first\)",
    hidden_channels_first: r"channels first \(layer in\)",
    enlarging: r"returns \(56, 56, 1\)",
    classifier: r"returns \(10,\)",
    two_inputs: r"one input, got 2 \(input_layer\w*, input_layer\w*\)",
}


@pytest.mark.parametrize("build", STRANGE, ids=lambda build: build.__name__)
def test_model_that_does_not_denoise_images_is_refused(build, tmp_path, clutter):
    saving.save_model(build(), tmp_path / "x.h5", {})
    model = saving.load_model(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=STRANGE[build]):
        evaluation.check_images_model(model)
    with pytest.raises(ValueError, match=r"^Expected a model"):
        evaluation.score_model(model, clutter.test)


@pytest.mark.parametrize("build", [flat, channels_first, hidden_channels_first, two_inputs])
def test_prediction_by_it_is_refused_too(build):
    with pytest.raises(ValueError, match=r"^Expected a model"):
        evaluation.predict(build(), np.zeros((2, 28, 28, 1), dtype=np.float32))


@pytest.mark.parametrize(("build", "layer"), [(flat, layers.Flatten()), (without_channels, layers.Reshape((28, 28)))])
def test_advice_for_models_of_other_shapes_works(build, layer, clutter):
    inner = build()
    model = keras.Sequential([layers.Input((28, 28, 1)), layer, inner, layers.Reshape((28, 28, 1))])
    evaluation.check_images_model(model)
    noisy = clutter.test.noisy
    expected = inner.predict_on_batch(noisy.reshape(-1, *inner.input_shape[1:])).reshape(noisy.shape)
    assert np.allclose(evaluation.predict(model, noisy), expected, atol=1e-6)


def one_of(kind, side):
    """Return a model whose input or output (`side`), or both, is a dict or a list of one."""
    inputs = layers.Input((28, 28, 1), name="noisy")
    outputs = layers.Conv2D(1, 3, padding="same", name="clean")(inputs)
    wrap = {"dict": lambda tensor: {tensor.name: tensor}, "list": lambda tensor: [tensor]}[kind]
    ends = [wrap(inputs) if side != "out" else inputs, wrap(outputs) if side != "in" else outputs]
    return keras.Model(*ends)


@pytest.mark.filterwarnings("error:The structure of `inputs`")
@pytest.mark.parametrize("side", ["in", "out", "both"])
@pytest.mark.parametrize("kind", ["dict", "list"])
def test_dict_or_list_of_one_is_a_plain_model(kind, side, tmp_path, digits):
    model = one_of(kind, side)
    saving.save_model(model, tmp_path / "x.h5", {})
    loaded, (weights, bias) = saving.load_model(tmp_path / "x.h5"), model.get_weights()
    expected = evaluation.clip(ops.convert_to_numpy(ops.conv(digits, weights, padding="same")) + bias)
    for alike in (loaded, model):
        evaluation.check_images_model(alike)
        assert np.abs(evaluation.clip(evaluation.predict(alike, digits)) - expected).max() < 1e-6
        assert np.abs(reuse.denoise(alike, digits) - expected).max() < 1e-6
        one.check_shapes(alike, (28, 28, 1))


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no files in {CASES}")
@pytest.mark.parametrize("path", sorted((CASES / "dict_and_list").glob("*.h5")), ids=lambda path: path.stem)
def test_saved_dict_or_list_of_one_denoises_a_picture(path, tmp_path):
    images.write_image(np.zeros((28, 28), np.uint8), tmp_path / "in.png")
    assert cli.main(["denoise", "--model", str(path), str(tmp_path / "in.png"), str(tmp_path / "out.png")]) == 0
    assert images.read_image(tmp_path / "out.png").shape == (28, 28)


def two_outputs():
    inputs = layers.Input((28, 28, 1))
    return keras.Model(inputs, {name: layers.Conv2D(1, 3, padding="same", name=name)(inputs) for name in ("a", "b")})


def test_more_than_one_output_is_named(clutter):
    with pytest.raises(ValueError, match=r"one output, got 2 \(a, b\): take the part"):
        evaluation.check_images_model(two_outputs())
    with pytest.raises(ValueError, match=r"got 2 \(a, b\) outputs: build it with one"):
        one.check_shapes(two_outputs(), (28, 28, 1))
    with pytest.raises(ValueError, match=r"Reshape\(\(28, 28\)\), end with Reshape\(\(28, 28, 1\)\)"):
        one.check_shapes(without_channels(), (28, 28, 1))


def test_models_for_any_size_and_for_colour_are_admitted():
    for shape in ((None, None, 1), (None, None, 3), (28, 28, 3)):
        inputs = layers.Input(shape)
        model = keras.Model(inputs, layers.Conv2D(shape[2], 3, padding="same")(inputs))
        evaluation.check_images_model(model)
        assert evaluation.predict(model, np.zeros((2, 28, 28, shape[2]), dtype=np.float32)).shape[3] == shape[2]


OPERATIONS = {
    "x + y": (lambda x, y: x + y, "use layers.Add()([x, y])"),
    "x - y": (lambda x, y: 1 - x, "use layers.Subtract()([x, y]), or layers.Rescaling(-1, offset=number)(x)"),
    "x * y": (lambda x, y: x * y, "use layers.Multiply()([x, y])"),
    "x / y": (lambda x, y: x / 255, "use layers.Rescaling(1 / number)(x)"),
    "-x": (lambda x, y: -x, "use layers.Rescaling(-1)"),
    "clip(x, 0, 1)": (lambda x, y: ops.clip(x, 0, 1), "use layers.ReLU(max_value=1)"),
    "maximum(x, y)": (lambda x, y: ops.maximum(x, y), "use layers.Maximum()"),
    "x[...]": (lambda x, y: x[:, :14], "use layers.Cropping2D"),
    "sigmoid(x)": (lambda x, y: ops.sigmoid(x), 'use layers.Activation("sigmoid")'),
    "reshape(x)": (lambda x, y: ops.reshape(x, (-1, 784)), "use layers.Reshape"),
}


@pytest.mark.parametrize("written", OPERATIONS)
def test_operation_between_tensors_is_answered_with_its_layer(written, tmp_path):
    inputs = layers.Input((28, 28, 1))
    operate, use = OPERATIONS[written]
    model = keras.Model(inputs, operate(layers.Conv2D(1, 3, padding="same")(inputs), inputs))
    with saving.without_legacy_warning():
        model.save(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"x\.h5") as caught:
        saving.load_model(tmp_path / "x.h5")
    assert f"which is {written} of a tensor" in str(caught.value) and use in str(caught.value)


def test_reason_is_the_last_line_of_keras(tmp_path):
    model = keras.Sequential([layers.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same", name="c")])
    with saving.without_legacy_warning():
        model.save(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"] |= {"strides": [2, 2], "dilation_rate": [2, 2]}  # each is admitted
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ValueError, match=r"Keras refuses \(.*dilation_rate") as caught:
        saving.load_model(tmp_path / "x.h5")
    assert "author" not in str(caught.value) and "Error when deserializing" not in str(caught.value)


def write_weights(path):
    flat().save_weights(path.with_name("x.weights.h5"))
    path.with_name("x.weights.h5").rename(path)


def write_old_weights(path):
    legacy.write(path, [], {})
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = np.array(["a"], dtype="S")
        del file.attrs["model_config"], file["model_weights"]


def write_keras(path):
    flat().save(path.with_name("x.keras"))
    path.with_name("x.keras").rename(path)


def write_lambda(path):
    row = ("Lambda", {"function": ["4wEAAAA=", None, None], "function_type": "lambda"})
    legacy.write(path, [row], {})


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
KINDS = {
    "empty": (lambda path: path.write_bytes(b""), "an empty file", "copy the file, again"),
    "pointer": (lambda path: path.write_bytes(POINTER), "a Git LFS pointer", "git lfs pull"),
    "page": (lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>"), "a web page", "download the file itself"),
    "zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "a zip archive", "unpack it"),
    "keras": (write_keras, "a .keras archive", "a name that ends in .keras"),
    "picture": (lambda path: path.write_bytes(b"\x89PNG" + bytes(100)), "HDF5", "save or copy it again"),
    "weights": (write_weights, "weights alone", "path ending in .weights.h5"),
    "old_weights": (write_old_weights, "weights alone", "model.load_weights(path), and model.save"),
    "lambda": (write_lambda, "class Lambda", "a standard layer in its place"),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A folder with a file of each kind that is refused."""
    folder = tmp_path_factory.mktemp("refused")
    for name, (make, *_) in KINDS.items():
        make(folder / f"{name}.h5")
    return folder


def check_said(text, name):
    """Check that one line of `text` names the file, what it is and what to do."""
    lines = [line for line in text.splitlines() if all(words in line for words in (f"{name}.h5", *KINDS[name][1:]))]
    assert lines and not any("author" in line or "Traceback" in line for line in text.splitlines()), text


@pytest.mark.parametrize("command", ["show", "denoise"])
@pytest.mark.parametrize("name", KINDS)
def test_refused_file_is_explained_by(command, name, refused, tmp_path, capsys):
    images.write_image(np.zeros((28, 28), np.uint8), tmp_path / "in.png")
    path = str(refused / f"{name}.h5")
    words = {"show": ["show", path]}
    words["denoise"] = ["denoise", "--model", path, str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert cli.main(words[command]) == 2
    said = capsys.readouterr().err
    check_said(said, name)
    assert len([line for line in said.splitlines() if line.startswith("error: ")]) == 1


@pytest.mark.stress
def test_refused_files_are_explained_by_grade(refused, tmp_path, capsys):
    options = ["--out", str(tmp_path), "--profile", "quick", "--images", "20", "--jobs", "2"]
    assert cli.main(["grade", str(refused), *options]) == 0
    told = capsys.readouterr().out
    for name in KINDS:
        check_said("\n".join(line for line in told.splitlines() if line.startswith(f"{name}.h5: ")), name)


def test_refused_files_are_explained_by_report(refused, tmp_path, small_quick, capsys):
    assert cli.main(["report", str(refused), "--out", str(tmp_path), "--profile", "quick"]) == 2
    told = capsys.readouterr().out
    for name in KINDS:
        check_said("\n".join(line for line in told.splitlines() if line.startswith(f"- **{name}.h5** ")), name)
