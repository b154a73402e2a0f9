"""Use cases of closures, slow zones and speeds out of files, one transaction each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity.reach import EVERYTHING, Reach, require_depot_held
from cloud.foundation.ids import NewId
from cloud.roads import store
from cloud.roads.speed_files import SpeedFile, packed, read_rules, read_speeds, rule_problems
from cloud.roads.speeds import DRAWN, MAX_RULES, RoadRule

MAX_FILES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a file brought."""

    speeds: int = 0
    rules: int = 0


class Traffic:
    """What people say of the streets. All tenants of an installation share one street network.

    Args:
        depots: the ids of a tenant's depots.
        changed: called after each change, from any thread.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        depots: Callable[[str], Collection[str]],
        changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._depots = depots
        self._changed = changed

    def rules(self, tenant: str, reach: Reach = EVERYTHING) -> list[RoadRule]:
        """Every rule within reach, by id."""
        with self._database.reading() as connection:
            return store.rules(connection, tenant, reach)

    def rule(self, tenant: str, rule_id: str) -> RoadRule:
        """One rule.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return _known(store.find(connection, tenant, rule_id), rule_id)

    def add(self, tenant: str, rule: RoadRule, by: str, reach: Reach = EVERYTHING) -> RoadRule:
        """Draw a closure or slow zone; it gets its id here.

        Raises:
            Invalid: it contradicts itself. Conflict: there are too many.
            NotAllowed: it is beyond ``reach``.
        """
        self._require(tenant, rule, reach)
        made = replace(rule, id=self._new_id("road"), changed_at=self._clock.now_s(), changed_by=by)
        with self._database.writing() as connection:
            if store.count(connection, tenant) >= MAX_RULES:
                raise Conflict(f"roads: there are {MAX_RULES} rules already; remove one first")
            store.add(connection, tenant, made)
        self._changed()
        return made

    def change(self, tenant: str, rule: RoadRule, by: str, reach: Reach = EVERYTHING) -> RoadRule:
        """Put ``rule`` in the place of the one of its id.

        Raises:
            Invalid: it contradicts itself. NotFound: there is no such rule.
            NotAllowed: it is beyond ``reach``, or was before.
        """
        self._require(tenant, rule, reach)
        changed = replace(rule, changed_at=self._clock.now_s(), changed_by=by)
        with self._database.writing() as connection:
            known = _known(store.find(connection, tenant, rule.id), rule.id)
            require_depot_held(reach, known.depot_id)
            changed = replace(changed, source=known.source)
            store.change(connection, tenant, changed)
        self._changed()
        return changed

    def remove(self, tenant: str, rule_id: str, reach: Reach = EVERYTHING) -> None:
        """Take a rule away.

        Raises:
            NotFound: there is none of that id. NotAllowed: it is beyond ``reach``.
        """
        with self._database.writing() as connection:
            known = _known(store.find(connection, tenant, rule_id), rule_id)
            require_depot_held(reach, known.depot_id)
            store.remove(connection, tenant, rule_id)
        self._changed()

    def take_file(
        self, tenant: str, name: str, kind: Literal["csv", "geojson"], body: bytes, by: str
    ) -> Taken:
        """Take speeds (CSV) or rules (GeoJSON) in the place of what the file ``name`` brought.

        Raises:
            Invalid: the file is wrong; names the line or field, and nothing is taken.
            Conflict: there are too many files or rules.
        """
        if name == DRAWN:
            raise Invalid.field(
                "name", f"{DRAWN!r} is what people have drawn", "give the file another name"
            )
        taken = (self._take_rules if kind == "geojson" else self._take_speeds)(
            tenant, name, body, by
        )
        self._changed()
        return taken

    def _take_rules(self, tenant: str, name: str, body: bytes, by: str) -> Taken:
        now_s = self._clock.now_s()
        rules = [
            replace(one, id=self._new_id("road"), source=name, changed_at=now_s, changed_by=by)
            for one in read_rules(body)
        ]
        with self._database.writing() as connection:
            store.remove_of_file(connection, tenant, name)
            if store.count(connection, tenant) + len(rules) > MAX_RULES:
                raise Conflict(f"roads: more than {MAX_RULES} rules; remove some first")
            store.add(connection, tenant, *rules)
        return Taken(rules=len(rules))

    def _take_speeds(self, tenant: str, name: str, body: bytes, by: str) -> Taken:
        rows = read_speeds(_text(body))
        file = SpeedFile(
            name=name,
            rows=len(rows),
            body=packed(rows),
            changed_at=self._clock.now_s(),
            changed_by=by,
        )
        with self._database.writing() as connection:
            names = {one.name for one in store.speed_files(connection, tenant)} | {name}
            if len(names) > MAX_FILES:
                raise Conflict(f"roads: {MAX_FILES} files already; remove one first")
            store.put_speed_file(connection, tenant, file)
        return Taken(speeds=len(rows))

    def files(self, tenant: str) -> list[SpeedFile]:
        """The files whose speeds are in force, in the order in which they came."""
        with self._database.reading() as connection:
            return store.speed_files(connection, tenant)

    def remove_file(self, tenant: str, name: str) -> None:
        """Forget what a file brought, speeds and rules.

        Raises:
            NotFound: no file of that name brought anything that is still there.
        """
        with self._database.writing() as connection:
            gone = store.remove_speed_file(connection, tenant, name)
            if name != DRAWN:
                gone += store.remove_of_file(connection, tenant, name)
        if not gone:
            raise NotFound(f"file {name[:80]!r} is not known; GET /api/v1/roads/files lists them")
        self._changed()

    def _require(self, tenant: str, rule: RoadRule, reach: Reach) -> None:
        require_depot_held(reach, rule.depot_id)
        for problem in rule_problems(rule):
            raise Invalid(f"{problem.field}: {problem.problem}; {problem.remedy}", problem)
        if rule.depot_id is not None and rule.depot_id not in self._depots(tenant):
            raise Invalid.field(
                "properties.depot_id", f"{rule.depot_id[:80]!r} is not known", "name a depot"
            )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid.field("file", "is not UTF-8", "save it as UTF-8") from error


def _known(rule: RoadRule | None, rule_id: str) -> RoadRule:
    if rule is None:
        raise NotFound(f"rule {rule_id[:80]!r} is not known; GET /api/v1/roads/rules lists them")
    return rule
