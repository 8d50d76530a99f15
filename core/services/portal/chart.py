"""Usage by day and model as a picture, in a document of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from money.nanos import NANOS

_STYLE = Path(__file__).parents[1] / "web" / "static" / "chart.css"


def bars(
    days: Sequence[str],
    series: Sequence[Sequence[int]],
    *,
    title: str,
    say: Callable[[int], str],
    narrow: bool,
) -> bytes:
    """Bars of one colour for each series, one on the other.

    Args:
        days: what stands below the bars.
        series: nanos for each day, for each colour.
        title: what a screen reader says.
        say: how an amount is written at the axis.
        narrow: whether it is for a small screen, where its letters must not shrink.
    """
    ticks = _ticks(max(sum(column) for column in zip(*series, strict=True)) or NANOS)
    chart = pygal.StackedBar(
        width=400 if narrow else 960,
        height=260 if narrow else 300,
        margin=2,
        margin_top=12,
        spacing=6,
        truncate_label=-1,
        show_legend=False,
        title=None,
        x_labels=list(days),
        y_labels=ticks,
        range=(0, ticks[-1]),
        # Only how much room the letters take; how they look says the style sheet.
        style=Style(label_font_size=13, major_label_font_size=13),
        value_formatter=lambda nanos: say(int(nanos)),
    )
    for amounts in series:
        chart.add(None, amounts)
    return _bare(chart.render_tree(), title)


def _ticks(largest: int) -> list[int]:
    """Round amounts, up to the first that is not below the largest."""
    step = next(
        step
        for exponent in range(19)
        for step in (10**exponent, 2 * 10**exponent, 5 * 10**exponent)
        if step * 4 >= largest
    )
    return [step * count for count in range(-(-largest // step) + 1)]


def _bare(root: ET.Element, title: str) -> bytes:
    """The picture without the library's script, tooltips and style."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("script", "desc", "title") or not isinstance(child.tag, str):
                parent.remove(child)
    style = root.find("defs/style")
    if style is None:
        raise ValueError("a picture without a style sheet")
    style.text = _STYLE.read_text("utf-8")
    ET.SubElement(root, "title").text = title
    return bytes(ET.tostring(root, "utf-8"))
