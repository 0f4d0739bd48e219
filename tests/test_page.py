"""The playground page as a file: what it may hold, what it refuses, whether it can be read."""

import itertools
import json
import re
import subprocess
import sys
import tomllib

import keras
import pytest
from keras import layers

from denoise_utils import cli
from denoise_utils.datasets import sources
from denoise_utils.pictures.page import network, page
from tests.conftest import ROOT
from tests.making import save
from tests.pages import COMMITTED, contrast

ROOM = ROOT / "denoise_utils" / "pictures" / "page"
needs_data = pytest.mark.skipif(
    not all(map(sources.find_npz, ("mnist", "fashion_mnist"))), reason="no mnist.npz and fashion_mnist.npz here"
)


def read_found(text):
    """Return what the page's scripts are given."""
    return json.loads(re.search(r'<script type="application/json" id="found">(.*?)</script>', text)[1])


@needs_data
def test_command_writes_the_committed_page_without_tensorflow(tmp_path):
    program = (
        "import sys; from denoise_utils import cli; code = cli.main(['page', '--out', sys.argv[1]])\n"
        "print(code, sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", program, tmp_path / "page.html"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []" and "one file that needs no other" in done.stdout, done.stderr
    same = (tmp_path / "page.html").read_bytes() == COMMITTED.read_bytes()
    assert same, "a model or the page's source changed: run python -m denoise_utils page"


def test_wrong_ending_of_the_moving_picture_is_refused_before_anything_is_written(tmp_path, capsys):
    assert cli.main(["page", "--out", str(tmp_path / "page.html"), "--steps", str(tmp_path / "steps.png")]) == 2
    assert "Expected --steps to end in .gif" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_page_holds_its_models_and_stays_small():
    text = COMMITTED.read_text("utf-8")
    assert len(text.encode()) < page.MAX_BYTES
    found = read_found(text)
    assert [model["name"] for model in found["models"]] == list(page.MODELS)
    counts = {model["name"]: (model["parameters"], len(model["states"])) for model in found["models"]}
    assert counts["clutter_tiny"] == (937, 16) and counts["clutter_cap_baseline"] == (2101, 1)
    assert len(counts) == 5 and max(parameters for parameters, _ in counts.values()) <= 3600
    assert found["digits"]["labels"] == found["garments"]["labels"] == [label // 2 for label in range(20)]


def test_page_names_no_other_place():
    text = COMMITTED.read_text("utf-8")
    assert not re.search(r"https?:|//\w+\.\w+|\bsrc=|@import|url\(", text)
    assert "default-src 'none'" in text and "connect-src" not in text


def test_multiplications_are_those_of_a_hand_worked_model(tmp_path):
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.UpSampling2D(2)(layers.Conv2D(5, 1, padding="same")(x))
    save(tmp_path, "counted", keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(x)))
    expected = 28 * 28 * 9 * 4 + 14 * 14 * 4 * 5 + 28 * 28 * 9 * 5
    assert network.export(tmp_path / "counted.h5")["multiplications"] == expected


REFUSED = {
    "Conv2DTranspose": (layers.Conv2DTranspose, (1, 3), {"padding": "same"}),
    "strides": (layers.Conv2D, (1, 3), {"padding": "same", "strides": 2}),
    "padding valid": (layers.Conv2D, (1, 3), {}),
    "activation elu": (layers.Conv2D, (1, 3), {"padding": "same", "activation": "elu"}),
    "negative_slope": (layers.ReLU, (), {"negative_slope": 0.1}),
    "interpolation bilinear": (layers.UpSampling2D, (2,), {"interpolation": "bilinear"}),
    "Permute with dims [3, 1, 2]": (layers.Permute, ((3, 1, 2),), {}),
    "MaxPooling2D with strides": (layers.MaxPooling2D, (3,), {"strides": 1, "padding": "same"}),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_the_page_cannot_run_is_refused_by_name(tmp_path, named):
    kind, words, options = REFUSED[named]
    inputs = layers.Input((28, 28, 1))
    save(tmp_path, "strange", keras.Model(inputs, kind(*words, **options, name="odd_one")(inputs)))
    with pytest.raises(ValueError, match=r"page can run, got strange.h5 with .*odd_one.*: leave it out") as caught:
        network.export(tmp_path / "strange.h5")
    assert named in str(caught.value)


def test_sum_that_repeats_channels_is_refused(tmp_path):
    inputs = layers.Input((28, 28, 1))
    x = layers.Add(name="wide")([inputs, layers.Conv2D(4, 3, padding="same")(inputs)])
    save(tmp_path, "wide", keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(x)))
    with pytest.raises(ValueError, match=r'the layer "wide" that joins \(28, 28, 1\) and \(28, 28, 4\)'):
        network.export(tmp_path / "wide.h5")


def test_weights_beyond_half_precision_are_refused(tmp_path):
    inputs = layers.Input((28, 28, 1))
    model = keras.Model(
        inputs, layers.Conv2D(1, 1, padding="same", kernel_initializer=keras.initializers.Constant(1e5))(inputs)
    )
    save(tmp_path, "large", model)
    with pytest.raises(ValueError, match="weights that float16 has no room for"):
        network.export(tmp_path / "large.h5", "float16")


def test_without_data_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path))
    sources.load_arrays.cache_clear()
    assert cli.main(["page", "--out", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Expected mnist.npz in DENOISE_DATA_DIR") and said.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_another_ending_is_refused(tmp_path, capsys):
    assert cli.main(["page", "--out", str(tmp_path / "page.txt")]) == 2
    assert "Expected --out to end in .html" in capsys.readouterr().err


def test_names_of_models_are_text_and_no_markup():
    text = page.render({"name": "</script><script>alert(1)</script>"})
    assert "alert(1)</script>" not in text and read_found(text)["name"].endswith("</script>")


def test_files_beside_the_code_are_installed():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    rooms = {name: ROOT.joinpath(*name.split(".")) for name in data}
    installed = {path for name, room in rooms.items() for pattern in data[name] for path in room.glob(pattern)}
    package = ROOT / "denoise_utils"
    assert installed == {path for path in package.rglob("*.*") if path.suffix not in (".py", ".pyc")}


def read_colours(css):
    """Return the colours of the light and of the dark scheme, by name."""
    light, dark = (dict(re.findall(r"--([\w-]+): #(\w{6});", part)) for part in css.split("@media (prefers", 1))
    return {"light": light, "dark": dark}


def test_contrast_is_that_of_the_standard():
    assert contrast("000000", "ffffff") == pytest.approx(21) and contrast("777777", "ffffff") == pytest.approx(
        4.48, abs=0.01
    )


GROUNDS = ("paper", "card", "tint")
TEXTS = [*itertools.product(("ink", "soft"), GROUNDS), ("on-accent", "accent"), ("accent", "card"), ("warn", "paper")]
EDGES = [("edge", "card"), ("accent", "card"), ("accent", "paper"), ("accent", "tint")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_keep_the_contrast_of_wcag_aa(scheme):
    colours = read_colours((ROOM / "page.css").read_text())[scheme]
    ratios = {pair: contrast(*(colours[name] for name in pair)) for pair in {*TEXTS, *EDGES}}
    assert all(ratios[pair] >= 4.5 for pair in TEXTS) and all(ratios[pair] >= 3 for pair in EDGES), ratios
