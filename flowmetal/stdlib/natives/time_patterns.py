"""Times by the directives of strftime and strptime, written and read the same on every host.

Python's own ask the C library for what they do not know, its locale for names, and the zone of the
process for others. Here the directives are those of two tables and names are English; what they
mean is what the locale C says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from flowmetal.values.meter import lend

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LONGER: Final = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "h": "%b",
    "r": "%I:%M:%S %p",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
}
"""Directives that stand for others."""


def _offset(time: datetime) -> str:
    seconds = (time.utcoffset() or timedelta()) // timedelta(seconds=1)
    minutes, second = divmod(abs(seconds), 60)
    shown = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
    return f"{shown}{second:02}" if second else shown


def _week(time: datetime, days_since_start: int) -> str:
    return f"{(time.timetuple().tm_yday + 6 - days_since_start) // 7:02}"


_WRITTEN: Final[dict[str, Callable[[datetime], str]]] = {
    "a": lambda t: DAYS[t.weekday()][:3],
    "A": lambda t: DAYS[t.weekday()],
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "B": lambda t: _MONTHS[t.month - 1],
    "C": lambda t: f"{t.year // 100:02}",
    "d": lambda t: f"{t.day:02}",
    "e": lambda t: f"{t.day:2}",
    "f": lambda t: f"{t.microsecond:06}",
    "g": lambda t: f"{t.isocalendar().year % 100:02}",
    "G": lambda t: f"{t.isocalendar().year:04}",
    "H": lambda t: f"{t.hour:02}",
    "I": lambda t: f"{t.hour % 12 or 12:02}",
    "j": lambda t: f"{t.timetuple().tm_yday:03}",
    "m": lambda t: f"{t.month:02}",
    "M": lambda t: f"{t.minute:02}",
    "n": lambda t: "\n",
    "p": lambda t: "AM" if t.hour < 12 else "PM",
    "s": lambda t: str((t - _EPOCH) // timedelta(seconds=1)),
    "S": lambda t: f"{t.second:02}",
    "t": lambda t: "\t",
    "u": lambda t: str(t.isoweekday()),
    "U": lambda t: _week(t, t.isoweekday() % 7),
    "V": lambda t: f"{t.isocalendar().week:02}",
    "w": lambda t: str(t.isoweekday() % 7),
    "W": lambda t: _week(t, t.weekday()),
    "y": lambda t: f"{t.year % 100:02}",
    "Y": lambda t: f"{t.year:04}",
    "z": _offset,
    "Z": lambda t: t.tzname() or "",
    "%": lambda t: "%",
}


def _names(names: tuple[str, ...]) -> str:
    return f"(?a:{'|'.join(names)})"  # of ASCII: case knows a long s and a dotless i, too


_TWO: Final = "0[1-9]|[1-9]"
_READ: Final = {
    "a": _names(tuple(day[:3] for day in DAYS)),
    "A": _names(DAYS),
    "b": _names(tuple(month[:3] for month in _MONTHS)),
    "B": _names(_MONTHS),
    "d": f"3[01]|[12][0-9]|{_TWO}",
    "e": f"3[01]|[12][0-9]|{_TWO}| [1-9]",
    "f": "[0-9]{1,6}",
    "G": "[0-9]{4}",
    "H": "2[0-3]|[01][0-9]|[0-9]",
    "I": f"1[0-2]|{_TWO}",
    "j": f"36[0-6]|3[0-5][0-9]|[12][0-9][0-9]|0[1-9][0-9]|00[1-9]|[1-9][0-9]|{_TWO}",
    "m": f"1[0-2]|{_TWO}",
    "M": "[0-5][0-9]|[0-9]",
    "p": _names(("AM", "PM")),
    "S": "[0-5][0-9]|[0-9]",
    "u": "[1-7]",
    "U": "5[0-3]|[0-4][0-9]|[0-9]",
    "V": f"5[0-3]|[1-4][0-9]|{_TWO}",
    "w": "[0-6]",
    "W": "5[0-3]|[0-4][0-9]|[0-9]",
    "y": "[0-9]{2}",
    "Y": "[0-9]{4}",
    "z": "[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9](?::?[0-5][0-9])?|Z",
    "Z": _names(("UTC", "GMT")),
}


def _parts(pattern: str) -> list[str]:
    """Return literal text and directives, which are single letters, in turn."""
    parts = re.split(r"%(.?)", pattern, flags=re.DOTALL)
    made = parts[:1]
    for directive, literal in zip(parts[1::2], parts[2::2], strict=True):
        longer = _LONGER.get(directive)
        inner = ["", directive, ""] if longer is None else _parts(longer)
        made[-1] += inner[0]
        made += inner[1:]
        made[-1] += literal
    return made


def write_time(time: datetime, pattern: str) -> str:
    """Return a time with a zone as a pattern says. Raises ValueError for a pattern that is none."""
    made = []
    for at, part in enumerate(_parts(pattern)):
        if at % 2 == 0:
            made.append(part)
        elif part in _WRITTEN:
            made.append(_WRITTEN[part](time))
        else:
            raise ValueError(f"%{part} is not a directive")
    return "".join(made)


def read_time(text: str, pattern: str) -> datetime:
    """Return the time in a text, with a zone if the text has one.

    Raises ValueError or OverflowError for a text or a pattern that is none.
    """
    found = _expression(pattern).fullmatch(text)
    if found is None:
        raise ValueError(f'it is not written as "{pattern}" says')
    given = found.groupdict()
    numbers = {name: int(part) for name, part in given.items() if part.strip().isdigit()}
    hour = numbers.get("H")
    if hour is None:
        hour = numbers.get("I", 0) % 12 + (12 if given.get("p", "").upper() == "PM" else 0)
    made = datetime.combine(_date(given, numbers), datetime.min.time()).replace(
        hour=hour,
        minute=numbers.get("M", 0),
        second=numbers.get("S", 0),
        microsecond=int(given.get("f", "0").ljust(6, "0")),
    )
    if "z" in given:
        return made.replace(tzinfo=_zone(given["z"]))
    return made.replace(tzinfo=UTC) if "Z" in given else made


@lru_cache(64)
def _expression(pattern: str) -> re.Pattern[str]:
    lend(2 * len(pattern))  # made before, it costs nothing
    made = []
    seen = set()
    for at, part in enumerate(_parts(pattern)):
        if at % 2 == 0 or part == "%":
            words = re.split(r"\s+", "%" if at % 2 else part)
            made.append(r"\s+".join(map(re.escape, words)))
        elif part not in _READ:
            raise ValueError(f"%{part} is not a directive that can be read")
        elif part in seen:
            raise ValueError(f"the pattern has %{part} twice")
        else:
            seen.add(part)
            made.append(f"(?P<{part}>{_READ[part]})")
    return re.compile("".join(made), re.IGNORECASE)


def _date(given: dict[str, str], numbers: dict[str, int]) -> date:
    day_of_week = _day_of_week(given, numbers)
    if "G" in given or "V" in given:
        if day_of_week is None or "G" not in given or "V" not in given:
            raise ValueError("a year and a week of ISO 8601 need each other and a day of the week")
        return date.fromisocalendar(numbers["G"], numbers["V"], day_of_week + 1)
    year = numbers.get("Y")
    if year is None:
        short = numbers.get("y", 0)
        year = short + (2000 if "y" in given and short < 69 else 1900)
    first = date(year, 1, 1)
    if "j" in given:
        return first + timedelta(numbers["j"] - 1)
    if day_of_week is not None and "U" in given:
        days = (6 - first.weekday()) % 7 + (day_of_week + 1) % 7
        return first + timedelta(days, weeks=numbers["U"] - 1)
    if day_of_week is not None and "W" in given:
        days = -first.weekday() % 7 + day_of_week
        return first + timedelta(days, weeks=numbers["W"] - 1)
    return date(year, _month(given, numbers), numbers.get("d", numbers.get("e", 1)))


def _month(given: dict[str, str], numbers: dict[str, int]) -> int:
    name = given.get("B", given.get("b"))
    return numbers.get("m", 1) if name is None else _place(name, _MONTHS) + 1


def _day_of_week(given: dict[str, str], numbers: dict[str, int]) -> int | None:
    """Return the day of the week, 0 to 6 from Monday, if there is one."""
    name = given.get("A", given.get("a"))
    if name is not None:
        return _place(name, DAYS)
    number = numbers.get("u", numbers.get("w"))
    return None if number is None else (number + 6) % 7


def _place(name: str, names: tuple[str, ...]) -> int:
    return next(at for at, each in enumerate(names) if each.startswith(name.capitalize()))


def _zone(text: str) -> timezone:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:] or 0))
    return timezone(-away if text[0] == "-" else away)
