"""The whole web application in this process, without the tasks that run beside its requests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from cloud import parts
from cloud.app import create_app
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import Settings


@contextmanager
def whole_app(data: DataFolder, settings: Settings) -> Iterator[FastAPI]:
    """The application, whose connections end here: its own end belongs to those tasks."""
    with ExitStack() as ending:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parts, "Database", _ending(ending))
            made = create_app(data, settings)
        yield made


def _ending(ending: ExitStack) -> Callable[..., Database]:
    def open_database(*given: Any) -> Database:
        database = Database(*given)
        ending.callback(database.close)
        return database

    return open_database
