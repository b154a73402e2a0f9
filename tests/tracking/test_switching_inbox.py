"""A fleet that goes back from JetStream to MQTT: what the stream holds is stored, and it goes."""

from pathlib import Path

import pytest

from tests.parts.broker import embedded_broker, wait_for
from tests.tracking.test_ingest import IngestProcess
from tests.tracking.vans import Van, batch

pytestmark = pytest.mark.slow


def test_the_stream_is_read_to_its_end_and_removed(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "data") as broker:
        (credential,) = broker.admit("van-1")
        settings = broker.data.settings
        settings.write_text('[ingest]\ninbox = "jetstream"\n')
        ingest = IngestProcess(broker).start()
        with Van(broker.port, credential) as van:
            van.say("batch", batch(7, 0))
            wait_for(lambda: van.upto(7) == 9, "the batch by the stream")
            ingest.stop()
            for place in range(1, 30):  # said once: nobody says it again
                van.say("batch", batch(7, place * 10))
            wait_for(lambda: broker.access.stream_messages() == 29, "the stream to hold them")
            settings.write_text('[ingest]\ninbox = "mqtt"\n')
            try:
                ingest.start()
                wait_for(lambda: broker.access.stream_messages() is None, "the stream to go", 30)
                wait_for(lambda: ingest.state() == "ok" and van.upto(7) == 299, "what it held")
                van.say("batch", batch(7, 300))
                wait_for(lambda: van.upto(7) == 309, "a batch over MQTT")
                assert van.acks["7"].missing == ()
                assert ingest.stored("van-1") == [(7, seq) for seq in range(310)]
            finally:
                ingest.stop()
