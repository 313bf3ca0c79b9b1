"""Numbers and dates as a reader wants them. Pure; English; no locale."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 row`, `2 rows`, `3,400 rows`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """`30 ms`, `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if not math.isfinite(seconds):  # no clock says so, but a trace may
        return f"{seconds} s"
    if seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(octets: int) -> str:
    """`812 bytes`, `15.2 KB`, `1.2 GB` (decimal, as file managers show it)."""
    if octets < 1000:
        return count(octets, "byte")
    value, unit = octets / 1000, "KB"
    for larger in ("MB", "GB", "TB"):
        if value < 999.95:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"


def moment(started: str) -> datetime | None:
    """`Run.started` as a UTC time, or `None` where it is none."""
    try:
        when = datetime.fromisoformat(started)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def date(started: str) -> str:
    """`23 November 2026, 18:41 UTC`, or an empty string."""
    when = moment(started)
    return f"{when.day} {when:%B %Y, %H:%M} UTC" if when else ""
