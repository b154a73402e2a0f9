"""Request ids, counts and log lines, on an application of two routes."""

import asyncio
import json
import logging
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry

from cloud.foundation.logs import JsonLine, OneLine
from cloud.foundation.requests import HEADER, Observed, RequestCounts
from tests.cloud.conftest import Office

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"


class Small:
    """An application, its counts, and how to speak to it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        app = FastAPI()

        @app.get("/vans/{van}")
        def van(van: str) -> str:
            logging.getLogger("cloud.small").warning("looked at a van", extra={"van": van})
            return van

        @app.post("/vans")
        def broken() -> None:
            raise RuntimeError("no room")

        @app.get("/stream")
        def stream() -> StreamingResponse:
            return StreamingResponse(iter([b"data: 1\n\n"]), media_type="text/event-stream")

        app.add_middleware(
            Observed, counts=RequestCounts(self.registry), new_id=lambda kind: f"{kind}-1"
        )
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        async def one() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://x") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(one())

    def count(self, method: str, route: str, status: str) -> float | None:
        labels = {"method": method, "route": route, "status": status}
        return self.registry.get_sample_value("roundsman_http_requests_total", labels)


def test_a_request_without_an_id_gets_one() -> None:
    assert Small().ask("GET", "/vans/7").headers[HEADER] == "req-1"


@pytest.mark.parametrize(
    ("given", "told"), [("a.B-9_", "a.B-9_"), ("two words", "req-1"), ("x" * 65, "req-1")]
)
def test_an_id_is_taken_from_the_client_when_it_is_a_plain_word(given: str, told: str) -> None:
    assert Small().ask("GET", "/vans/7", **{HEADER: given}).headers[HEADER] == told


def test_routes_are_counted_by_their_template_and_strangers_as_none() -> None:
    small = Small()
    for path in ("/vans/7", "/vans/8", "/nowhere", "/else"):
        small.ask("GET", path)
    assert small.count("GET", "/vans/{van}", "200") == 2
    assert small.count("GET", "none", "404") == 2


def test_a_stream_is_counted_and_not_timed() -> None:
    small = Small()
    small.ask("GET", "/stream")
    assert small.count("GET", "/stream", "200") == 1
    name = "roundsman_http_request_seconds_count"
    assert small.registry.get_sample_value(name, {"route": "/stream"}) is None


def test_what_is_logged_while_a_request_is_answered_tells_its_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(OneLine("web").format(record))

    logger = logging.getLogger("cloud.small")
    logger.addHandler(keep := Keep())
    try:
        Small().ask("GET", "/vans/7", **{HEADER: "abc"})
    finally:
        logger.removeHandler(keep)
    (line,) = lines
    assert line.endswith("warning web: looked at a van van=7 request=abc")


def test_a_request_that_breaks_is_an_error_with_an_id(caplog: pytest.LogCaptureFixture) -> None:
    small = Small()
    with caplog.at_level(logging.INFO, "cloud.foundation.requests"):
        assert small.ask("POST", "/vans").status_code == 500
    assert small.count("POST", "/vans", "500") == 1
    assert [one.getMessage() for one in caplog.records] == ["a request broke", "answered"]


def test_a_line_for_machines_is_one_json_object() -> None:
    record = logging.makeLogRecord(
        {
            "msg": "set aside",
            "levelname": "WARNING",
            "created": 0.0,
            "van": "van-1",
            "at": Path("x"),
        }
    )
    told = json.loads(JsonLine("ingest").format(record))
    assert told == {
        "van": "van-1",
        "at": "1970-01-01T00:00:00.000Z",
        "level": "warning",
        "role": "ingest",
        "said": "set aside",
    }


@pytest.mark.slow
def test_every_alert_looks_at_what_is_really_told(office: Office) -> None:
    answer = office.api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    asked = set(re.findall(r"roundsman_\w+", ALERTS.read_text()))
    assert len(asked) >= 8
    for name in asked:
        assert re.search(rf"^{name}[{{ ]", answer.text, re.MULTILINE), name
    parts = set(re.findall(r'roundsman_part_up\{part="(\w+)"\} 1\.0', answer.text))
    ours = {"broker", "ingest", "roads", "planner", "quick_planner", "learner"}
    assert parts == {*ours, "database"}
    roles = set(re.findall(r'roundsman_process_resident_bytes\{role="(\w+)"\}', answer.text))
    assert roles == {*ours, "supervisor", "web"}


@pytest.mark.slow
def test_the_numbers_are_not_for_everybody(office: Office) -> None:
    for driver in office.drivers.values():
        assert driver.get("/metrics").status_code == 403
    with office.cloud.client(None) as stranger:
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get("/health/live").status_code == 204
        assert stranger.get("/health/ready").status_code == 204
