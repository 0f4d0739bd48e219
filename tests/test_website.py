"""make site: every notebook and page is there, no link is dead, formulas are drawn, no other host is asked."""

import json
import re
import subprocess
import sys

import dead_links
import formulas
import make_site
import nbformat
import pytest
import yaml

from tests.conftest import ROOT

WRITE = "import sys, pathlib, make_site; make_site.write_site(pathlib.Path(sys.argv[1])); print('keras' in sys.modules)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of the course as it is, written without Keras."""
    folder = tmp_path_factory.mktemp("course") / "site"
    program = [sys.executable, "-c", WRITE, folder]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT / "docs" / "website")
    assert done.stdout == "False\n", done.stderr
    return folder


def test_no_link_of_the_site_is_dead_and_nothing_is_fetched_from_elsewhere(site):
    assert dead_links.find_dead(site) == []
    assert '<a href="../index.html">' in (site / "reports" / "playground.html").read_text()


def test_every_notebook_and_page_is_there_with_its_figures(site):
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("docs/*.md"), ROOT / "reports" / "budget.html"]:
        assert (site / path.relative_to(ROOT)).with_suffix(".html").is_file(), path
    for path in ROOT.glob("notebooks/*.ipynb"):
        outputs = [one for cell in json.loads(path.read_text())["cells"] for one in cell.get("outputs", [])]
        figures = sum("image/png" in one.get("data", {}) for one in outputs)
        page = (site / "notebooks" / f"{path.stem}.html").read_text()
        told = re.findall('<img[^>]*alt="([^"]+)"', page)
        assert page.count("data:image/png") == len(told) == figures, path.name
        assert not [text for text in told if text.startswith("No description")], path.name
    front = (site / "index.html").read_text()
    assert 'src="reports/steps.gif"' in front and (site / "reports" / "steps.gif").is_file()
    assert (
        "<table>" in front and 'href="notebooks/00_first_autoencoder.html"' in front and 'id="the-notebooks"' in front
    )


def test_formulas_are_drawn_and_can_be_read_aloud(site):
    page = (site / "notebooks" / "03_measure_quality.html").read_text()
    prose = re.sub(r"<pre>.*?</pre>|<[^>]+>", "", page, flags=re.S)
    assert "$" not in prose and r"\frac" not in prose
    assert re.search(r'<svg[^>]*aria-label="\\text\{SSIM\} = \\frac[^>]*>\s*<path[^>]* d="M[\d.]+', page)


def test_a_formula_has_the_width_of_its_signs_and_an_unknown_one_is_named():
    one, two = (float(re.search(r"width: ([\d.]+)em", formulas.draw(text))[1]) for text in ("x", r"x + \mathcal N"))
    assert 0.3 < one < 0.7 and two > 3 * one
    with pytest.raises(ValueError, match=r'Expected a formula that Matplotlib draws, got "\\nowhere"'):
        formulas.draw(r"\nowhere")


@pytest.fixture
def course(tmp_path):
    """A course of three pages and a notebook."""
    for folder in ("docs", "notebooks", "code"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/someone/course"\n')
    (tmp_path / "CITATION.cff").write_text("title: <A course>\n")
    (tmp_path / "README.md").write_text(
        "# A < B & C\n\n## The notebooks\n\n## More\n\n[first](notebooks/01_first.ipynb#see) [code](code)\n"
        "[here](#more) [![badge](https://img.example/x.svg)](CITATION.cff) [away](https://example.org)\n"
    )
    (tmp_path / "docs" / "page.md").write_text(
        "# Page\n\n## Twice\n\n## Twice\n\n[back](../README.md) [it](#twice-1)\n"
    )
    cells = [nbformat.v4.new_markdown_cell("# First\n\n## See\n\n[page](../docs/page.md#twice)")]
    for name in ("01_first", "02_second"):
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")
    return tmp_path


def test_links_lead_to_pages_and_to_code_in_the_repository(course, monkeypatch):
    monkeypatch.setattr(make_site, "MENU", {"Top": "README.md#more"})
    assert make_site.main(course) == 0
    front, first, page = (
        (course / "build" / "site" / f"{name}.html").read_text()
        for name in ("index", "notebooks/01_first", "docs/page")
    )
    links = [
        "#more",
        "notebooks/01_first.html#see",
        "CITATION.html",
        "https://github.com/someone/course/tree/main/code",
    ]
    assert all(f'href="{link}"' in front for link in links) and 'href="https://example.org"' in front
    assert "<title>A &lt; B &amp; C</title>" in front and ">badge</a>" in front and "img.example" not in front
    assert 'href="../docs/page.html#twice"' in first and 'rel="next" href="02_second.html"' in first
    assert 'href="../index.html#more">Top</a>' in page and 'id="twice-1"' in page and 'href="../page.css"' in page
    assert "&lt;A course&gt;" in (course / "build" / "site" / "CITATION.html").read_text()


def test_a_dead_link_of_a_page_fails_the_command_and_is_named(course, monkeypatch, capsys):
    monkeypatch.setattr(make_site, "MENU", {})
    (course / "docs" / "page.md").write_text("# Page\n\n[gone](gone.md) [no part](../README.md#nowhere)\n")
    assert make_site.main(course) == 1
    told = capsys.readouterr().err
    assert "got docs/page.html: gone.md\n" in told and "got docs/page.html: ../index.html#nowhere\n" in told
    assert "got notebooks/01_first.html: ../docs/page.html#twice\n" in told


@pytest.mark.parametrize(
    "piece",
    [
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/font.css">',
        '<img src="http://pictures.example/one.png">',
        '<p style="background: url(https://pictures.example/one.png)">',
        "<style>@import 'https://fonts.example/font.css';</style>",
        '<svg><use href="https://pictures.example/one.svg"/></svg>',
        '<img src="one.png">',
        '<a href="#two">',
        '<a href="other.html">',
    ],
)
def test_what_is_dead_or_comes_from_elsewhere_is_found(tmp_path, piece):
    page = '<h1 id="one">A page</h1><a href="#one">up</a> <a href="https://example.org">away</a> <img src="data:,">'
    (tmp_path / "page.html").write_text(page)
    assert dead_links.find_dead(tmp_path) == []
    (tmp_path / "page.html").write_text(page + piece)
    (found,) = dead_links.find_dead(tmp_path)
    assert found.startswith("page.html: ") and found[11:] in piece


def test_a_style_sheet_that_asks_another_host_is_found(tmp_path):
    (tmp_path / "page.css").write_text("body { background: url('https://pictures.example/one.png') }")
    assert dead_links.find_dead(tmp_path) == ["page.css: https://pictures.example/one.png"]


def test_workflow_publishes_what_the_command_writes_with_official_actions():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {"run": "python course.py site"} in steps
    assert [step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", "")] == ["build/site"]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
