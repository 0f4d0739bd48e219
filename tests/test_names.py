"""Names that a terminal, UTF-8, HTML, Markdown or a spreadsheet cannot take lose no work and obey nobody."""

import contextlib
import csv
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import mistune
import pytest

from denoise_utils import cli, evaluation, models
from denoise_utils.pictures import images
from denoise_utils.system import escaping
from tests.conftest import ROOT
from tests.making import save

TINY = ROOT / "models" / "clutter_tiny.h5"
NAMES = (
    "größe 日本",
    "two\nlines",
    "red\x1b[31m",
    "turned \u202egnp",
    "a|b <img src=x>",
    "=1+1",
    os.fsdecode(b"bad\xff"),
)
SHOW_ALL = "import sys; from denoise_utils import cli; sys.exit(max(cli.main(['show', path]) for path in sys.argv[1:]))"

SMALL = (  # the command with few images
    "import sys; from denoise_utils import cli, profiles; tiny = profiles.load_profile('tiny')\n"
    "profiles.load_profile = lambda name=None: tiny\n"
    "sys.exit(cli.main(sys.argv[1:]))"
)


def run(encoding, *words):
    """Run Python with these words, its output in `encoding`; return its exit code and the two texts it printed."""
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, *words], capture_output=True, cwd=ROOT, env=environment)
    texts = [text.decode(encoding) for text in (done.stdout, done.stderr)]
    assert all(line.isprintable() for text in texts for line in text.split("\n")), texts
    return done.returncode, *texts


def run_command(encoding, *words):
    return run(encoding, "-m", "denoise_utils", *words)


def as_printed(text, encoding):
    """Return `text` as a terminal of `encoding` shows it."""
    return escaping.plain(text).encode(encoding, "backslashreplace").decode(encoding)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of one model under all the names; its own name is of that kind, too."""
    folder = tmp_path_factory.mktemp("names") / "models\n日本"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(TINY, folder / f"{name}.h5")
    return folder


class Tags(HTMLParser):
    """Collect the tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes).get("src", "")[:5]))


def check_page(path):
    """Check that a page is UTF-8, names every file, and has no tag that a name brought."""
    text = path.read_bytes().decode("utf-8")
    assert all(escaping.html(f"{name}.h5") in text for name in NAMES)
    assert ("img", "x") not in Tags(text).tags


def read_column(path, column):
    """Return a column of a CSV, which must be UTF-8."""
    return {row[column] for row in csv.DictReader(path.read_bytes().decode("utf-8-sig").splitlines())}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_show_prints_every_name(folder, encoding):
    code, printed, said = run(encoding, "-c", SHOW_ALL, *(folder / f"{name}.h5" for name in NAMES))
    assert code == 0 and said == ""
    first_lines = [line for line in printed.splitlines() if ".h5: " in line]
    assert first_lines == [f"{as_printed(name, encoding)}.h5: 937 parameters, PASS (cap 3,600)" for name in NAMES]


def test_refusal_of_an_odd_name_is_one_line(folder):
    code, printed, said = run_command("cp1252", "show", folder / "no\nsuch\x1b.h5")
    assert code == 2 and printed == "" and len(said.splitlines()) == 1
    assert "models\\n\\u65e5\\u672c" in said and "no\\nsuch\\x1b.h5, found none" in said


def test_warning_of_an_odd_name_is_one_line(tmp_path, digits, capsys):
    model, picture = tmp_path / "two\nlines\x1b.h5", tmp_path / "x.png"
    shutil.copy(TINY, model)
    model.with_suffix(".json").write_text('{"sha256": "0"}')
    images.write_image(digits[0], picture)
    assert cli.main(["denoise", str(picture), str(tmp_path / "y.png"), "--model", str(model)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: Expected two lines\\x1b.h5 as its card") and len(said.splitlines()) == 1


@pytest.mark.stress
def test_report_scores_and_writes_every_name(folder, tmp_path):
    (folder / "broken\u202e\n.h5").write_bytes(b"no model")
    out = tmp_path / "out\n日本"
    code, printed, said = run("cp1252", "-c", SMALL, "report", folder, "--out", out)
    (folder / "broken\u202e\n.h5").unlink()
    assert code == 2 and said == "" and "Written to " in printed
    names = {escaping.cell(f"{name}.h5") for name in NAMES}
    assert names < read_column(out / "budget.csv", "file") and "'=1+1.h5" in names and "bad\\udcff.h5" in names
    written = (out / "budget.md").read_bytes().decode("utf-8")
    assert all(f"| {escaping.markdown(name)}.h5 | 937 PASS |" in written for name in NAMES)
    assert "- **broken\\u202e\\n.h5** Expected an HDF5 file" in written
    assert written.encode("cp1252", "backslashreplace").decode("cp1252") in printed
    check_page(out / "budget.html")


@pytest.mark.stress
def test_grades_are_written_for_every_name(folder, tmp_path):
    (folder / "notes\x1b日本.txt").write_text("no hand-in")
    words = ["grade", folder, "--out", tmp_path / "out\n日本", "--profile", "quick", "--images", "20"]
    code, printed, said = run_command("cp1252", *words)
    (folder / "notes\x1b日本.txt").unlink()
    assert code == 0 and said == "" and "notes\\x1b\\u65e5\\u672c.txt: left out" in printed
    names = {escaping.cell(f"{name}.h5") for name in NAMES}
    found = read_column(tmp_path / "out\n日本" / "grades.csv", "submission")
    assert found == names | {"noisy input", "the course's baseline", "an earlier course project"}
    check_page(tmp_path / "out\n日本" / "grades.html")


@pytest.mark.stress
def test_all_pictures_are_denoised_whatever_their_names(tmp_path, digits):
    source, target = tmp_path / "in", tmp_path / "out\n日本"
    for name in NAMES:
        images.write_image(digits[0], source / f"{name}.png")
    (source / "broken\u202e\n.png").write_bytes(b"no picture")
    words = ["denoise", source, target, "--model", ROOT / "models" / "gaussian_small.h5", "--noise", "gaussian"]
    code, printed, said = run_command("ascii", *words)
    assert code == 1 and sorted(os.listdir(target)) == sorted(f"{name}.png" for name in NAMES)
    for name in NAMES:
        assert f"{as_printed(name, 'ascii')}.png: PSNR " in printed
    assert "7 of 8 pictures written to " in printed and "out\\n\\u65e5\\u672c" in printed
    assert said.startswith("left out: broken\\u202e\\n.png: Expected") and len(said.splitlines()) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here that is always full")
def test_report_is_written_before_it_is_printed(tmp_path, small_quick, monkeypatch, capsys):
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1), task="clutter")
    words = ["report", str(tmp_path / "models"), "--out", str(tmp_path / "out"), "--profile", "quick"]
    code = None
    with contextlib.suppress(OSError), open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        code = cli.main(words)  # closing the file fails, too
    assert code == 2
    assert "No space left" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path / "out")) == ["budget.csv", "budget.html", "budget.md"]


@pytest.mark.parametrize("name", NAMES)
def test_plain_text_is_printable_and_stays_so(name):
    text = escaping.plain(name)
    assert text.isprintable() and escaping.plain(text) == text and text.encode("utf-8")


@pytest.mark.parametrize("name", [*NAMES, "a\\|b", "\\", "<b>bold</b>", "[click](https://example.org)", "< 3"])
def test_markdown_makes_one_cell_of_any_name(name):
    render = mistune.create_markdown(plugins=["table"])
    page = render(evaluation.format_table([{"name": name, "parameters": 5}]))
    found = Tags(page).tags
    assert not {"img", "b", "a"} & {tag for tag, _ in found} and [tag for tag, _ in found].count("td") == 9
    assert ">5</td>" in page


@pytest.mark.parametrize("value", ["=1+1", " +1", "-cmd", "@x", "\t=1"])
def test_text_is_no_formula_and_numbers_stay_numbers(value):
    assert escaping.cell(value)[0] in "'\\" and escaping.cell([value, "b"]).endswith("; b")
    assert escaping.cells({"a": -0.5, "b": None}) == {"a": -0.5, "b": None}
