"""Write the address of a repository wherever the course names its own, and the README's table of notebooks.

    python course.py links --repo owner/name

In the README the table stands between two marks; without --repo it is written for the address that pyproject.toml has.
"""

import argparse
import re
import sys
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from denoise_utils.system import files

HOST = "https://github.com/"
NAME = re.compile(r"[A-Za-z\d][\w-]*/(?!.*\.git$)[\w-][\w.-]*")
PLACES = {
    "Colab": "https://colab.research.google.com/github/{repo}/blob/main/notebooks/{name}.ipynb",
    "Kaggle": "https://kaggle.com/kernels/welcome?src=https://github.com/{repo}/blob/main/notebooks/{name}.ipynb",
}
PAGES = "https://{owner}.github.io/{name}/"  # where GitHub shows the site, of a repository that has it switched on
CODESPACE = "https://codespaces.new/{repo}"
MARKS = "<!-- notebooks: begin -->", "<!-- notebooks: end -->"
NAMING = ("README.md", "CITATION.cff", "pyproject.toml", "notebooks/making/first_cell.py")  # besides the notebooks


def find_repo(root):
    """Return the owner/name that pyproject.toml names."""
    return re.search(rf'Repository = "{HOST}([^"]+)"', (root / "pyproject.toml").read_text(encoding="utf-8"))[1]


def replace_repo(root, old, new):
    """Write `new` (owner/name) in place of `old` wherever the course names its own repository."""
    paths = [root / name for name in NAMING]
    paths += [*(root / "notebooks").glob("*.ipynb"), *(root / "notebooks" / "text").glob("*.py")]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        changed = text.replace(HOST + old, HOST + new).replace(pages_of(old), pages_of(new))
        if changed != text:
            files.write_text(path, changed)


def pages_of(repo):
    """Return the address of the site of a repository (owner/name)."""
    owner, name = repo.split("/")
    return PAGES.format(owner=owner, name=name)


def describe(path):
    """Return (title, minutes) of the notebook whose text is at `path`; minutes are "" where it does not say."""
    prose = "\n".join(cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown")
    title = re.search(r"^# \w+\. (.+)$", prose, re.M)[1]
    takes = re.search(r"\*\*It takes\*\* (?:about )?(\S+) (minutes?|seconds) in the full profile", prose)
    return title, f"{takes[1]} {takes[2]}" if takes else ""


def write_table(root, repo):
    """Return the table of notebooks for the README, with links that open each in `repo` (owner/name)."""
    rows = ["| notebook | what it asks | takes | open in |", "| --- | --- | --- | --- |"]
    for path in sorted((root / "notebooks" / "text").glob("*.py")):
        title, takes = describe(path)
        links = [f"[{place}]({url.format(repo=repo, name=path.stem)})" for place, url in PLACES.items()]
        rows.append(f"| [{path.stem}](notebooks/{path.stem}.ipynb) | {title} | {takes} | {', '.join(links)} |")
    fork = " The links work in a fork, after\n`python course.py links --repo owner/name`." * repo.startswith("OWNER/")
    more = f"{fork} On Kaggle, switch the internet on in the settings of the notebook."
    return "\n".join([*rows, "", f"Or open all in [a codespace]({CODESPACE.format(repo=repo)}).{more}"])


def main(words=None, root=ROOT):
    """Write the address and the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", help="the repository on GitHub, as owner/name")
    repo, old = parser.parse_args(words).repo, find_repo(root)
    if repo and not NAME.fullmatch(repo):
        parser.error(f'expected --repo as owner/name, got "{repo}"')
    if repo:
        replace_repo(root, old, repo)
    files.replace_between(root / "README.md", *MARKS, write_table(root, repo or old))
    print(f"The course names {HOST}{repo or old}")
    if repo:
        print("Now commit and push. For the page in the browser: Settings > Pages > Source: GitHub Actions, then push.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
