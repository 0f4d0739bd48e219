"""The page of a class of 330 in a real browser: it fits a screen and a phone, is sorted and filtered."""

import pytest

from denoise_utils.grading import everyone, page, ranking
from denoise_utils.measures.verdicts import Verdict

NAMES = (
    "Ada Lovelace, {}",
    "n" * 200 + " {}",
    "\u202eevil {}",
    "<b>bold</b> {}",
    "\u0645\u062d\u0645\u062f {}",
    "Öz, Jürgen, {}",
)
SCREENS = [(1280, 900), (390, 844)]


def make_row(number):
    """Return the row of a hand-in, some of which have no figures."""
    verdict = Verdict.BROKEN if number % 11 == 0 else Verdict.PASS
    row = {"submission": NAMES[number % len(NAMES)].format(number), "verdict": verdict, "flags": [], "notes": []}
    row |= {"reason": "Expected a model, got none. " * 8 if number % 11 == 0 else "", "pseudonym": f"P{number}"}
    scores = {"excess": (number * 37 % 330) / 4000, "psnr": 20.0, "legibility": 0.9, "parameters": 400 + number}
    return row if number % 11 == 0 else row | scores | {"images": 300, "losses": ""}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rows = ranking.rank([make_row(number) for number in range(330)])
    noisy = {"excess": 0.16, "psnr": 13.6, "legibility": 0.5, "images": 300}
    folder = tmp_path_factory.mktemp("class")
    page.write(everyone.Grades("clutter", "MNIST", 3600, 5, rows, noisy, left_out=["x" * 300]), folder)
    return folder / "grades.html"


@pytest.mark.parametrize("width, height", SCREENS)
def test_page_fits_sorts_and_filters(browser, path, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(path.as_uri())
    ask = browser.execute_script
    assert ask("return document.documentElement.scrollWidth") <= width
    if width > 1000:
        assert ask("const one = document.querySelector('.scroll'); return one.scrollWidth <= one.clientWidth")
    values = "return [...document.querySelectorAll('tbody.ranked tr')].map(one => one.cells[5].dataset.value)"
    ask("[...document.querySelectorAll('th button')].find(one => one.textContent === 'parameters').click()")
    found = [int(one) for one in ask(values) if one]
    assert found == sorted(found) and len(found) == 300 and not any(ask(values)[300:])
    ask("const one = document.getElementById('filter'); one.value = 'Jürgen, 5'; one.dispatchEvent(new Event('input'))")
    shown = "return [...document.querySelectorAll('tbody.ranked tr')].filter(one => one.offsetParent).length"
    assert ask(shown) == sum("Jürgen, 5" in make_row(number)["submission"] for number in range(330)) > 0
    assert not ask("return document.querySelectorAll('b').length") and not browser.get_log("browser")
