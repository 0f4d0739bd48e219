"""The playground page in a real browser: its numbers are Keras's, its controls work, nothing leaves it."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from denoise_utils import evaluation, noise, saving
from denoise_utils.pictures.page import network, page
from tests.conftest import ROOT
from tests.making import save
from tests.pages import COMMITTED, contrast

TIED = [name for name in page.MODELS if name != "clutter_cap_baseline"]

# Starts a worker of its own from the page's code, hands it the networks, asks, and returns the answers.
ASK = """
const [networks, ask, last, done] = arguments;
const own = new Worker(URL.createObjectURL(new Blob([find("network").textContent])));
const answers = [];
own.onerror = event => done(String(event.message));
own.onmessage = ({ data }) => {
  answers.push(data);
  if (data[last]) { own.terminate(); done(JSON.parse(JSON.stringify(answers, (key, value) =>
    value instanceof Float32Array ? Array.from(value) : value))); }
};
own.postMessage({ networks: networks || { ...models, judge: found.judge } });
const read = ask.read && ask.read.map(picture => Float32Array.from(picture));
own.postMessage({ ...ask, ...(read ? { read } : { clean: Float32Array.from(ask.clean) }) });
"""


def open_page(browser, width=1280, scheme="light", height=900):
    """Open the committed page from disk, without its first animation, and wait until it has cleaned a picture."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": name, "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # of the page before
    browser.get(COMMITTED.as_uri())
    wait(browser)
    return browser


def wait(browser, until="!busy && !wanted && shown.id === number && shown.pictures.length > lastStep()"):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 120, 0.1).until(lambda driver: driver.execute_script(f"return {until}"))


@pytest.fixture(scope="module")
def opened(browser):
    return open_page(browser)


def clean_in(browser, name, picture, networks=None):
    """Return the pictures that the page makes of `picture` (28, 28, 1): (steps, 28, 28, 1)."""
    ask = {"id": 1, "clean": picture.ravel().tolist(), "side": picture.shape[0], "network": name}
    answers = browser.execute_async_script(ASK, networks, ask, "cleaned")
    assert isinstance(answers, list), answers
    pictures = [answer["picture"] for answer in answers if "picture" in answer]
    return np.array(pictures, np.float32).reshape(-1, *picture.shape)


def read_in(browser, name, pictures, networks=None):
    ask = {"id": 1, "read": [picture.ravel().tolist() for picture in pictures], "side": 28, "network": name}
    answers = browser.execute_async_script(ASK, networks, ask, "readings")
    assert isinstance(answers, list), answers
    return np.array([list(one) for one in answers[-1]["readings"]])


def readouts(model):
    """Return a model whose outputs are the readout of the features after each tied step, found by Keras's own graph."""
    readout = model.get_layer("readout")
    steps = min(len(layer._inbound_nodes) for layer in model.layers if layer.name.startswith("shared"))
    x, features = readout.input, []
    for _ in range(steps):
        features.append(x)
        x = x._keras_history.operation.input[0]  # each step adds to the first of its inputs
    outputs = [readout(x) for x in features[::-1]]
    if model.output._keras_history.operation is not readout:  # the readout is a correction
        outputs = [layers.Add()([model.input, output]) for output in outputs]
    return keras.Model(model.inputs, outputs)


@pytest.mark.parametrize("name", page.MODELS)
def test_every_model_of_the_page_cleans_as_keras_does(opened, name, clutter):
    model = saving.load_model(ROOT / "models" / f"{name}.h5")
    picture = clutter.val.noisy[7]
    pictures = clean_in(opened, name, picture)
    assert np.abs(pictures[-1] - model.predict_on_batch(picture[None])[0]).max() < 1e-4
    if name in TIED:
        expected = np.concatenate(readouts(model).predict_on_batch(picture[None]))
        assert pictures.shape == expected.shape and np.abs(pictures - expected).max() < 1e-4
        assert np.abs(expected[0] - expected[-1]).max() > 0.1  # the steps differ


def test_larger_drawing_is_cleaned_as_keras_does(opened, clutter):
    model = saving.load_model(ROOT / "models" / "clutter_tiny.h5")
    large = np.concatenate([np.concatenate(clutter.val.noisy[3 * row : 3 * row + 3], 1) for row in range(3)])
    pictures = clean_in(opened, "clutter_tiny", large)
    assert large.shape == (84, 84, 1)
    assert np.abs(pictures[-1] - model.predict_on_batch(large[None])[0]).max() < 1e-4


def both_signs():
    return sorted((ROOT / "models" / "runs").glob("step_signs-*/best.h5"))[0]


def test_step_of_both_signs_runs_too(opened, clutter):
    model, picture = saving.load_model(both_signs()), clutter.val.noisy[3]
    pictures = clean_in(opened, "signs", picture, {"signs": network.export(both_signs())})
    assert len(pictures) == 16
    assert np.abs(pictures - np.concatenate(readouts(model).predict_on_batch(picture[None]))).max() < 1e-4


def model_of_every_kind():
    """Return a model with each kind of layer that the page runs, in settings that differ from the usual."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(5, (2, 3), padding="same", activation="tanh")(inputs)
    x = layers.BatchNormalization(epsilon=0.01)(x)
    y = layers.MaxPooling2D((3, 2), padding="same")(x)
    y = layers.UpSampling2D((2, 3))(layers.Permute((2, 1, 3))(y))
    y = layers.Cropping2D(((0, 0), (1, 1)))(y)
    z = layers.UpSampling2D(2)(layers.AveragePooling2D(2, padding="valid")(x))
    gate = layers.Dense(5, activation="softplus")(layers.GlobalAveragePooling2D()(x))
    x = layers.Add()(
        [layers.Multiply()([y, gate]), z, layers.Dense(5)(layers.GlobalAveragePooling2D(keepdims=True)(z))]
    )
    x = layers.Concatenate()([layers.ReLU()(x), layers.ReLU()(layers.Rescaling(-1.5, 0.1)(x))])
    x = layers.Dropout(0.5)(layers.Activation("softmax")(x))
    x = layers.MaxPooling2D(4)(layers.Conv2D(3, 3, padding="same", activation="sigmoid", use_bias=False)(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Flatten()(x)))


def test_every_kind_of_layer_computes_as_in_keras(opened, clutter, tmp_path, rng):
    model = model_of_every_kind()
    model.set_weights(
        [rng.uniform(0.2, 1, weight.shape) * rng.choice([-1, 1], weight.shape[-1:]) for weight in model.get_weights()]
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(np.linspace(0.5, 2, 5))
    save(tmp_path, "kinds", model)
    exported = network.export(tmp_path / "kinds.h5")
    assert {layer.__class__.__name__ for layer in model.layers} == set(network.KINDS)
    found = read_in(opened, "kinds", clutter.val.noisy[:3], {"kinds": exported})
    assert np.abs(found - model.predict_on_batch(clutter.val.noisy[:3])).max() < 1e-4


@pytest.mark.stress
def test_judge_of_the_page_reads_a_thousand_pictures_as_keras_does(opened):
    judge = evaluation.load_judge(ROOT / "models")
    pairs = noise.load_task("gaussian", num_train=1, num_val=500, num_test=1).val
    pictures = np.concatenate([pairs.clean, pairs.noisy])
    exact = {"judge": network.export(ROOT / "models" / "digit_judge.h5")}
    expected = judge.predict_on_batch(pictures)
    assert np.abs(read_in(opened, "judge", pictures[::100], exact) - expected[::100]).max() < 1e-4
    chances = read_in(opened, "judge", pictures)
    assert len(chances) == len(pictures) and len(set(expected.argmax(1))) == 10
    assert (chances.argmax(1) == expected.argmax(1)).all()


def damage_in(browser, name, picture, strength, seed=1, garment=None):
    """Return `picture` (28, 28, 1) as the page damages it."""
    script = """
    const [name, picture, strength, seed, garment] = arguments;
    return [...NOISES[name].add(Float32Array.from(picture), 28, strength, random(seed), garment)];
    """
    garment = None if garment is None else garment.ravel().tolist()
    damaged = browser.execute_script(script, name, picture.ravel().tolist(), strength, seed, garment)
    return np.array(damaged, np.float32).reshape(picture.shape)


def test_page_damages_as_the_course_does(opened, clutter):
    clean, garment, gray = *clutter.val.clean[:2], np.full((28, 28, 1), 0.5, np.float32)
    expected = noise.add_clutter(clean[None], garment[None], seed=0)[0]
    assert np.abs(damage_in(opened, "garment", clean, 1, garment=garment) - expected).max() < 1e-6
    for strength in (1, 5):
        marked = damage_in(opened, "watermark", gray, strength) == 1
        assert 9 <= marked.sum() <= 9 * strength
        assert (damage_in(opened, "bar", gray, strength) == 1).sum() == 28 * strength
    rows, columns = np.nonzero(damage_in(opened, "watermark", gray, 1)[..., 0] == 1)
    mark = np.zeros((5, 5), int)
    mark[rows - rows.min(), columns - columns.min()] = 1
    assert (mark == noise.WATERMARK).all()
    assert np.std(damage_in(opened, "gaussian", gray, 0.1) - gray) == pytest.approx(0.1, rel=0.15)
    first, again, other = (damage_in(opened, "gaussian", gray, 0.1, seed) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_page_measures_psnr_as_the_course_does(opened, clutter):
    for noisy, clean in zip(clutter.val.noisy[:3] * 1.5 - 0.2, clutter.val.clean, strict=False):
        script = "return psnr(Float32Array.from(arguments[0]), Float32Array.from(arguments[1]))"
        found = opened.execute_script(script, noisy.ravel().tolist(), clean.ravel().tolist())
        assert found == pytest.approx(evaluation.psnr(noisy[None], clean[None])[0], abs=1e-3)


def text_of(browser, name):
    return browser.find_element("id", name).text


def click(browser, selector):
    browser.execute_script("arguments[0].click()", browser.find_element("css selector", selector))


def draw_a_one(browser, kind):
    """Draw a stroke from top to bottom, with the mouse or with a finger ("touch")."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    canvas = browser.find_element("id", "clean")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    reach = canvas.size["height"] // 3
    actions = ActionBuilder(browser, mouse=PointerInput(kind, kind), duration=50)
    pen = actions.pointer_action
    pen.move_to(canvas, 0, -reach).pointer_down().move_to(canvas, 0, 0).move_to(canvas, 0, reach).pointer_up()
    actions.perform()


@pytest.mark.parametrize(("width", "kind"), [(1280, "mouse"), pytest.param(390, "touch", marks=pytest.mark.stress)])
def test_visitor_draws_damages_chooses_steps_and_reads(browser, width, kind):
    open_page(browser, width)
    draw_a_one(browser, kind)
    assert browser.execute_script("return chosen.digit") is None
    click(browser, "input[name=noises][value=watermark]")
    wait(browser)
    assert browser.execute_script("return chosen.model") == "watermark_small"
    assert text_of(browser, "where") == "Step 16 of 16" and "trained on watermarks" in text_of(browser, "fit")
    before, after = (float(text_of(browser, f"psnr-{when}").split()[0]) for when in ("before", "after"))
    assert after > before + 5
    assert text_of(browser, "read-after").startswith("1, ")
    assert "after." in browser.execute_script("return find('status').textContent")
    click(browser, "#back")
    assert text_of(browser, "where") == "Step 15 of 16"
    assert text_of(browser, "psnr-now") == browser.find_elements("css selector", "#strip .decibels")[15].text
    click(browser, "#strip button:first-child")
    assert text_of(browser, "psnr-now") == text_of(browser, "psnr-before")
    click(browser, "#play")
    wait(browser, "step === 16 && !playing")
    click(browser, "#rewind")
    wait(browser, "step === 0 && !playing")
    click(browser, "summary")
    wait(browser, "find('maps-list').children.length === 16")
    check_quiet(browser)


def test_larger_drawing_and_other_models_are_chosen(browser):
    open_page(browser)
    click(browser, "input[name=side][value='84']")
    click(browser, "input[name=models][value=clutter_cap_baseline]")
    wait(browser)
    assert browser.execute_script("return find('stage').width") == 84
    assert text_of(browser, "where") == "Cleaned in one go" and text_of(browser, "read-after") == "–"
    click(browser, "input[name=noises][value=bar]")
    wait(browser)
    assert "never saw this damage" in text_of(browser, "fit")
    check_quiet(browser)


def test_larger_size_keeps_what_one_drew(browser):
    open_page(browser)
    draw_a_one(browser, "mouse")
    ink = []
    for side in (84, 28):
        ink.append(browser.execute_script("return clean.reduce((all, one) => all + one)"))
        click(browser, f"input[name=side][value='{side}']")
        wait(browser)
    ink.append(browser.execute_script("return clean.reduce((all, one) => all + one)"))
    assert ink[0] > 10 and ink == pytest.approx([ink[0]] * 3)
    assert text_of(browser, "read-after").startswith("1, ")


@pytest.mark.parametrize(("width", "small"), [(390, True), (1280, False)])
def test_a_phone_shows_the_answer_while_one_draws(browser, width, small):
    open_page(browser, width)
    assert browser.execute_script("return find('peek').hidden") or not small
    browser.execute_script("find('models').scrollIntoView({block: 'center'})")
    wait(browser, f"find('peek').getClientRects().length === {1 if small else 0}")
    painted = "Array.from(find(arguments[0]).getContext('2d').getImageData(0, 0, 28, 28).data)"
    stage, peek = (browser.execute_script(f"return {painted}", name) for name in ("stage", "peek"))
    assert stage == peek and max(stage[::4]) > 100


def check_quiet(browser):
    """Check that the console is empty and that the page asked for nothing but itself."""
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
    others = [url for url in asked if url != COMMITTED.as_uri() and not url.startswith(("data:", "blob:"))]
    assert COMMITTED.as_uri() in asked and others == []


@pytest.mark.parametrize("width", [1280, 800, 390, 320])
def test_page_fits_the_window(browser, width):
    open_page(browser, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_laptop_shows_picture_and_buttons_at_once(browser):
    open_page(browser, 1366, height=657)
    assert browser.execute_script("return find('play').getBoundingClientRect().bottom") <= 657


def test_controls_have_names_and_are_reached_by_keyboard(opened):
    controls = opened.find_elements("css selector", "button, input, summary, canvas[role=img]")
    assert len(controls) > 60
    nameless = [one.get_attribute("outerHTML") for one in controls if one.is_displayed() and not one.accessible_name]
    assert nameless == []
    names = [one.accessible_name for one in opened.find_elements("css selector", "input[name=digits]")]
    assert len(set(names)) == 20 and names[0] == "Digit 0, first of two"
    assert not opened.find_elements("css selector", "[tabindex='-1']")


# Each element with text of its own: its colour, and that of the nearest ground below it that is not clear.
COLOURS = """
const ground = element => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour.endsWith(", 0)") && element.parentElement ? ground(element.parentElement) : colour;
};
const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
return [...document.body.querySelectorAll("*")].filter(element => hasText(element) && element.getClientRects().length)
  .filter(element => !["SCRIPT", "NOSCRIPT"].includes(element.tagName))
  .map(element => [element.outerHTML.slice(0, 80), getComputedStyle(element).color, ground(element)]);
"""


def to_hex(colour):
    return "".join(f"{int(part):02x}" for part in colour[colour.index("(") + 1 : -1].split(",")[:3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(browser, scheme):
    texts = open_page(browser, scheme=scheme).execute_script(COLOURS)
    assert len(texts) > 60
    faint = [text for text, colour, ground in texts if contrast(to_hex(colour), to_hex(ground)) < 4.5]
    assert faint == []
    papers = {ground for _, _, ground in texts}
    assert ("rgb(250, 248, 244)" in papers) == (scheme == "light")
