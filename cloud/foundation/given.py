"""What texts, instants and dates may look like, whoever gives them: bodies, queries, files. Pure.

One rule for all of them, so that what one way in refuses no other lets through.
"""

import unicodedata
from datetime import date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from cloud.foundation.errors import FieldProblem, Invalid

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099
MAX_LINE: Final = 500
"""Characters of an address, a name, a telephone number or a note."""
MAX_REFERENCE: Final = 100
MAX_NAME: Final = 200
"""Characters of what somebody or something is called."""
_REFUSED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no text may hold: control, lone surrogate, line and paragraph break."""


class Unacceptable(ValueError):
    """A value that no field takes, and what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy

    def of(self, field: str) -> FieldProblem:
        """The same, of a field."""
        return FieldProblem(field, self.problem, self.remedy)

    def invalid(self, field: str) -> Invalid:
        """The same, as the error of a field."""
        return Invalid.field(field, self.problem, self.remedy)


def require_date(value: date) -> date:
    """``value`` when it lies in the years that calendars here reckon with.

    Raises:
        Unacceptable: it does not.
    """
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise Unacceptable(
            f"is in the year {value.year}", f"use a date from {FIRST_YEAR} to {LAST_YEAR}"
        )
    return value


def require_instant(value: datetime) -> datetime:
    """``value`` when it has an offset and lies in the years that calendars here reckon with.

    Raises:
        Unacceptable: it has none, or does not.
    """
    if value.tzinfo is None:
        raise Unacceptable("has no offset", "add Z or +hh:mm")
    require_date(value)
    return value


def require_line(value: str) -> str:
    """``value`` when it is one line of text.

    Raises:
        Unacceptable: it holds a control character or a break.
    """
    if value.isprintable():
        return value
    found = next((mark for mark in value if unicodedata.category(mark) in _REFUSED), None)
    if found is not None:
        raise Unacceptable(f"holds the control character U+{ord(found):04X}", "leave it out")
    return value


def require_note(value: str) -> str:
    """``value`` when it is a text, perhaps of several lines and with tabs.

    Raises:
        Unacceptable: it holds another control character.
    """
    require_line(value.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))
    return value


type Instant = Annotated[
    AwareDatetime,
    AfterValidator(require_instant),
    Field(description=f"RFC 3339 with an offset, in the years {FIRST_YEAR} to {LAST_YEAR}."),
]
type ServiceDate = Annotated[
    date,
    AfterValidator(require_date),
    Field(description=f"YYYY-MM-DD, in the years {FIRST_YEAR} to {LAST_YEAR}."),
]
type Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_LINE),
    AfterValidator(require_line),
]
type FilledLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LINE),
    AfterValidator(require_line),
]
type Reference = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_REFERENCE),
    AfterValidator(require_line),
]
type Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(require_line),
]
type Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_LINE),
    AfterValidator(require_note),
]
