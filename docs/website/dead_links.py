"""Find what is dead in a folder of web pages: links and anchors that lead nowhere, and what another host would send."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ELSEWHERE = re.compile(r"//|(?!data:|blob:)[a-z][a-z0-9+.-]*:", re.I)  # how the address of another host begins
FETCHED = ("src", "srcset", "poster", "data", "background", "href", "xlink:href")  # of an <a>, href is not
IN_STYLE = re.compile(r"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)""")


class Page(HTMLParser):
    """What leads elsewhere in a page: its links, what a browser fetches for it, and its own anchors."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.inside = [], set(), None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what the attributes of a tag name."""
        self.inside = tag
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value)
            elif name == "style":
                self.links += find_in_style(value)
            elif name in FETCHED and not ((tag, name) == ("a", "href") and ELSEWHERE.match(value)):
                self.links.append(value)

    def handle_data(self, data):
        """Note what a style sheet in the page fetches."""
        if self.inside == "style":
            self.links += find_in_style(data)


def find_in_style(text):
    """Return the addresses in a piece of CSS."""
    return [one or other for one, other in IN_STYLE.findall(text)]


def find_dead(site: Path) -> list[str]:
    """Return "page: link" for each dead link in the folder `site`, and for each thing that a page fetches elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    links = {path: page.links for path, page in pages.items()}
    links |= {path: find_in_style(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.css"))}
    return [
        f"{path.relative_to(site)}: {link[:200]}"
        for path, found in links.items()
        for link in dict.fromkeys(found)
        if is_dead(link, path, pages)
    ]


def is_dead(link, path, pages):
    """Tell whether `link` of the file at `path` leads nowhere, or to another host."""
    if link.startswith(("data:", "blob:")):
        return False
    name, _, anchor = link.partition("#")
    target = (path.parent / unquote(name)).resolve() if name else path
    missing = anchor and not (target in pages and unquote(anchor) in pages[target].anchors)
    return bool(ELSEWHERE.match(link) or missing or not target.is_file())
