"""What ingest has against a van reaches the office, once a minute at most."""

import time
from collections.abc import Mapping
from pathlib import Path

from cloud.tracking.complaints import Complaints, ComplaintWatch
from cloud.tracking.intake import Complaint
from tests.tracking.test_ingest_rounds import Desk
from tests.tracking.vans import batch
from wire import codec


def test_a_message_of_an_unknown_van_is_refused_and_told_to_the_office(tmp_path: Path) -> None:
    told: list[tuple[str, Mapping[str, object]]] = []
    desk = Desk(tmp_path)
    watch = ComplaintWatch(desk.data, lambda tenant, what: told.append((tenant, what)))
    for seq in range(3):
        desk.hear("van-9", "batch", codec.encode_batch(batch(7, seq, 1)))
    desk.rounds()
    watch.look()
    watch.look()
    ((tenant, what),) = told
    assert tenant == "main"
    assert what["vehicle_id"] == "van-9"
    assert what["complaint"] == "refused a message of an unknown van"
    assert len(desk.letters.acknowledged) == 3
    desk.database.close()


def test_what_was_said_before_web_started_is_not_told_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.hear("van-9", "event", b"{}")
    desk.rounds()
    told: list[str] = []
    watch = ComplaintWatch(desk.data, lambda tenant, _what: told.append(tenant))
    watch.look()
    assert told == []
    desk.hear("van-8", "event", b"{}")
    desk.rounds()
    watch.look()
    assert told == ["main"]
    desk.database.close()


def test_only_the_last_few_are_kept_and_each_is_later_than_the_one_before() -> None:
    complaints = Complaints(time.monotonic, lambda: 1.0)
    for number in range(80):
        complaints(Complaint("refused", "main", f"van-{number}"))
        complaints(Complaint("refused", "main", f"van-{number}"))
    assert [one.van for one in complaints.last] == [f"van-{number}" for number in range(30, 80)]
    moments = [one.at_s for one in complaints.last]
    assert moments == sorted(set(moments))
