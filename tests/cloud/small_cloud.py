"""A supervisor over the real broker and ingest, and one part that starts a process of its own.

Run as a program: ``python -m tests.cloud.small_cloud DIR``; prints ``serving`` when all are ready.
"""

import sys
from pathlib import Path

from cloud import roles
from cloud.foundation.files import private_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.processes import claim, end_leftovers, forget
from cloud.foundation.settings import Settings
from cloud.foundation.supervisor import Part, Supervisor
from cloud.stages import Serving, environment, stages

ROLES = ["broker", "ingest", "family"]
FAMILY = "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"


def main(root: Path) -> None:
    data = DataFolder(root)
    serving = Serving(data=data, settings=Settings(), host="127.0.0.1", port=1)
    is_stopping = roles._until_told()
    private_folder(root)
    claim(data.running, "supervisor")
    end_leftovers(data.running, ROLES)
    roles._choose_ports(data, serving.settings, "all")
    roles.migrate(data, "telemetry")
    family = Part(
        name="family",
        command=lambda: [sys.executable, "-c", FAMILY],
        is_ready=lambda: True,
        is_vital=False,
    )
    known = stages(serving)
    supervisor = Supervisor(
        [known[0], [known[1][1], family]],
        folder=data.running,
        environment=environment(),
        is_stopping=is_stopping,
    )
    supervisor.run(lambda: print("serving", flush=True))
    forget(data.running, "supervisor")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
