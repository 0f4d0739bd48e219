"""Show a stranger's text, such as a file's name, so that it acts neither on a terminal nor in a page or a table."""

import re
from html import escape

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the start of one


def plain(text):
    """Return `text` with all that does not print escaped: control, direction and undecodable characters.

    What was escaped once stays as it is.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def html(text):
    """Return `text` for a page, inside an element or a quoted attribute."""
    return escape(plain(text))


def markdown(text):
    """Return `text` for a line or a cell of Markdown: it ends no cell, and makes no tag and no link."""
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", plain(text)).replace("](", "]\\(")
    return re.sub(r"(\\*)\|", r"\1\1\\|", text)


def cell(value):
    """Return `value` for a CSV that a spreadsheet may open: text is never taken for a formula, a list is joined."""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def cells(row):
    """Return a row (a dict) for such a CSV."""
    return {key: cell(value) for key, value in row.items()}
