"""Numbers as people read them. Unknown is a dash, never a zero."""

from __future__ import annotations

_STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_MINUTE_S = 60.0
_HOUR_S = 3600.0


def bytes_text(count: int | None) -> str:
    """Return `1.5 GiB` for 1610612736.

    >>> bytes_text(1610612736), bytes_text(None), bytes_text(12)
    ('1.5 GiB', '-', '12 B')
    """
    if count is None:
        return "-"
    for size, unit in _STEPS:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def seconds_text(seconds: float | None) -> str:
    """Return a duration in the unit that suits it.

    >>> seconds_text(0.0008), seconds_text(0.0123), seconds_text(1.5), seconds_text(83), seconds_text(4000)
    ('0.8 ms', '12 ms', '1.5 s', '1 min 23 s', '1 h 6 min')
    >>> seconds_text(None), seconds_text(0), seconds_text(0.0000234), seconds_text(1e-9)
    ('-', '0 ms', '0.023 ms', '0.000001 ms')
    """
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{_milliseconds(seconds * 1000)} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"
    return f"{int(seconds // _HOUR_S)} h {int(seconds % _HOUR_S // _MINUTE_S)} min"


def _milliseconds(value: float) -> str:
    if 0 < value < 0.95:
        return digits(float(f"{value:.2g}"))
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:.0f}"


def percent_text(share: float | None, decimals: int = 1) -> str:
    """Return `97.5 %` for 0.975. What is neither none nor all never reads as if it were: 2499 of 2500 are not all.

    >>> percent_text(0.975), percent_text(1.0), percent_text(None), percent_text(0.975, 0)
    ('97.5 %', '100 %', '-', '98 %')
    >>> percent_text(0.9996), percent_text(0.0004), percent_text(0.9965, 0), percent_text(0.0)
    ('>99.9 %', '<0.1 %', '>99 %', '0 %')
    """
    if share is None:
        return "-"
    said, step = f"{100 * share:.{decimals}f}", 10.0**-decimals
    if 0 < share < 1 and float(said) in {0.0, 100.0}:
        return f"<{step:g} %" if share < 0.5 else f">{100 - step:g} %"
    return f"{said} %".replace(".0 %", " %")


def level_text(level: float) -> str:
    """Return the level of an interval or a test in percent, as exactly as it was stated.

    >>> level_text(0.95), level_text(0.999), level_text(1 - 0.05 / 1000)
    ('95 %', '99.9 %', '99.995 %')
    """
    return f"{100 * level:.6g} %"


def money(value: float) -> str:
    """Return dollars to three digits that count, never as a power of ten.

    >>> money(0.000002315833), money(0.0015), money(12.5), money(-446.09), money(0)
    ('$0.00000232', '$0.0015', '$12.50', '-$446.09', '$0')
    """
    if value == 0:
        return "$0"
    sign, size = "-" if value < 0 else "", abs(value)
    if size >= 1:
        return f"{sign}${size:,.2f}"
    return f"{sign}${digits(size)}"


def digits(value: float) -> str:
    """Return a number with the digits that count, never as a power of ten.

    >>> digits(47123.4), digits(55.58), digits(0.00002315833), digits(1e12)
    ('47,123', '55.6', '0.0000232', '1,000,000,000,000')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    said = f"{value:.3g}"
    if "e" in said:
        said = f"{value:.{2 - int(said.split('e')[1])}f}".rstrip("0")
    return said
