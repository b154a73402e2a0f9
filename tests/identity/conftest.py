"""Two companies for all tests of this folder, as it takes seconds to make them."""

from collections.abc import Iterator

import pytest

from tests.identity.company import Company, open_company


@pytest.fixture(scope="package")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    yield from open_company(tmp_path_factory.mktemp("company"))
