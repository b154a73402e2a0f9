"""Topics are built and read in one place, and no name can leave its level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import topics


@pytest.mark.parametrize("kind", topics.UP_KINDS)
def test_an_up_topic_reads_back(kind: str) -> None:
    topic = topics.up("acme", "van-1", kind)
    assert topic == f"fleet/v1/acme/van-1/up/{kind}"
    assert topics.parse_up(topic) == ("acme", "van-1", kind)


@given(st.text())
def test_any_other_text_is_refused_or_reads_back_exactly(text: str) -> None:
    try:
        parsed = topics.parse_up(text)
    except topics.TopicError:
        return
    assert topics.up(*parsed) == text


@pytest.mark.parametrize(
    "name", ["", "+", "#", "a/b", "A", "-a", "a-", "a" * 65, "a.b", "ä", "a\n"]
)
def test_a_name_that_leaves_its_level_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(topics.TopicError, match=r"van: .* use 1 to 64"):
        topics.up("acme", name, "batch")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(topics.TopicError, match="kind"):
        topics.up("acme", "van-1", "ack")
    with pytest.raises(topics.TopicError, match="kind"):
        topics.down("acme", "van-1", "live")
    with pytest.raises(topics.TopicError, match="kind"):
        topics.every_up("ack")
