"""Values of the fleet that lie in one column as JSON text, the same on every database."""

from typing import Any

import msgspec
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from cloud.fleet.calendar import Calendar


class AsJson(TypeDecorator[Any]):
    """A value of one type as JSON text; None stays NULL."""

    impl = Text
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__()
        self.of = of

    def process_bind_param(self, value: Any, _: Dialect) -> str | None:
        """To the database."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, _: Dialect) -> Any:
        """From the database."""
        return None if value is None else msgspec.json.decode(value, type=self.of)


WORDS = AsJson(tuple[str, ...])
SPANS = AsJson(tuple[tuple[float, float], ...])
CALENDAR = AsJson(Calendar)
