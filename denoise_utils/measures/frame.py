"""Self-contained HTML pages, images included: what the report's and the grader's share."""

import base64
import functools
import io
from pathlib import Path

import numpy as np

from denoise_utils.system.escaping import plain

SHARED = Path(__file__).parent / "pages"  # the frame of all pages, their style and their script


def data_uri(images: np.ndarray) -> str:
    """Return images (N, H, W, C) in [0, 1] side by side as one PNG, as a data URI."""
    import matplotlib.pyplot as plt

    strip = np.concatenate(list(np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)), axis=1)
    buffer = io.BytesIO()
    plt.imsave(buffer, np.squeeze(strip), cmap="gray", vmin=0, vmax=1, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def render(template: str | Path, **found: object) -> str:
    """Return the page that the file `template` makes of `found`; it may use what lies in SHARED.

    Text is escaped for HTML, and what does not print is spelled out: names come from strangers.
    """
    template = Path(template)
    return _environment(template.parent).get_template(template.name).render(**found) + "\n"


@functools.lru_cache
def _environment(folder):
    """Return what renders the templates of a folder; those that it has read are kept: a class has hundreds of pages."""
    import jinja2  # only pages need it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["plain"] = plain
    return environment


def _printable(value):
    return plain(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
