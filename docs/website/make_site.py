"""Write build/site/, the course as web pages: README, notebooks with their results, docs, reports, playground.

    python course.py site

The pages ask no other host for anything; links to code lead to the repository that pyproject.toml names.
Exit code: 0, or 1 if a link leads nowhere.
"""

import html
import itertools
import posixpath
import re
import shutil
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import dead_links
import formulas
import jinja2
import nbformat
import pygments
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STYLE = "page.css"
PAGES = (
    "*.md",
    "LICENSE",
    "CITATION.cff",
    "docs/*.md",
    "models/*.md",
    "reports/*.md",
    "notebooks/*.md",
    "notebooks/*.ipynb",
)
FILES = ("reports/*.html", "reports/*.png", "reports/*.gif", "reports/*.csv")  # copied as they are
MENU = {
    "The course": "README.md",
    "Notebooks": "README.md#the-notebooks",
    "Glossary": "notebooks/GLOSSARY.md",
    "Playground": "reports/playground.html",
    "Budget report": "reports/budget.html",
    "Docs": "README.md#more",
}


class Renderer(IPythonRenderer):
    """Render Markdown as Jupyter does, but with GitHub's anchors, links led on by `lead`, and formulas drawn."""

    def __init__(self):
        super().__init__(escape=False)
        self.begin(None)

    def begin(self, lead):
        """Begin a page; `lead` tells where a link in it leads."""
        self.lead, self.anchors = lead, {}

    def heading(self, text, level, **_):
        """Return a heading with the anchor that it has on GitHub."""
        words = html.unescape(re.sub("<[^>]+>", "", text))
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        number = self.anchors[anchor] = self.anchors.get(anchor, -1) + 1
        return f'<h{level} id="{anchor}{f"-{number}" if number else ""}">{text}</h{level}>\n'

    def link(self, text, url, title=None):
        """Return a link to where `url` leads in the site."""
        return super().link(text, self.lead(url), title)

    def image(self, text, url, title=None):
        """Return a picture; of one that another host would send, its description."""
        return text if dead_links.ELSEWHERE.match(url) else super().image(text, self.lead(url), title)

    def block_math(self, body):
        """Return a formula on a line of its own."""
        return formulas.draw(body, display=True)

    def inline_math(self, body):
        """Return a formula among words."""
        return formulas.draw(body)


def highlight(code, **_):
    """Return Python with its comments, strings, numbers and keywords marked; other words need no mark."""
    marked = pygments.highlight(code, PythonLexer(), HtmlFormatter())
    return re.sub(r'<span class="(?:n|p|o|w|nn|nf|nb)">([^<]*)</span>', r"\1", marked)


def make_exporter(renderer):
    """Return what turns notebooks into HTML without a frame, styles and scripts."""
    filters = {
        "highlight_code": highlight,
        "clean_html": lambda text: text,  # of what pygments wrote
        "markdown2html": MarkdownWithMath(renderer).render,
    }
    exporter = HTMLExporter(template_name="basic", filters=filters)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    return exporter


def find_targets(root):
    """Return {source: page or copy}, as names below `root` and below the site; each README becomes an index.html."""
    copies = [path for pattern in FILES for path in sorted(root.glob(pattern))]
    pages = {path: path.with_suffix(".html") for pattern in PAGES for path in sorted(root.glob(pattern))}
    pages = {path: page.with_stem("index") if path.stem == "README" else page for path, page in pages.items()}
    targets = pages | dict(zip(copies, copies, strict=True))
    return {path.relative_to(root).as_posix(): to.relative_to(root).as_posix() for path, to in targets.items()}


def read(path):
    """Return the text at `path` as a notebook: a page is one cell, and what is not Markdown stands there as it is."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        text = f"# {path.stem.capitalize()}\n\n```\n{text}\n```\n"
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


class Site:
    """The pages of the course in the folder `root`, and where links between them lead."""

    def __init__(self, root):
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        self.root, self.repository, self.targets = root, project["urls"]["Repository"], find_targets(root)
        self.renderer = Renderer()
        self.exporter = make_exporter(self.renderer)
        frames = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True)
        self.frame = frames.get_template("page.html")

    def lead(self, link, source):
        """Return where `link` of the text `source` leads in its page: to another page, or to code in the repository.

        A link to what is not there stays as it is: dead_links.py names it.
        """
        if link.startswith("#") or dead_links.ELSEWHERE.match(link):
            return link
        address, mark, anchor = link.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(address)))
        if name in self.targets:
            here = posixpath.dirname(self.targets[source]) or "."
            return posixpath.relpath(self.targets[name], here) + mark + anchor
        if (self.root / name).exists():
            kind = "tree" if (self.root / name).is_dir() else "blob"
            return f"{self.repository}/{kind}/main/{name}{mark}{anchor}"
        return link

    def lead_on(self, path, source):
        """Let the links of the copy at `path` of the page `source` lead where those of the site do."""
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'(<a href=")([^"]+)', lambda found: found[1] + self.lead(found[2], source), text)
        path.write_text(text, encoding="utf-8")

    def find_around(self, source):
        """Return the notebooks before and after the notebook `source`, as ("prev" or "next", source)."""
        notebooks = [name for name in self.targets if name.endswith(".ipynb")]
        pairs = list(itertools.pairwise(notebooks))
        return [("prev", a) for a, b in pairs if b == source] + [("next", b) for a, b in pairs if a == source]

    def write(self, source, folder):
        """Write the page of `source` into `folder`, in its frame."""
        notebook, up = read(self.root / source), "../" * source.count("/")
        title = describe(notebook)
        self.renderer.begin(lambda link: self.lead(link, source))
        body, _ = self.exporter.from_notebook_node(notebook)
        text = self.frame.render(
            title=title,
            style=up + STYLE,
            menu={name: self.lead(up + link, source) for name, link in MENU.items()},
            around=[(way, Path(name).stem, self.lead(up + name, source)) for way, name in self.find_around(source)],
            body=body,
        )
        (folder / self.targets[source]).write_text(text, encoding="utf-8")


def describe(notebook):
    """Return the title of a notebook; describe each figure by the heading that it stands under."""
    headings = [""]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub("```.*?```", "", cell.source, flags=re.S)
            headings += [re.sub("[*`]", "", heading) for heading in re.findall("^#+ (.+)$", prose, re.M)]
        cell.metadata["alt"] = f"Figure: {headings[-1]}"
    return headings[1]


def write_site(folder, root=ROOT):
    """Write the site of the course at `root` to `folder`, in place of what is there; return the number of its pages."""
    shutil.rmtree(folder, ignore_errors=True)
    site = Site(root)
    copies = {source for source, target in site.targets.items() if source == target}
    pages = [source for source, target in site.targets.items() if target not in copies]
    for name in (*copies, *site.targets.values()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in copies:
        shutil.copyfile(root / name, folder / name)
        if name.endswith(".html"):
            site.lead_on(folder / name, name)
    shutil.copyfile(HERE / STYLE, folder / STYLE)
    for source in pages:
        site.write(source, folder)
    return len(pages)


def main(root=ROOT):
    """Write the site of the course at `root` and look for dead links; return the exit code."""
    folder = root / "build" / "site"
    number = write_site(folder, root)
    print(f"{folder.relative_to(root)}/index.html: {number} pages")
    dead = dead_links.find_dead(folder)
    for link in dead:
        print(f"Expected a link that leads somewhere, got {link}", file=sys.stderr)
    return int(bool(dead))


if __name__ == "__main__":
    sys.exit(main())
