"""Three small charts as inline SVG, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 40
FLOOR = 1e-17
"""Errors of exactly zero are drawn here: a logarithmic axis has no zero."""

MOST_BARS = 24


def scatter(
    pairs: Sequence[tuple[float | None, float | None]],
    title: str,
    x_name: str,
    y_name: str,
    bound: float | None = None,
) -> str:
    """Points (oracle norm, ghost norm) with the diagonal; ``bound`` marks max grad norm on the x axis."""
    finite = [(x, y) for x, y in pairs if x is not None and y is not None]
    if not finite:
        return ""
    high = max(max(p) for p in finite) * 1.06 or 1.0
    if bound is not None and bound < 4 * high:
        high = max(high, bound * 1.06)
    ticks = _linear_ticks(high)
    parts = [_grid_line(_y(t, 0, high)) + _tick_y(_y(t, 0, high), _short(t)) for t in ticks]
    parts += [_tick_x(_x(t, 0, high), _short(t)) for t in ticks]
    parts.append(_segment(_x(0, 0, high), _y(0, 0, high), _x(high, 0, high), _y(high, 0, high), "equal"))
    if bound is not None and bound <= high:
        x = _x(bound, 0, high)
        parts.append(_segment(x, TOP, x, HEIGHT - BOTTOM, "limit"))
        parts.append(_text(x + 4, TOP + 10, "C"))
    for x, y in finite:
        said = f"{x_name} {x:.4g}, {y_name} {y:.4g}"
        parts.append(_dot(_x(x, 0, high), _y(y, 0, high), "mark", said))
    parts += [_axis_name(x_name, True), _axis_name(y_name, False)]
    off = sum(abs(x - y) > 1e-3 * max(x, y, 1e-12) for x, y in finite)
    summary = f"{len(finite)} examples, {off} off the diagonal by more than 0.1%"
    return _figure(parts, title, summary)


def bars(values: Mapping[str, float | None], title: str, limit: float | None) -> str:
    """One horizontal bar a parameter on a logarithmic axis, the largest first."""
    ordered = sorted(((v if v is not None else math.inf, k) for k, v in values.items()), reverse=True)[
        :MOST_BARS
    ]
    low, high = _decades([v for v, _ in ordered], limit)
    room = 150
    step = 17
    height = TOP + step * len(ordered) + BOTTOM
    parts = []
    for exponent in _exponents(low, high):
        x = room + (exponent - low) / (high - low) * (WIDTH - room - RIGHT)
        parts.append(_segment(x, TOP, x, height - BOTTOM, "grid"))
        parts.append(_text(x, height - BOTTOM + 14, f"1e{exponent}", "middle"))
    for row, (value, name) in enumerate(ordered):
        y = TOP + row * step
        end = (_log(value, high) - low) / (high - low) * (WIDTH - room - RIGHT)
        kind = "over" if limit is not None and value > limit else "mark"
        shown = name if len(name) <= 22 else "..." + name[-20:]
        parts.append(_text(room - 6, y + 11, shown, "end"))
        parts.append(
            f'<rect class="{kind}" x="{room}" y="{y + 2}" width="{max(end, 1):.1f}" height="{step - 5}">'
            f"<title>{escape(name)}: {value:.2e}</title></rect>"
        )
    parts.append(_limit_line(limit, low, high, room, height))
    return _figure(parts, title, f"{len(values)} parameters, dashed: the limit", height)


def _figure(parts: Sequence[str], title: str, caption: str, height: int = HEIGHT) -> str:
    label = escape(f"{title}: {caption}")
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        + "".join(parts)
        + f"</svg><figcaption>{escape(title)}. {escape(caption)}.</figcaption></figure>\n"
    )


def _decades(values: Sequence[float], limit: float | None) -> tuple[int, int]:
    """The powers of ten between which everything lies, the limit included."""
    finite = [max(v, FLOOR) for v in [*values, *([limit] if limit else [])] if math.isfinite(v)]
    if not finite:
        return -1, 1
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    return low, max(high, low + 1)


def _exponents(low: int, high: int) -> range:
    return range(low, high + 1, max(1, math.ceil((high - low) / 6)))


def _log(value: float, high: float) -> float:
    return math.log10(max(value, FLOOR)) if math.isfinite(value) else high


def _linear_ticks(high: float) -> list[float]:
    step = 10 ** math.floor(math.log10(high / 4)) if high > 0 else 1.0
    step = next(s * step for s in (1, 2, 5, 10) if high / (s * step) <= 5)
    return [i * step for i in range(int(high / step) + 1)]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _limit_line(limit: float | None, low: int, high: int, room: int, height: int) -> str:
    if limit is None:
        return ""
    x = room + (_log(limit, high) - low) / (high - low) * (WIDTH - room - RIGHT)
    return _segment(x, TOP, x, height - BOTTOM, "limit")


def _grid_line(y: float) -> str:
    return _segment(LEFT, y, WIDTH - RIGHT, y, "grid")


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _tick_y(y: float, text: str) -> str:
    return _text(LEFT - 6, y + 4, text, "end")


def _tick_x(x: float, text: str) -> str:
    return _text(x, HEIGHT - BOTTOM + 14, text, "middle")


def _axis_name(text: str, horizontal: bool) -> str:
    if horizontal:
        return _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, text, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 14 {middle:.1f})"'
    return f'<text x="14" y="{middle:.1f}" text-anchor="middle" {turned}>{text}</text>'


def _dot(x: float, y: float, kind: str, said: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(said)}</title></circle>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{value:.3g}"
