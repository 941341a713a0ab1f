"""One agent on a time axis, as a picture: a row a call, a bar an attempt, a band a fault window.

Drawn by hand as SVG of a few kilobytes, since a page has fifty of them. It takes its colours from
the page, and says nothing by colour alone: what an attempt came to is written on its bar.
"""

from markupsafe import Markup

from harness.results import AgentTimeline, TimelineCall

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 96, 24, 30, 20
ROWS_MAX = 40
TICKS = 6
SIGN = 6.1
"""Width of a sign of the labels, at 10 px."""
WORDS = {
    "answered": "",
    "open": "never answered",
    "limited": "429",
    "faulted": "5xx",
    "client_gone": "caller gone",
    "dropped": "answer lost",
    "refused": "refused",
}


def timeline_svg(timeline: AgentTimeline, anchor: str) -> Markup:
    """The picture; ``anchor`` makes its ids unique on the page."""
    calls = list(dict.fromkeys(call.call for call in timeline.calls))[:ROWS_MAX]
    scale = _Scale(timeline.begin_s, timeline.end_s)
    height = TOP + ROW * len(calls) + 22
    parts = [
        Markup(
            '<svg class="timeline" role="img" aria-labelledby="{0}-t {0}-d" viewBox="0 0 {1} {2}">'
            '<title id="{0}-t">Agent {3} on a time axis</title><desc id="{0}-d">{4}</desc>'
        ).format(anchor, WIDTH, height, timeline.agent, _described(timeline)),
        *(_fault(timeline, index, scale, height) for index in range(len(timeline.faults))),
        *(_axis(scale, height)),
    ]
    for number, call in enumerate(calls):
        y = TOP + ROW * number
        parts.append(
            Markup('<text x="{}" y="{}" class="name">{}</text>').format(LEFT - 8, y + 13, call)
        )
        own = [one for one in timeline.calls if one.call == call]
        parts += [_attempt(one, y, scale) for one in own]
    if timeline.outcome_s >= 0:
        parts.append(
            Markup(
                '<path class="outcome" d="M{0:.1f} {1}V{2}"/><text x="{0:.1f}" y="{3}" '
                'class="end">outcome</text>'
            ).format(scale.x(timeline.outcome_s), TOP - 4, height - 20, TOP - 8)
        )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


class _Scale:
    def __init__(self, begin_s: float, end_s: float) -> None:
        margin = max((end_s - begin_s) * 0.03, 0.01)
        self.begin_s, self.end_s = begin_s - margin, end_s + margin

    def x(self, at_s: float) -> float:
        share = (at_s - self.begin_s) / (self.end_s - self.begin_s)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


def _attempt(call: TimelineCall, y: int, scale: _Scale) -> Markup:
    begin = scale.x(call.begin_s)
    end = scale.x(call.end_s if call.end_s >= 0 else scale.end_s)
    slot = call.caller.removeprefix("agents-")
    label = " ".join(word for word in (slot, WORDS.get(call.outcome, call.outcome)) if word)
    used = scale.x(call.used_s) if call.used_s >= 0 else end
    is_wide = end - begin > SIGN * len(label) + 4
    found = Markup(
        '<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="12" rx="2"/>'
        '<text x="{:.1f}" y="{}" class="who">{}</text>'
    ).format(
        "told" if call.outcome == "answered" else "lost",
        begin,
        y + 3,
        max(end - begin, 2.0),
        begin + 3 if is_wide else used + 7,
        y + 12,
        label,
    )
    if call.used_s < 0:
        return found
    return found + Markup(
        '<path class="use" d="M{:.1f} {}H{:.1f}"/><path class="used" d="M{:.1f} {}l-4 4l-4 -4z"/>'
    ).format(end, y + 9, used, used + 4, y + 7)


def _fault(timeline: AgentTimeline, index: int, scale: _Scale, height: int) -> Markup:
    fault = timeline.faults[index]
    begin = scale.x(fault.begin_s)
    end = scale.x(fault.end_s if fault.end_s >= 0 else scale.end_s)
    callers = {call.caller for call in timeline.calls}
    is_near = bool(callers & set(fault.victims))
    victims = ", ".join(victim.removeprefix("agents-") for victim in fault.victims)
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
        '<text x="{:.1f}" y="{}" class="fault-name">{}</text>'
    ).format(
        "window near" if is_near else "window",
        begin,
        TOP - 6,
        max(end - begin, 1.5),
        height - TOP - 14,
        begin,
        10 + 10 * (index % 2),
        f"✕ {victims}" if is_near else f"({victims})",
    )


def _axis(scale: _Scale, height: int) -> list[Markup]:
    y = height - 18
    parts = [Markup('<path class="axis" d="M{} {}H{}"/>').format(LEFT, y, WIDTH - RIGHT)]
    span = scale.end_s - scale.begin_s
    digits = 1 if span > 3 else 3
    for tick in range(TICKS + 1):
        at_s = scale.begin_s + span * tick / TICKS
        parts.append(
            Markup('<text x="{:.1f}" y="{}" class="tick">{:.{d}f} s</text>').format(
                scale.x(at_s), y + 13, at_s, d=digits
            )
        )
    return parts


def _described(timeline: AgentTimeline) -> str:
    """The picture in words, for who cannot see it."""
    said = [
        f"{call.call} by {call.caller} from {call.begin_s:.3f} s: "
        f"{WORDS.get(call.outcome) or 'answered'}"
        + (f", used at {call.used_s:.3f} s" if call.used_s >= 0 else ", never used")
        for call in timeline.calls[:ROWS_MAX]
    ]
    struck = [
        f"{fault.name} struck {', '.join(fault.victims)} at {fault.begin_s:.3f} s"
        for fault in timeline.faults
    ]
    return "; ".join([*said, *struck])
