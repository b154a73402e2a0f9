"""Where everything lies below the data folder. The only file that knows the names."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The one folder that holds a Roundsman: what it knows, its secrets, what runs."""

    root: Path

    @property
    def settings(self) -> Path:
        """Optional settings, TOML."""
        return self.root / "cloud.toml"

    @property
    def secrets(self) -> Path:
        """Generated credentials, readable by the owner only; not part of a backup."""
        return self.root / "secrets"

    @property
    def first_login(self) -> Path:
        """The administrator made at the first start."""
        return self.secrets / "first_login.json"

    @property
    def authority(self) -> Path:
        """The certificate authority's key and certificate; in no backup."""
        return self.secrets / "ca"

    @property
    def certificates(self) -> Path:
        """Keys and certificates of the cloud's own parts."""
        return self.secrets / "tls"

    @property
    def seal_key(self) -> Path:
        """The key of what lies sealed in the databases; in no backup."""
        return self.secrets / "seal.key"

    @property
    def running(self) -> Path:
        """A file for each running process: its pid and start time."""
        return self.root / "run"

    @property
    def planner_socket(self) -> Path:
        """The Unix socket on which the planner answers."""
        return self.running / "planner.sock"

    @property
    def quick_planner_socket(self) -> Path:
        """The one on which the planner answers that decides at once."""
        return self.running / "quick_planner.sock"

    @property
    def learner_socket(self) -> Path:
        """The Unix socket on which the learner of speeds answers."""
        return self.running / "learner.sock"

    @property
    def roads_socket(self) -> Path:
        """The Unix socket on which new speeds are told to the roads' process."""
        return self.running / "roads.sock"

    @property
    def ports(self) -> Path:
        """The ports chosen at the first start."""
        return self.root / "ports.json"

    @property
    def broker(self) -> Path:
        """The embedded broker's settings and store."""
        return self.root / "broker"

    @property
    def telemetry(self) -> Path:
        """Fixes and events; written by ingest alone."""
        return self.root / "telemetry.db"

    @property
    def business(self) -> Path:
        """Fleet, orders, plans, users; written by web alone."""
        return self.root / "business.db"

    @property
    def city(self) -> Path:
        """The imported street network."""
        return self.root / "city"

    @property
    def roads(self) -> Path:
        """Speeds in force and the data sets made with them; made anew when lost."""
        return self.root / "roads"
