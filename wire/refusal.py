"""Turns what msgspec says of a value into field, problem and remedy, for whoever wrote it."""


def in_words(problem: str, root: str = "") -> tuple[str, str, str]:
    """The field at fault, what is wrong with it, and what to do.

    Args:
        problem: as msgspec tells it, such as "Expected `int`, got `str` - at `$.broker.port`".
        root: where the value stands, put before each field.
    """
    text, _, place = problem.partition(" - at `")
    path = [root, place.rstrip("`").removeprefix("$").lstrip(".")]
    for told, meaning, remedy in (
        ("unknown field `", "is not known", "remove it or correct its spelling"),
        ("missing required field `", "is missing", "add it"),
    ):
        _, found, name = text.partition(told)
        if found:
            return _joined(*path, name.rstrip("`")), meaning, remedy
    return _joined(*path), text, "correct the value"


def _joined(*path: str) -> str:
    return ".".join(filter(None, path))
