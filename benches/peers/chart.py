"""Log-log panels side by side, as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, TOP, BOTTOM = 400, 300, 84, 56
LEFT, GAP, RIGHT = 64, 76, 24
# told apart without colour too: by mark and dashes
STYLES = {"ours": ("#0b62a4", "none", "circle"), "torch": ("#c8501e", "none", "square"), "floor": ("#666666", "6 4", "")}


@dataclass
class Panel:
    """Lines of points `[x, y]`, by name."""

    title: str
    x_label: str
    lines: dict[str, list[list[float]]]


def text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12, extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {extra}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "none", wide: float = 1.0) -> str:
    at = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {at} stroke="{colour}" stroke-width="{wide}" stroke-dasharray="{dashes}"/>'


def mark(x: float, y: float, name: str) -> str:
    colour, _, kind = STYLES[name]
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    if kind == "square":
        return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"/>'
    return ""


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade within."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [t for t in (m * 10.0**d for d in decades for m in (1, 2, 5)) if low <= t <= high]


def draw(title: str, y_label: str, panels: list[Panel], labels: dict[str, str]) -> str:
    """All panels share the y axis' range, so that their lines may be compared."""
    heights = [y for panel in panels for points in panel.lines.values() for _, y in points]
    low, high = min(heights) / 1.3, max(heights) * 1.3
    y_of = lambda y: TOP + HEIGHT * (1 - math.log(y / low) / math.log(high / low))
    total = LEFT + len(panels) * WIDTH + (len(panels) - 1) * GAP + RIGHT
    parts = [text(LEFT, 26, title, "start", 16, 'font-weight="bold"')]
    x = LEFT
    for name in [name for name in labels if any(name in panel.lines for panel in panels)]:
        colour, dashes, _ = STYLES[name]
        parts += [line(x, 46, x + 30, 46, colour, dashes, 2), mark(x + 15, 46, name), text(x + 38, 50, labels[name], "start")]
        x += 70 + 6.5 * len(labels[name])
    for number, panel in enumerate(panels):
        left = LEFT + number * (WIDTH + GAP)
        xs = sorted({x for points in panel.lines.values() for x, _ in points})
        first, last = xs[0] / 1.15, xs[-1] * 1.15
        x_of = lambda x: left + WIDTH * math.log(x / first) / math.log(last / first)
        parts.append(text(left + WIDTH / 2, TOP - 10, panel.title, extra='font-weight="bold"'))
        for y in ticks(low, high):
            parts += [line(left, y_of(y), left + WIDTH, y_of(y), "#dddddd"), text(left - 8, y_of(y) + 4, f"{y:g}", "end")]
        for x in xs:
            parts += [line(x_of(x), TOP, x_of(x), TOP + HEIGHT, "#eeeeee"), text(x_of(x), TOP + HEIGHT + 18, f"{x:g}")]
        parts.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#444444"/>')
        parts.append(text(left + WIDTH / 2, TOP + HEIGHT + 42, panel.x_label))
        middle = TOP + HEIGHT / 2
        parts.append(text(left - 46, middle, y_label, extra=f'transform="rotate(-90 {left - 46:.1f} {middle:.1f})"'))
        for name, points in panel.lines.items():
            colour, dashes, _ = STYLES[name]
            path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
            parts += [mark(x_of(x), y_of(y), name) for x, y in points]
    size = f'width="{total}" height="{TOP + HEIGHT + BOTTOM}" viewBox="0 0 {total} {TOP + HEIGHT + BOTTOM}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="#222222">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *filter(None, parts), "</svg>"]) + "\n"
