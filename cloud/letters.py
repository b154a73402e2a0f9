"""``roundsman cloud deadletter``: through ingest where it runs, or without it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final, Literal

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.errors import NotFound
from cloud.foundation.forms import revision
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import place_of
from cloud.foundation.processes import claim, find_running, forget
from cloud.foundation.settings import load
from cloud.roles import register_of
from cloud.tracking import store
from cloud.tracking.deadletters import DeadLetters, Errand, Errands, Letter, Outcome
from cloud.tracking.ingest import intake_over
from cloud.tracking.known import KnownVans

_PAGE: Final = 500


def every(data: DataFolder, tenant: str, van: str | None) -> Iterator[Letter]:
    """All that is set aside of a tenant or a van.

    Raises:
        NotFound: this is no data folder. Invalid: a name that cannot be one.
    """
    with closing(_telemetry(data)) as database:
        letters, after = DeadLetters(data, database), ""
        while found := letters.page(tenant, van, after, _PAGE):
            yield from found
            after = found[-1].id


def content(data: DataFolder, tenant: str, letter_id: str) -> bytes:
    """The bytes that are kept of one.

    Raises:
        NotFound: there is none.
    """
    with closing(_telemetry(data)) as database:
        return DeadLetters(data, database).content(tenant, letter_id)[1]


def work(
    data: DataFolder,
    what: Literal["replay", "drop"],
    *,
    tenant: str,
    van: str | None,
    ids: tuple[str, ...],
) -> Outcome:
    """Replay or drop some.

    Raises:
        NotFound: an id that is not there. Unavailable: ingest does not answer.
    """
    errand = Errand(what=what, tenant=tenant, van=van, ids=ids)
    with closing(_telemetry(data)) as database:
        if find_running(data.running, "ingest") is not None:
            return DeadLetters(data, database).ask(errand)
        claim(data.running, "ingest")
        try:
            return _alone(data, database, errand)
        finally:
            forget(data.running, "ingest")


def _alone(data: DataFolder, database: Database, errand: Errand) -> Outcome:
    settings = load(data.settings)
    with closing(Database(place_of("business", data, settings))) as business:
        known = KnownVans(BrokerAccess(data, settings), register_of(business))
        known.look()
        return _replayed(data, database, known, errand)


def _replayed(data: DataFolder, database: Database, known: KnownVans, errand: Errand) -> Outcome:
    with database.reading() as connection:
        live = store.live_rows(connection)
    intake = intake_over(database, known, lambda _complaint: None, live)
    outcome = Errands(data, database, intake).do(errand)
    with database.writing() as connection:
        store.write(
            connection,
            store.Writes(live=[store.live_values(row) for row in intake.take_unwritten()]),
        )
    return outcome


def _telemetry(data: DataFolder) -> Database:
    place = place_of("telemetry", data, load(data.settings))
    if revision(place) is None:
        raise NotFound(f"{place}: holds nothing yet; is {data.root} a data folder?")
    return Database(place)
