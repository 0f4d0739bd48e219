"""Opening a stranger's .h5: what good models hold opens, every bad file is refused before Keras starts."""

import json
import random
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.legacy.saving import saving_utils

from denoise_utils import models, saving
from denoise_utils.opening import container, graph, safe_open
from denoise_utils.zoo import originals
from tests.conftest import ROOT

NESTED = 100_000


def save(model, path):
    with saving.without_legacy_warning():
        model.save(path, include_optimizer=False)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small saved model without a card."""
    return save(models.capped_autoencoder(4, 1), tmp_path_factory.mktemp("good") / "good.h5")


# What is right


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.h5")), ids=lambda path: path.stem)
def test_committed_models_are_admitted_and_counted_without_keras(path):
    assert safe_open.inspect_model(path).count.built == saving.read_card(path)["parameters"]


IMAGES = {
    "same": layers.Conv2D(6, (3, 5), padding="same", activation=layers.LeakyReLU(0.1), kernel_regularizer="l2"),
    "valid": layers.Conv2D(6, 4, strides=(2, 3), kernel_initializer="he_normal", use_bias=False),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, groups=2, kernel_constraint=keras.constraints.MaxNorm(2)),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"),
    "separable": layers.SeparableConv2D(6, 3, depth_multiplier=2, activation="swish"),
    "transposed": layers.Conv2DTranspose(6, 3, strides=2, padding="same"),
    "transposed valid": layers.Conv2DTranspose(6, (2, 5), strides=(3, 2)),
    "transposed padded": layers.Conv2DTranspose(6, 3, strides=2, padding="same", output_padding=1),
    "max": layers.MaxPooling2D(2, padding="same"),
    "average": layers.AveragePooling2D((2, 3), strides=1),
    "global": layers.GlobalAveragePooling2D(),
    "global kept": layers.GlobalMaxPooling2D(keepdims=True),
    "up": layers.UpSampling2D((2, 3), interpolation="bilinear"),
    "padded": layers.ZeroPadding2D(((1, 2), (3, 4))),
    "cropped": layers.Cropping2D((1, 2)),
    "dense": layers.Dense(5),
    "flat": layers.Flatten(),
    "reshaped": layers.Reshape((-1, 2)),
    "permuted": layers.Permute((3, 1, 2)),
    "batch norm": layers.BatchNormalization(scale=False),
    "layer norm": layers.LayerNormalization(axis=2),
    "group norm": layers.GroupNormalization(2),
    "prelu": layers.PReLU(shared_axes=[1, 2]),
    "prelu each": layers.PReLU(),
    "relu": layers.ReLU(max_value=1.0),
    "elu": layers.ELU(),
    "softmax": layers.Softmax(),
    "activation": layers.Activation("gelu"),
    "rescaling": layers.Rescaling(2.0, offset=-1.0),
    "dropout": layers.Dropout(0.2, seed=2**40),
    "spatial": layers.SpatialDropout2D(0.2),
    "noise": layers.GaussianNoise(0.1),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_shapes_and_weights_are_those_of_keras(kind, tmp_path):
    inputs = layers.Input((9, 11, 4))
    model = keras.Model(inputs, IMAGES[kind](inputs))
    contents = safe_open.inspect_model(save(model, tmp_path / "x.h5"))
    layer = contents.layers[-1]
    assert layer.outputs[0][0] == model.output_shape[1:]
    assert sorted(layer.all_weights) == sorted(tuple(weight.shape) for weight in model.weights)
    assert saving.load_model(tmp_path / "x.h5").output_shape == model.output_shape


def merged():
    inputs = layers.Input((8, 8, 4))
    gate = layers.Dense(4)(layers.GlobalAveragePooling2D()(inputs))
    kinds = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum)
    x = layers.Concatenate()([kind()([inputs, gate] if kind is layers.Multiply else [inputs] * 2) for kind in kinds])
    return keras.Model(inputs, x)


def tied(steps=200):
    inputs = x = layers.Input((None, None, 1))
    same = layers.Conv2D(1, 3, padding="same")
    for _ in range(steps):
        x = same(x)
    return keras.Model(inputs, x)


def long(number=300):
    inputs = x = layers.Input((8, 8, 1))
    for _ in range(number):
        x = layers.Conv2D(1, 1)(x)
    return keras.Model(inputs, x)


def nested():
    inner = keras.Sequential([layers.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.Dropout(0.1)])
    part = layers.Input((8, 8, 4))
    outer = keras.Model(part, layers.BatchNormalization()(inner(inner(part))))
    inputs = layers.Input((8, 8, 4))
    frozen = outer(outer(inputs), training=False)
    outer.trainable = False
    return keras.Model(inputs, layers.Conv2D(1, 1)(frozen))


BUILT = {
    "merged": merged,
    "tied": tied,
    "long": long,
    "nested": nested,
    "sequential": lambda: keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)]),
    "mixed precision": lambda: keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3, dtype="mixed_bfloat16")]),
    "two outputs": lambda: keras.Model(i := layers.Input((8, 8, 1)), [layers.Conv2D(1, 3)(i), layers.ReLU()(i)]),
    "project r": originals.project_r_encoder_decoder,
    "project c, dense": originals.project_c_dense,
}


@pytest.mark.parametrize("kind", BUILT)
def test_graphs_round_trip(kind, tmp_path):
    model = BUILT[kind]()
    contents = safe_open.inspect_model(save(model, tmp_path / "x.h5"))
    assert contents.count.built == model.count_params()
    again = saving.load_model(tmp_path / "x.h5")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_checkpoint_with_an_optimizer_opens(tmp_path):
    model = models.capped_autoencoder(4, 1)
    model.compile("adam", "mean_squared_error")
    images = np.zeros((4, 28, 28, 1), dtype=np.float32)
    with saving.without_legacy_warning():
        model.fit(images, images, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "x.h5")])
    with h5py.File(tmp_path / "x.h5") as file:
        assert "optimizer_weights" in file, "or this test proves nothing"
    assert saving.load_model(tmp_path / "x.h5").count_params() == model.count_params()


# What is wrong


def edit(path, change):
    """Rewrite the config of the .h5 at `path` by `change`."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config) or config)


def find(config, kind):
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)


def set_key(kind, key, value):
    return lambda path: edit(path, lambda config: find(config, kind)["config"].update({key: value}))


def set_layer_key(key, value):
    return lambda path: edit(path, lambda config: find(config, "Conv2D").update({key: value}))


def edit_weights(change):
    def make(path):
        with h5py.File(path, "r+") as file:
            change(file["model_weights"])

    return make


def replace_kernel(**storage):
    def change(weights):
        name = next(name for name in weights if name.startswith("conv2d"))
        del weights[name][f"{name}/kernel"]
        weights[name].create_dataset(f"{name}/kernel", **storage)

    return edit_weights(change)


def first(weights):
    name = next(name for name in weights if name.startswith("conv2d"))
    return weights[name][name]


def put_number(number):
    return edit_weights(lambda weights: first(weights)["kernel"].__setitem__((0, 0, 0, 0), number))


def replace_link(link):
    def change(weights):
        name = next(name for name in weights if name.startswith("conv2d"))
        del weights[name]
        weights[name] = link(name)

    return edit_weights(change)


def make_virtual(weights):
    layout = h5py.VirtualLayout((3, 3, 1, 4), "f4")
    layout[...] = h5py.VirtualSource("/etc/other.h5", "kernel", shape=(3, 3, 1, 4))
    group = first(weights)
    del group["kernel"]
    group.create_virtual_dataset("kernel", layout)


def swap_kernel_filter(weights):
    """Store the kernel with the filter 32001, a plug-in that h5py does not bring."""
    group = first(weights)
    del group["kernel"]
    strange = {"chunks": True, "compression": 32001, "allow_unknown_filter": True}
    group.create_dataset("kernel", (3, 3, 1, 4), "f4", **strange)


def add_groups(weights):
    for number in range(container.MAX_OBJECTS + 1):
        weights.create_group(f"more_{number}")


def add_layers(config):
    row = {"class_name": "ReLU", "name": "r0", "config": {"name": "r0"}, "inbound_nodes": []}
    for number in range(20_000):
        config["config"]["layers"].append(row | {"name": f"r{number}", "config": {"name": f"r{number}"}})


def write_dense(side, units, **settings):
    """Write a Dense of `side` x `units` numbers that the disk is not made to store."""

    def make(path):
        rows = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, side]}}]
        rows += [{"class_name": "Dense", "config": {"name": "d", "units": units, "use_bias": False, **settings}}]
        edit(path, lambda config: {"class_name": "Sequential", "config": {"name": "s", "layers": rows}})
        with h5py.File(path, "r+") as file:
            del file["model_weights"]
            group = file.create_group("model_weights/d")
            storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            storage.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            storage.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple((side, units))
            h5py.h5d.create(group.id, b"kernel", h5py.h5t.IEEE_F32LE, space, storage)
            group.attrs["weight_names"], group.parent.attrs["layer_names"] = ["kernel"], ["d"]

    return make


def compress_again(weights):
    """Store the kernel deflated twice over: a few bytes that unpack to far more than their array."""
    group = first(weights)
    del group["kernel"]
    storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    storage.set_chunk((3, 3, 1, 4))
    storage.set_deflate(9)
    storage.set_deflate(9)
    space = h5py.h5s.create_simple((3, 3, 1, 4))
    kernel = h5py.h5d.create(group.id, b"kernel", h5py.h5t.IEEE_F32LE, space, storage)
    kernel.write_direct_chunk((0, 0, 0, 0), zlib.compress(zlib.compress(bytes(400_000_000), 9), 9))


def repeat_text(name, number, length, on_weights=True):
    """Write an attribute of `number` texts that are all the same long one of the file."""

    def make(path):
        with h5py.File(path, "r+") as file:
            place = file["model_weights"] if on_weights else file
            place.attrs.pop(name, None)
            texts = ["A" * length] + [f"{index:07d}" for index in range(number - 1)]
            place.attrs.create(name, np.array(texts, dtype=object), dtype=h5py.string_dtype())
        content, start = bytearray(path.read_bytes()), -1
        while True:  # find where the texts are listed, each by its length and its place
            start = content.index(struct.pack("<I", length), start + 1)
            if content[start + 16 : start + 20] == struct.pack("<I", 7):
                break
        content[start : start + 16 * number] = content[start : start + 16] * number
        path.write_bytes(content)

    return make


def write_row(*rows, kind="Sequential", weights=None, **config):
    """Write a model of `rows` (class, config) with `weights` (layer to shapes): are their shapes admitted?"""

    def make(path):
        parts = [{"class_name": kind, "config": config} for kind, config in rows]
        for part in parts if kind == "Functional" else ():
            part |= {"name": part["config"]["name"], "inbound_nodes": part["config"].pop("nodes", [])}
        edit(path, lambda old: {"class_name": kind, "config": {"name": "s", "layers": parts, **config}})
        with h5py.File(path, "r+") as file:
            del file["model_weights"]
            for layer, shapes in (weights or {}).items():
                group = file.create_group(f"model_weights/{layer}")
                for number, shape in enumerate(shapes):
                    group.create_dataset(str(number), data=np.zeros(shape, "f4"))
                group.attrs["weight_names"] = [str(number) for number in range(len(shapes))]
            group = file.require_group("model_weights")
            group.attrs["layer_names"] = list(weights or ()) or np.zeros(0, "S1")

    return make


def image(*sides, name="i", **more):
    return "InputLayer", {"name": name, "batch_shape": [None, *sides], **more}


def node(name):
    history = {"shape": [None, 2], "dtype": "float32", "keras_history": [name, 0, 0]}
    return [{"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": {}}]


DENSE = "Dense", {"name": "d", "units": 5, "use_bias": False}
ENDS = {"input_layers": ["r", 0, 0], "output_layers": ["d", 0, 0]}


def write_version(path, version):
    edit(path, lambda config: find(config, "Conv2D").update({"class_name": "Lambda"}))
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = version


def write_text_in(path, text):
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = text


def grow(path):
    """Let 400 uses of models inside models stand for 200 ** 5 calls."""
    inner = {"class_name": "ReLU", "config": {"name": "r"}}
    for depth in range(5):
        tensor = {"class_name": "__keras_tensor__"}
        nodes = [("i", 0)] + [("m", number) for number in range(199)]
        calls = []
        for name, number in nodes:
            history = {"shape": [None, 8, 8, 1], "dtype": "float32", "keras_history": [name, number, 0]}
            calls.append({"args": [tensor | {"config": history}], "kwargs": {}})
        inner["config"]["name"] = "m"
        used = inner | {"name": "m", "inbound_nodes": calls}
        inputs = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 8, 8, 1]}}
        rows = [inputs | {"name": "i", "inbound_nodes": []}, used]
        ends = {"input_layers": ["i", 0, 0], "output_layers": ["m", 200 if depth else 199, 0]}
        inner = {"class_name": "Functional", "config": {"name": f"m{depth}", "layers": rows, **ends}}
    edit(path, lambda config: inner)


BAD = {
    "empty": lambda path: path.write_bytes(b""),
    "picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 500),
    "no model": lambda path: h5py.File(path, "w").create_dataset("numbers", data=np.arange(10)).file.close(),
    "weights only": lambda path: edit_weights(lambda w: w.file.attrs.pop("model_config"))(path),
    "broken config": lambda path: write_text_in(path, "{not JSON"),
    "config is a number": lambda path: write_text_in(path, "1"),
    "config is no text": lambda path: write_text_in(path, np.arange(5)),
    "nested lists": lambda path: write_text_in(path, "[" * NESTED + "]" * NESTED),
    "nested dicts": lambda path: write_text_in(path, '{"a":' * 200 + "1" + "}" * 200),
    "huge number": lambda path: write_text_in(path, "1" * 5000),
    "custom package": set_layer_key("registered_name", "mine>Conv2D"),
    "custom module": set_layer_key("module", "os"),
    "build config": set_layer_key("build_config", {"input_shape": [None, 28, 28, 1000]}),
    "own builder": set_layer_key("build_config", {"shapes_dict": {}}),
    "TFSMLayer": set_layer_key("class_name", "TFSMLayer"),
    "function": set_key("Conv2D", "activation", {"class_name": "function", "config": "system", "module": "os"}),
    "word": set_key("Conv2D", "activation", "deserialize"),
    "lambda object": set_key("Conv2D", "activation", {"class_name": "__lambda__", "config": {"value": "4wEA"}}),
    "setting": set_key("Conv2D", "lora_rank", 4),
    "infinite setting": set_key("MaxPooling2D", "strides", [float("inf"), 1]),
    "1e9 filters": set_key("Conv2D", "filters", 10**9),
    "4e7 filters": set_key("Conv2D", "filters", 40_000_000),
    "1e6 filters": set_key("Conv2D", "filters", 1_000_000),
    "1e6 x 1e6 input": set_key("InputLayer", "batch_shape", [None, 1_000_000, 1_000_000, 1]),
    "1e6 x 1e6 on the way": set_key("UpSampling2D", "size", [100_000, 100_000]),
    "other filters": set_key("Conv2D", "filters", 5),
    "no filters": set_key("Conv2D", "filters", None),
    "text for a number": set_key("Conv2D", "filters", "same"),
    "no stride": set_key("MaxPooling2D", "strides", [0, 0]),
    "explosion of calls": grow,
    "external link": replace_link(lambda name: h5py.ExternalLink("/etc/other.h5", f"/model_weights/{name}")),
    "soft link": replace_link(lambda name: h5py.SoftLink("/model_weights/conv2d_9")),
    "hard link to itself": edit_weights(lambda weights: weights.__setitem__("again", weights)),
    "external data": replace_kernel(shape=(3, 3, 1, 4), dtype="f4", external=[("/etc/passwd", 0, 144)]),
    "virtual data": edit_weights(make_virtual),
    "objects": replace_kernel(data=np.array(["a"] * 36, dtype=object).reshape(3, 3, 1, 4), dtype=h5py.string_dtype()),
    "references": replace_kernel(shape=(3, 3, 1, 4), dtype=h5py.ref_dtype),
    "compressed bomb": replace_kernel(shape=(3, 3, 1, 10**9), dtype="f4", chunks=(3, 3, 1, 1000), compression="gzip"),
    "giant chunk": replace_kernel(shape=(3, 3, 1, 4), dtype="f4", chunks=(3, 3, 1, 10**8), maxshape=(3, 3, 1, None)),
    "numbers never written": replace_kernel(shape=(3, 3, 1, 4), dtype="f4"),
    "wrong shape": replace_kernel(data=np.zeros((3, 3, 4, 1), dtype="f4")),
    "missing weights": edit_weights(lambda weights: first(weights).pop("kernel")),
    "missing layer": edit_weights(lambda weights: weights.pop(first(weights).name.split("/")[-1])),
    "no names of weights": edit_weights(lambda weights: weights[first(weights).parent.name].attrs.pop("weight_names")),
    "unknown filter": edit_weights(swap_kernel_filter),
    "6e6 characters": lambda path: write_text_in(path, " " * 6_000_000),
    "1e8 characters": lambda path: write_text_in(path, " " * 100_000_000),
    "20001 groups": edit_weights(add_groups),
    "10001 names": edit_weights(lambda weights: weights.attrs.__setitem__("layer_names", np.full(10_001, b"a"))),
    "20000 layers": lambda path: edit(path, add_layers),
    "1.8e7 numbers": write_dense(4000, 4400),
    "orthogonal 3000": write_dense(3000, 3000, kernel_initializer={"class_name": "Orthogonal", "config": {}}),
    "NaN": put_number(np.nan),
    "infinity": put_number(-np.inf),
    "compressed twice": edit_weights(compress_again),
    "one name 100 times": repeat_text("layer_names", 100, 10_000_000),
    "one backend 100 times": repeat_text("backend", 100, 10_000_000),
    "input of two shapes": write_row(image(2, batch_input_shape=[None, 900]), DENSE, weights={"d": [(2, 5)]}),
    "input that is none": write_row(
        image(2),
        ("ReLU", {"name": "r", "nodes": node("i")}),
        ("Dense", DENSE[1] | {"nodes": node("r")}),
        weights={"d": [(2, 5)]},
        kind="Functional",
        **ENDS,
    ),
    "input of the old way": write_row(("Dense", DENSE[1] | {"batch_input_shape": [900, 2]}), weights={"d": [(2, 5)]}),
    "no strides": write_row(
        image(9, 9, 1),
        ("Conv2D", {"name": "c", "filters": 1, "kernel_size": [3, 3], "use_bias": False}),
        ("Flatten", {"name": "f"}),
        DENSE,
        weights={"c": [(3, 3, 1, 1)], "d": [(9, 5)]},
    ),
    "two axes": write_row(
        image(4, 5, 6), ("LayerNormalization", {"name": "d", "axis": [1, 2]}), weights={"d": [(4, 5)] * 2}
    ),
    "softmax of two axes": write_row(image(4, 5, 6), ("Softmax", {"name": "d", "axis": [1, 2]})),
    "number for a switch": write_row(image(4, 5, 6), ("BatchNormalization", {"name": "d", "scale": -3})),
    "list of scales": write_row(image(4, 5, 6), ("Rescaling", {"name": "d", "scale": [[[[1.0]]]] * 1000})),
    "call in an unknown form": lambda path: edit(path, lambda c: find(c, "Conv2D").update({"inbound_nodes": [[1]]})),
    "name that is no text": edit_weights(lambda w: w.create_group(b"\xff\xfe")),
    "name that moves the cursor": edit_weights(lambda w: w.__setitem__("\x1b[2J\n", h5py.SoftLink("/nowhere"))),
    "version that is a page": lambda path: write_version(path, "2." + "\x1b[2J" * 1000),
}


BOUNDS = {
    "6e6 characters": "a config of 6,000,000 characters, more than 5,000,000",
    "1e8 characters": "bytes besides its arrays, more than 20,000,000",
    "20001 groups": "one of more than 20,000 parts",
    "10001 names": "a list of layer_names that is none, or has more than",
    "one name 100 times": "a list of layer_names that is none, or has more than",
    "20000 layers": "more than 4000 uses of layers",
    "1.8e7 numbers": "more parameters than load within 536,870,912 bytes",
    "orthogonal 3000": "an orthogonal weight of 3,000, more than 1,024",
    "unknown filter": "compressed or in parts",
    "compressed twice": "compressed or in parts",
    "input of two shapes": 'the input "i" of two shapes',
    "input that is none": 'the layer "r" as an input, which is no InputLayer',
    "input of the old way": 'the setting "batch_input_shape", which is not on the list',
    "no strides": "with weights of [(9, 5)] instead of [(49, 5)]",
    "two axes": "2 axes instead of one",
    "softmax of two axes": "2 axes instead of one",
    "number for a switch": "scale -3 instead of true or false",
    "list of scales": "a scale of shape (1000, 1, 1, 1), which does not fit its input of (4, 5, 6)",
    "call in an unknown form": "a config in an unknown form",
    "name that is no text": "a text that is not UTF-8",
    "version that is a page": "written by Keras 2.\\x1b[2J",
}


@pytest.fixture(scope="module")
def bad_files(good, tmp_path_factory):
    """A folder of all bad files, and of the good one cut at every tenth of its length."""
    folder = tmp_path_factory.mktemp("bad")
    for kind, make in BAD.items():
        path = shutil.copy(good, folder / f"{kind.replace(' ', '_')}.h5")
        make(path)
    whole = good.read_bytes()
    for tenth in range(1, 10):
        (folder / f"cut_at_{tenth}0%.h5").write_bytes(whole[: len(whole) * tenth // 10])
    return folder


REFUSE = """
import json, pathlib, re, sys, time
from denoise_utils import saving
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    started = time.process_time()
    try:
        saving.load_model(path)
        found[path.stem] = "opened"
    except ValueError as error:
        found[path.stem] = str(error)
    found[path.stem] += "\\n" * (time.process_time() - started > 60)
status = pathlib.Path("/proc/self/status")  # Linux's: the peak since this program began
megabytes = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1024 if status.exists() else 0
print(json.dumps([found, megabytes, sorted({"keras", "tensorflow"} & set(sys.modules))]))
"""


def test_every_bad_file_is_refused_in_one_sentence_before_keras_starts(bad_files):
    done = subprocess.run([sys.executable, "-c", REFUSE, bad_files], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found, megabytes, imported = json.loads(done.stdout)
    assert len(found) == len(BAD) + 9 and imported == [] and megabytes < 300
    for kind, said in found.items():
        assert said.startswith("Expected ") and f"{kind}.h5" in said and said.isprintable(), (kind, said)
        assert "Error" not in said and len(said) < 400 and ("damaged" in said) == kind.startswith("cut"), (kind, said)
    assert 'the layer "conv2d' in found["1e9_filters"] and "1,000,000" in found["1e9_filters"]
    assert "input_layer" in found["1e6_x_1e6_input"] and "more than 134,217,728" in found["1e6_x_1e6_input"]
    assert "another file" in found["external_link"] and "another file" in found["external_data"]
    assert "NaN" in found["NaN"] and "more than 4000 uses" in found["explosion_of_calls"]
    for kind, said in BOUNDS.items():
        assert said in found[kind.replace(" ", "_")], (kind, found[kind.replace(" ", "_")])


@pytest.mark.parametrize("ending", [".keras", ".H5", ".hdf5", ""])
def test_other_endings_are_refused_since_keras_goes_by_them(good, tmp_path, ending):
    """A .keras may be a good .h5 with another model, a zip, behind it: Keras would read that one."""
    path = shutil.copy(good, tmp_path / f"model{ending}")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=f"ends in .h5, got model{ending}: rename it"):
        saving.load_model(path)


@pytest.mark.parametrize(("stored", "layer", "number"), [("f8", "float32", 1e300), ("f4", "float16", 1e6)])
def test_weights_that_are_infinite_once_loaded_are_refused(tmp_path, stored, layer, number):
    path = save(in_a_row(layers.Conv2D(1, 1, use_bias=False, dtype=layer, name="c")), tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/c"]
        del group[group.attrs["weight_names"][0]]
        group[group.attrs["weight_names"][0]] = np.full((1, 1, 1, 1), number, stored)
    with pytest.raises(ValueError, match="infinite in the precision"):
        saving.load_model(path)


def test_card_that_is_one_text_many_times_is_refused(good, tmp_path):
    path = shutil.copy(good, tmp_path / "x.h5")
    repeat_text("card", 100, 1_000_000, on_weights=False)(path)
    with pytest.raises(ValueError, match=r"card of x\.h5.*that is no text"):
        saving.read_card(path)


def mutate(config, rng):
    """Drop, double or retype one setting of one layer of a config; return what was done."""
    layer = rng.choice(config["config"]["layers"])
    settings = layer["config"]
    key = rng.choice(sorted(settings))
    if rng.random() < 0.4:
        return layer["class_name"], "drop", key, settings.pop(key)
    extra = rng.choice([*settings, "batch_shape", "batch_input_shape", "strides", "axis", "scale", "groups"])
    value = rng.choice(
        [None, True, 0, 1, 2, -3, 7, 2.0, [2], [1, 2], [2, 3], [None, 5, 5, 2], "same", "relu", [[1, 2]]]
    )
    settings[extra] = value
    return layer["class_name"], "set", extra, value


def test_what_is_admitted_is_what_keras_builds(tmp_path):
    """Whatever a setting is changed to: what `graph` counts is what Keras builds, or one of them refuses."""
    image, rng, both = layers.Input((9, 11, 4)), random.Random(3), 0
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2, padding="same", groups=2)(image))
    x = layers.PReLU(shared_axes=[1, 2])(layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.LayerNormalization()(x)))
    x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(layers.Conv2DTranspose(3, 3, strides=2)(x)))
    x = layers.Dense(5)(layers.Flatten()(layers.Concatenate()([layers.UpSampling2D(2)(x)] * 2)))
    model = keras.Model(image, layers.Rescaling(2.0, offset=-1.0)(x))
    whole = json.dumps({"class_name": "Functional", "config": model.get_config()})
    for _ in range(250):
        config = json.loads(whole)
        done = mutate(config, rng)
        text = json.dumps(config)
        try:
            found, _ = safe_open.follow(config, safe_open.MAX_BYTES)
            counted = sum(layer.parameters for layer in found)
            built = saving_utils.model_from_config(json.loads(text)).count_params()
        except Exception:  # Keras raises nearly anything
            continue
        assert counted == built, done
        both += 1
    assert both > 50, "or this test proves nothing"


def test_larger_files_need_a_larger_bound(good):
    with pytest.raises(ValueError, match=r"at most 10,000 bytes in good\.h5.*larger max_bytes"):
        saving.load_model(good, max_bytes=10_000)
    assert saving.load_model(good, max_bytes=10**9).count_params() > 0


def test_more_than_200_uses_of_a_layer_are_refused(tmp_path):
    with pytest.raises(ValueError, match="more than 200 times"):
        saving.load_model(save(tied(201), tmp_path / "x.h5"))
    assert graph.MAX_USES == 200


def attack(marker):
    """Return a Lambda layer that writes the file `marker` when it is called."""

    def write(x, path=str(marker)):
        open(path, "w").close()
        return x

    return layers.Lambda(write, name="innocent")


def in_a_row(*rest):
    return keras.Sequential([layers.Input((8, 8, 1)), *rest])


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_lambda_does_not_run_however_deep_it_hides(tmp_path, depth):
    marker = tmp_path / "marker.txt"
    model = in_a_row(attack(marker))
    for _ in range(depth):
        inputs = layers.Input((8, 8, 1))
        model = keras.Model(inputs, model(inputs))
    assert marker.exists(), "the attack itself must work, or this test proves nothing"
    path = save(model, tmp_path / "bad.h5")
    marker.unlink()
    with pytest.raises(ValueError, match=r"bad\.h5, got the layer \"innocent\" of class Lambda"):
        saving.load_model(path)
    assert not marker.exists()


@keras.saving.register_keras_serializable(package="tests")
class Writer(layers.Layer):
    """A class that Keras would load here, because it is registered here."""

    def __init__(self, marker, **kwargs):
        super().__init__(**kwargs)
        self.marker = marker
        open(marker, "w").close()

    def get_config(self):
        return super().get_config() | {"marker": self.marker}


def test_registered_custom_class_is_refused(tmp_path):
    marker = tmp_path / "marker.txt"
    path = save(in_a_row(Writer(str(marker), name="mine")), tmp_path / "bad.h5")
    marker.unlink()
    keras.models.load_model(path, compile=False)
    assert marker.exists(), "Keras itself must load it, or this test proves nothing"
    marker.unlink()
    with pytest.raises(ValueError, match=r"\"mine\" of class tests>Writer"):
        saving.load_model(path)
    assert not marker.exists()


# Chance

FUZZ = """
import pathlib, signal, sys
import numpy as np
from denoise_utils import saving
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    signal.setitimer(signal.ITIMER_PROF, 300)  # seconds of computing: a hang, on any machine
    try:
        weights = saving.load_model(path).get_weights()
        print(path.name, "opened" if all(np.isfinite(weight).all() for weight in weights) else "not finite")
    except ValueError as error:
        print(path.name, "refused" if str(error).startswith("Expected ") and "\\n" not in str(error) else "badly")
"""


def check_flipped_bytes(good, folder, number):
    """Flip bytes of `number` copies of the good file; each must open with finite weights or be refused cleanly."""
    rng, whole = random.Random(7), good.read_bytes()
    for index in range(number):
        flipped = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 5, 50])):
            flipped[rng.randrange(len(flipped))] ^= rng.randrange(1, 256)
        (folder / f"{index:04}.h5").write_bytes(flipped)
    program = [sys.executable, "-c", FUZZ, folder]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    ends = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(ends) == number, (len(ends), done.stderr[-1000:])
    assert set(ends) == {"opened", "refused"}, set(ends)


def test_flipped_bytes(good, tmp_path):
    check_flipped_bytes(good, tmp_path, 30)


@pytest.mark.stress
def test_many_flipped_bytes(good, tmp_path):
    check_flipped_bytes(good, tmp_path, 1000)
