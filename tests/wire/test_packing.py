"""Columns come back as they were, whatever they hold, and no bits can hurt who reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.packing import BitReader, PackingError, pack_column, to_bytes, unpack_column

LARGE = 2**55


def there_and_back(values: list[int], orders: tuple[int, ...] = (0, 1, 2)) -> int:
    """Packs and unpacks, and tells how many bits it took."""
    packed = pack_column(values, orders)
    bits = BitReader(to_bytes([packed]))
    assert unpack_column(bits, len(values)) == values
    bits.require_end()
    return len(packed)


@given(st.lists(st.integers(-LARGE, LARGE), min_size=1, max_size=60), st.integers(0, 2))
def test_any_numbers_come_back(values: list[int], order: int) -> None:
    there_and_back(values)
    there_and_back(values, (order,))


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=200),
    st.dictionaries(st.integers(0, 199), st.integers(-LARGE, LARGE), max_size=5),
    st.integers(1, 10_000),
)
def test_small_changes_with_a_few_outliers_come_back(
    changes: list[int], outliers: dict[int, int], scale: int
) -> None:
    values = [change * scale for change in changes]
    for place, outlier in outliers.items():
        values[place % len(values)] = outlier
    there_and_back(values)


@pytest.mark.parametrize(
    ("values", "at_most_bits"),
    [
        ([3] * 60, 16),
        (list(range(1_795_341_600_000, 1_795_341_660_000, 1000)), 80),
        ([10] * 40 + [11] * 20, 60),
        ([0] * 299 + [1_000_000], 90),
        ([5000 * (n * n % 7) for n in range(60)], 330),
    ],
)
def test_what_hardly_changes_takes_hardly_any_bits(values: list[int], at_most_bits: int) -> None:
    assert there_and_back(values) <= at_most_bits


@pytest.mark.parametrize("values", [[2**63], [0, 2**64], [0, 2**64, 5], [-(2**66)] * 3])
def test_numbers_beyond_all_bounds_are_refused(values: list[int]) -> None:
    with pytest.raises(PackingError, match="too large"):
        pack_column(values, (0, 1))


@given(st.binary(max_size=80), st.integers(1, 1000))
def test_any_bits_are_a_column_or_refused(payload: bytes, count: int) -> None:
    bits = BitReader(payload)
    try:
        values = unpack_column(bits, count)
    except PackingError:
        return
    assert len(values) == count


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        ("11", "order 3"),
        ("10" + "000000" * 3 + "0", "order 2 of 2"),
        ("00" + "000000" + "11" + "000000" * 3 + "000", "cut"),
        ("00" + "000000" + "11" + "000000" + "111111" + "000000" + "11" + "1" * 99, "cut"),
        ("00" + "000000" + "10" + "000000", "0 changes"),
        ("00" + "000000" + "10" + "000011" + "10", "3 changes"),
        ("00" + "000000" + "10" + "000010" + "0" + "00" + "000000" + "10", "sparse"),
        (
            "00" + "000000" + "10" + "000010" + "0" + "00" + "000011" + "10" + "0" + "00000000" * 2,
            "place",
        ),
    ],
)
def test_bits_that_are_no_column_of_two_are_refused_by_name(bits: str, names: str) -> None:
    reader = BitReader(to_bytes([bits]))
    with pytest.raises(PackingError, match=names):
        unpack_column(reader, 2)


@pytest.mark.parametrize("payload", [bytes(200_000), b"\xff" * 200_000, b"\xdb" * 200_000])
def test_the_longest_payload_cannot_make_a_number_grow(payload: bytes) -> None:
    bits = BitReader(payload)
    try:
        for _ in range(12):
            assert max(map(abs, unpack_column(bits, 1000))) < 2**120
    except PackingError:
        pass


def test_a_tail_is_refused() -> None:
    packed = pack_column([1, 2, 5], (0, 1))
    for tail in (b"\x00", b"\x01"):
        bits = BitReader(to_bytes([packed]) + tail)
        unpack_column(bits, 3)
        with pytest.raises(PackingError, match="tail"):
            bits.require_end()
