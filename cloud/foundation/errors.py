"""What can be wrong with a request, told by field and remedy. One tree for the whole cloud."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field, and what to do about it."""

    field: str
    problem: str
    remedy: str


class CloudError(Exception):
    """Something a caller can understand and act on."""

    def __init__(self, detail: str, *problems: FieldProblem) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class Invalid(CloudError):
    """A value cannot be accepted; the problems name each field."""

    @classmethod
    def field(cls, field: str, problem: str, remedy: str) -> "Invalid":
        """One bad field."""
        return cls(f"{field}: {problem}; {remedy}", FieldProblem(field, problem, remedy))


class NotFound(CloudError):
    """There is no such thing, or the caller may not know of it."""


class Conflict(CloudError):
    """The request does not fit the present state."""


class NotSignedIn(CloudError):
    """No valid token or session came with the request."""


class NotAllowed(CloudError):
    """The caller is known and may not do this."""


class TooMany(CloudError):
    """The caller has tried too often; ``retry_after_s`` is how long to wait, seconds."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(CloudError):
    """A part that is needed does not answer now; trying again later may work."""

    retry_after_s = 5.0
