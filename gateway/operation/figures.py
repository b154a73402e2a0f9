"""How sizes and lengths of time are told to a person. Pure."""


def size(count: float) -> str:
    """Bytes to three digits, in the unit that fits."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def span(seconds: float) -> str:
    """A length of time in its two largest units; whole days from a day on."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit_s, unit, below_s, below in (
        (60, 1, "s", 0, ""),
        (3600, 60, "min", 1, "s"),
        (86_400, 3600, "h", 60, "min"),
    ):
        if seconds < limit:
            whole, rest = divmod(seconds, unit_s)
            return f"{whole:.0f} {unit}" + (f" {rest // below_s:.0f} {below}" if below_s else "")
    days = round(seconds / 86_400)
    return f"{days} days" if days > 1 else "1 day"
