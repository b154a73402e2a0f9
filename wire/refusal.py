"""Turns what msgspec says of a value into field, problem and remedy, for whoever wrote it."""


def in_words(problem: str, root: str) -> tuple[str, str, str]:
    """The field at fault, what is wrong with it, and what to do.

    Args:
        problem: as msgspec tells it, such as "Expected `int`, got `str` - at `$.broker.port`".
        root: what the value as a whole is called.
    """
    text, _, place = problem.partition(" - at `")
    field = place.rstrip("`").removeprefix("$").lstrip(".") or root
    if "unknown field" in text:
        return field, text, "remove it or correct its spelling"
    if "missing required field" in text:
        return field, text, "add it"
    return field, text, "correct the value"
