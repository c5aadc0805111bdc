"""A canvas for pictures: figures of one width and style, and the SVG that they become in a page.

Colours that follow the page, light or dark, are drawn as stand-ins and become CSS variables in the SVG.
"""

import contextlib
import io
import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_ROLES = "ink muted line card sea land blue orange green yellow purple sky red grey"  # CSS variables of the page
_STAND_INS = tuple(f"#{n:02x}{n:02x}{n:02x}" for n in range(1, 15))
_VARIABLES = {stand_in: f"var(--{role})" for stand_in, role in zip(_STAND_INS, _ROLES.split(), strict=True)}
INK, MUTED, LINE, CARD, SEA, LAND, BLUE, ORANGE, GREEN, YELLOW, PURPLE, SKY, RED, GREY = _STAND_INS
SERIES = (ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE, GREY)  # told apart with any kind of colour vision

WIDTH = 4.2  # inches: legible on a phone, and two beside each other on a desk
_SMALL = 8
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 8.5,
    "figure.constrained_layout.h_pad": 0.07,  # half of a label that ends with its axis
    "figure.constrained_layout.w_pad": 0.09,
    "figure.facecolor": "none",
    "font.size": 8.5,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.borderaxespad": 0,
    "legend.fontsize": _SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.labelcolor": INK,
    "legend.title_fontsize": _SMALL,
    "lines.linewidth": 1.2,
    "patch.linewidth": 0,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: it can be selected and read aloud, and has the page's font
    "svg.hashsalt": "zakar",
    "text.color": INK,
    "text.parse_math": False,
} | {
    f"{axis}tick.{key}": value
    for axis in "xy"
    for key, value in {
        "color": MUTED,
        "labelcolor": INK,
        "labelsize": _SMALL,
        "major.size": 2.5,
        "major.width": 0.6,
        "minor.size": 0,
    }.items()
}
_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the house style, whatever matplotlib's settings on this machine are."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def blank(height: float, rows: int = 1, share_y: bool = False, width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many inches and its axes, one below the other on a common x.

    A page stretches or shrinks it to the width of a column: the narrower it is drawn, the larger its words are.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, 1, squeeze=False, sharex=True, sharey=share_y)
    return figure, list(grid[:, 0])


def svg(figure: Figure, name: str) -> str:
    """Return a figure as an SVG element of a page; ``name`` sets its ids apart from other pictures'.

    The same figure gives the same text.
    """
    with io.StringIO() as out:
        figure.savefig(out, format="svg", metadata={"Date": None})
        root = ET.fromstring(out.getvalue())  # noqa: S314 - matplotlib wrote it just now
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{_SVG}metadata", f"{_SVG}style"}:
                parent.remove(child)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)  # within HTML it needs no name space
        element.attrib = {key.replace(_HREF, "href"): _own(key, value, name) for key, value in element.items()}
    return ET.tostring(root, encoding="unicode")


def _own(key: str, value: str, name: str) -> str:
    """Return an attribute's value with ids and references to them made the picture's own, and stand-ins resolved."""
    if key == "id":
        return f"{name}-{value}"
    if key == _HREF and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    if key in {"style", "clip-path", "fill", "stroke"}:
        value = value.replace("url(#", f"url(#{name}-")
        for stand_in, variable in _VARIABLES.items():
            value = value.replace(stand_in, variable)
    return value
