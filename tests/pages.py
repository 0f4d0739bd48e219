"""The committed playground page, and the contrast of colours, for tests of its file and of it in a browser."""

from tests.conftest import ROOT

COMMITTED = ROOT / "reports" / "playground.html"


def contrast(one, other):
    """Return the contrast of two colours (hexadecimal), as WCAG 2.2 defines it."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
