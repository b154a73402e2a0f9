"""Two companies for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.identity.company import Company, open_company


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    yield from open_company(tmp_path_factory.mktemp("company"))
