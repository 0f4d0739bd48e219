"""make links: the course's address is written everywhere in one go, and the README's table follows the notebooks."""

import json
import shutil

import links
import pytest

from tests.conftest import ROOT


@pytest.fixture
def course(tmp_path):
    """A copy of whatever names the repository."""
    for name in (*links.NAMING, "notebooks/text", "notebooks/01_load_data.ipynb"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    return tmp_path


def test_an_address_is_written_everywhere(course):
    old = links.find_repo(course)
    assert links.main(["--repo", "someone/denoise.it"], course) == 0
    assert links.find_repo(course) == "someone/denoise.it"
    texts = [path.read_text() for path in course.rglob("*") if path.is_file()]
    assert not [text for text in texts if f"github.com/{old}" in text]
    readme = (course / "README.md").read_text()
    assert (
        "colab.research.google.com/github/someone/denoise.it/blob/main/notebooks/00_first_autoencoder.ipynb" in readme
    )
    assert "https://codespaces.new/someone/denoise.it" in readme
    assert not [word for word in ("OWNER", "denoising-3600", "links --repo") if word in readme]
    json.loads((course / "notebooks" / "01_load_data.ipynb").read_text())


def test_a_bad_address_changes_nothing(course, capsys):
    before = (course / "pyproject.toml").read_text()
    with pytest.raises(SystemExit):
        links.main(["--repo", "https://example.org"], course)
    assert "expected --repo as owner/name" in capsys.readouterr().err
    assert (course / "pyproject.toml").read_text() == before
    assert not [name for name in ("../..", "a/b.git", "a/b/c", "a/.", "a") if links.NAME.fullmatch(name)]


def test_readme_has_the_table_of_the_notebooks_as_they_are():
    table = links.write_table(ROOT, links.find_repo(ROOT))
    assert f"{links.MARKS[0]}\n\n{table}\n\n{links.MARKS[1]}" in (ROOT / "README.md").read_text()
    assert "| [00_first_autoencoder](notebooks/00_first_autoencoder.ipynb) | The first autoencoder: what" in table


def test_a_readme_without_marks_is_named(course):
    (course / "README.md").write_text("no marks")
    with pytest.raises(ValueError, match="notebooks: begin"):
        links.main([], course)
