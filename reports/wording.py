"""How numbers, durations and strangers' strings look on every form of a report.

Called by everything in reports. Never rounds a count, never drops a unit, never lets a control sign
of somebody else's string through.
"""

import math
import shlex
import unicodedata
from collections.abc import Iterable, Sequence

NONE = "–"
"""Nothing to show: not measured, nobody struck, too few samples."""


def count(number: int | float) -> str:
    """A whole number with separators: 12,345."""
    return f"{round(number):,}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """A count and its noun: 1 step, 2,000 steps."""
    return f"{count(number)} {singular if number == 1 else plural or singular + 's'}"


def decimal(number: float) -> str:
    """Three significant digits, whole from 100 on; not a number is a dash."""
    if not math.isfinite(number):
        return NONE
    if number == 0:
        return "0"
    if abs(number) >= 99.95:
        return count(number)
    if abs(number) < 0.01:
        return "below 0.01" if number > 0 else f"{number:.2g}"
    return f"{number:.1f}" if abs(number) >= 9.995 else f"{number:.2f}"


def percent(ratio: float) -> str:
    """Two significant digits: 7.8 %, 0.06 %; 100 % and 0 % are exactly that."""
    if not math.isfinite(ratio):
        return NONE
    points = ratio * 100
    if 98.95 <= points < 100:
        return f"{min(points, 99.9):.1f} %" if points < 99.95 else "above 99.9 %"
    if points == 0 or points >= 9.95:
        return f"{points:.0f} %"
    if points < 0.001:
        return "0.001 %"
    digits = 1 - math.floor(math.log10(points))
    return f"{points:.{max(1, digits)}f} %"


def upper_percent(ratio: float) -> str:
    """As `percent`, rounded up: for bounds, of which "below" must stay true."""
    points = min(ratio, 1.0) * 100
    if points <= 0 or not math.isfinite(points):
        return NONE
    digits = max(0, 1 - math.floor(math.log10(points)))
    step = 10.0**-digits
    up = math.ceil(round(points / step, 6)) * step
    return f"{up:.{digits}f} %"


def seconds(value: float) -> str:
    """A duration given in seconds; below zero means that there is none."""
    if value < 0 or not math.isfinite(value):
        return NONE
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 119.5:
        return f"{value:.1f} s"
    return f"{int(value + 0.5) // 60} min {int(value + 0.5) % 60:02d} s"


def milliseconds(value: float) -> str:
    """A duration given in milliseconds; below zero means that there is none."""
    if 0 < value < 9.95:
        return f"{value:.1f} ms"
    return seconds(value / 1000) if value >= 0 else NONE


def megabytes(value: float) -> str:
    """Memory given in MB."""
    return f"{value / 1000:.2f} GB" if value >= 1000 else f"{decimal(value)} MB"


def keys(promises: Iterable[str], order: Sequence[str]) -> str:
    """Promise keys, neighbours of the S row joined: L, S1–S3, R."""
    wanted = set(promises)
    parts: list[list[str]] = []
    last = -9
    for position, key in enumerate(order):
        if key not in wanted:
            continue
        if parts and position == last + 1 and key[0] == parts[-1][-1][0] == "S":
            parts[-1].append(key)
        else:
            parts.append([key])
        last = position
    return ", ".join(
        f"{part[0]}–{part[-1]}" if len(part) > 2 else ", ".join(part) for part in parts
    )


def clean(text: str) -> str:
    """A string in which control and direction signs are spelled out, so that none can act."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign in "\n\t" or not _is_control(sign) else f"\\u{ord(sign):04x}" for sign in text
    )


def one_line(text: str) -> str:
    """Cleaned, with every run of white space as one blank."""
    return " ".join(clean(text).split())


def shortened(text: str, width: int) -> str:
    """At most ``width`` signs on one line; a cut is shown."""
    line = one_line(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def command(*words: str) -> str:
    """A command line that a shell reads as these words."""
    return " ".join(shlex.quote(one_line(word)) for word in words)


def sentence(text: str) -> str:
    """One line that ends with a stop and begins with a capital, unless it begins with a name."""
    line = one_line(text)
    if not line:
        return ""
    begin = line[0].upper() if line.split()[0].rstrip(".,:;").isalpha() else line[0]
    return begin + line[1:] + ("" if line[-1] in ".!?…" else ".")


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
