"""A whole cloud, as a user starts it, whose broker takes certificates only; without streets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from tests.parts.ports import free_port
from tests.parts.served_cloud import ROOT, ServedCloud

NEEDED = ("broker", "ingest", "database")
DEPOT = {
    "id": "la-serena",
    "name": "La Serena",
    "zone": "America/Santiago",
    "lat": -29.9,
    "lon": -71.25,
}


@contextmanager
def certified_cloud(
    root: Path, *vans: str, certificate_days: float = 365.0
) -> Iterator[ServedCloud]:
    """Serve ``root`` with a depot and these vans, none of which has a gateway yet."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "cloud.toml").write_text(
        f"[embedded_broker]\ntls = true\ncertificate_days = {certificate_days}\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "roundsman", "cloud", "serve"]
    with (root / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, f"--data={root}", f"--port={port}"],
            cwd=ROOT,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_well(url, process, root / "serve.log")
        login = msgspec.json.decode((root / "secrets" / "first_login.json").read_bytes())
        headers = {"Authorization": f"Bearer {login['api_token']}"}
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30) as admin:
            assert admin.post("/depots", json=DEPOT).status_code in {201, 409}
            for van in vans:
                body = {"id": van, "name": van, "depot_id": DEPOT["id"], "capacity_parcels": 9}
                assert admin.post("/vehicles", json=body).status_code in {201, 409}
            yield ServedCloud(root, url, admin, process)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait_until_well(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            checks = httpx.get(f"{url}/api/v1/health", timeout=5).json()["checks"]
            if all(checks.get(part) == "ok" for part in NEEDED):
                return
        except (httpx.TransportError, KeyError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"the cloud is not well:\n{log.read_text()[-3000:]}")


def claim(cloud: ServedCloud, van: str, purpose: str = "gateway") -> str:
    """A new claim token for ``van``."""
    answer = cloud.admin.post(f"/vehicles/{van}/gateway/claims", json={"purpose": purpose})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def certificates(cloud: ServedCloud, van: str) -> dict[str, str]:
    """The state of each certificate of ``van``, by serial number, the newest first."""
    found = cloud.admin.get(f"/vehicles/{van}/gateway/certificates").json()["items"]
    return {one["serial"]: one["state"] for one in found}
