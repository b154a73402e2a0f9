"""Packed columns read bit by bit as docs/wire.md tells it; shares nothing with the product."""

from collections.abc import Iterator


class Bits:
    """The highest bit of each byte first."""

    def __init__(self, payload: bytes) -> None:
        self._bits: Iterator[int] = (
            byte >> place & 1 for byte in payload for place in range(7, -1, -1)
        )

    def bit(self) -> int:
        return next(self._bits)

    def unsigned(self, width: int) -> int:
        value = 0
        for _ in range(width):
            value = value * 2 + self.bit()
        return value

    def number(self) -> int:
        width = self.unsigned(6)
        return unfolded((1 << width - 1) + self.unsigned(width - 1)) if width else 0

    def quotient(self) -> int:
        zeros = 0
        while not self.bit():
            zeros += 1
        return zeros


def unfolded(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2


def column(bits: Bits, m: int) -> list[int]:
    order = bits.unsigned(2)
    heads = [bits.number() for _ in range(order)]
    bias = bits.number()
    values = [one + bias for one in residuals(bits, m - order)]
    for head in reversed(heads):
        sums = [head]
        for value in values:
            sums.append(sums[-1] + value)
        values = sums
    return values


def residuals(bits: Bits, n: int) -> list[int]:
    if not bits.bit():
        return [0] * n
    return spread(bits, n) if bits.bit() else sparse(bits, n)


def spread(bits: Bits, n: int) -> list[int]:
    scale, width, long_width = bits.number() + 1, bits.unsigned(6), bits.unsigned(6)
    quotients = [bits.quotient() for _ in range(n)]
    remainders = [bits.unsigned(width) for _ in range(n)]
    if long_width:
        quotients = [one + bits.unsigned(long_width) if one >= 6 else one for one in quotients]
    return [
        unfolded(quotient * 2**width + rest) * scale
        for quotient, rest in zip(quotients, remainders, strict=True)
    ]


def sparse(bits: Bits, n: int) -> list[int]:
    values, place = [0] * n, -1
    changes = bits.number()
    steps = column(bits, changes)
    for step, change in zip(steps, column(bits, changes), strict=True):
        place += step
        values[place] = change
    return values


def maybe(bits: Bits, count: int) -> list[int | None]:
    if not bits.bit():
        return list(column(bits, count))
    if not bits.bit():
        return [None] * count
    there = [bits.bit() for _ in range(count)]
    values = iter(column(bits, sum(there)))
    return [next(values) if one else None for one in there]


def fixes(payload: bytes, count: int) -> list[dict[str, object]]:
    """The fixes in packed columns, a dictionary each."""
    bits = Bits(payload)
    times = maybe(bits, count)
    known = sum(time is not None for time in times)
    delays = iter(column(bits, known) if known else [])
    others = iter(column(bits, count - known) if known < count else [])
    recorded = [next(others) if time is None else time + next(delays) for time in times]
    columns: dict[str, list[int | None]] = {"fix_time_ms": times, "recorded_at_ms": [*recorded]}
    for name in ("lat_e7", "lon_e7", "mode", "source", "quality"):
        columns[name] = [*column(bits, count)]
    for name in ("speed_cmps", "course_ddeg", "altitude_dm", "hdop_d", "satellites"):
        columns[name] = maybe(bits, count)
    told = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [
        one
        | {
            "source": ("serial", "gpsd", "replay")[one["source"] or 0],
            "quality": ("none", "rtc", "ntp", "gnss")[one["quality"] or 0],
            "course_ddeg": None if one["course_ddeg"] is None else one["course_ddeg"] % 3600,
        }
        for one in told
    ]
