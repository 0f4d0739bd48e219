"""What every notebook of the course's form keeps to: those that have exercises with solutions."""

import json
import re

import jupytext
import pytest
from making import exercises

from tests.conftest import ROOT

NOTEBOOKS = ROOT / "notebooks"
NAMES = [path.stem for path in sorted((NOTEBOOKS / "solutions").glob("*.py"))]
FIRST_CELL = (NOTEBOOKS / "making" / "first_cell.py").read_text().strip()
LINE = 100  # characters
MOST_CELLS, MOST_WORDS, MOST_EXERCISES = 30, 700, 3
MOST_COLUMNS, MOST_ROWS = 7, 12
OPENING = ("**You will learn**", "**You need**", "**It takes**")
CLOSING = ("What we learned", "References")


def read_text(name):
    return jupytext.read(NOTEBOOKS / "text" / f"{name}.py")


def read_committed(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def lesson_of(notebook):
    """Return the cells before the exercises, and those after them."""
    first, last = (exercises.tagged(notebook, tag)[end][0] for tag, end in (("exercise", 0), ("check", -1)))
    while notebook.cells[first - 1].cell_type == "markdown":
        first -= 1
    return notebook.cells[:first] + notebook.cells[last + 1 :]


def words_of(text):
    """Return the words of prose: no formulas, drawings in fences, addresses of links."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$", " ", text, flags=re.S)
    return re.findall(r"[A-Za-z0-9][\w'’.,-]*", re.sub(r"\]\([^)]*\)|https?://\S+", "] ", text))


def tables_of(text):
    """Return (columns, rows without the head) of each table in a text of Markdown."""
    found = re.findall(r"(?:^\|.*\|[ ]*\n?)+", text, re.M)
    return [(table.splitlines()[0].count("|") - 1, len(table.splitlines()) - 2) for table in found]


def shown(output):
    """Return what an output shows as Markdown, or else prints."""
    return "".join(output.get("data", {}).get("text/markdown", output.get("text", "")))


def test_words_and_tables_are_counted_as_a_reader_would():
    assert len(words_of("Two [words](https://a.b/c) and $x + y$\n```\na b\n```\n")) == 3
    assert tables_of("text\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\nmore") == [(2, 2)]


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_and_ends_like_the_others(name):
    cells = read_text(name).cells
    assert cells[0].source.startswith("# ") and all(line in cells[0].source for line in OPENING)
    assert cells[1].cell_type == "code" and cells[1].source == FIRST_CELL
    assert "XX" not in cells[0].source, "how long it takes is measured"
    assert all(word in cells[-1].source for word in CLOSING)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short(name):
    notebook = read_text(name)
    assert len(lesson_of(notebook)) <= MOST_CELLS
    prose = "\n".join(cell.source for cell in lesson_of(notebook) if cell.cell_type == "markdown")
    assert len(words_of(prose.partition("**References**")[0])) <= MOST_WORDS


@pytest.mark.parametrize("name", NAMES)
def test_its_lines_of_code_fit_the_page(name):
    code = [cell.source for cell in read_text(name).cells if cell.cell_type == "code"]
    assert not [line for source in code for line in source.splitlines() if len(line) >= LINE]


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_three_exercises_each_with_a_check(name):
    notebook = read_text(name)
    assert len(exercises.tagged(notebook, "exercise")) == MOST_EXERCISES
    solutions = exercises.read_solutions(NOTEBOOKS / "solutions" / f"{name}.py")
    exercises.put_in(notebook, solutions, name)  # raises where a check is missing
    headings = re.findall(r"^### Exercise (\d) \((\w+)\)", "\n".join(c.source for c in notebook.cells), re.M)
    assert headings == [("1", "easy"), ("2", "medium"), ("3", "open")]


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] <= "06"])
def test_no_test_image_is_opened_while_choosing(name):
    code = [cell.source for cell in read_text(name).cells if cell.cell_type == "code"]
    opened = [source for source in code if re.search(r"\.test\b|[\"']test[\"']", source)]
    allowed = [source for source in opened if "fingerprints(" in source or "len(getattr(" in source]
    assert opened == (allowed if name.startswith("01") else []), "01 may count and hash them"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_of_it_fits_the_page_and_gives_no_answer(name):
    for cell in read_committed(name):
        printed = "".join(map(shown, cell.get("outputs", [])))
        if "check" in cell["metadata"].get("tags", []):
            assert printed.splitlines() == ["not answered yet"] * printed.count("\n"), cell["source"]
            assert printed
        assert "Finished runs are loaded" not in printed and "not trained again" not in printed
        for columns, rows in tables_of(printed):
            assert columns <= MOST_COLUMNS and rows <= MOST_ROWS, cell["source"]
