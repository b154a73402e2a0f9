"""Files of the fleet over HTTP."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from cloud.fleet.files import COLUMNS
from cloud.fleet.importing import export_file, import_file
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import Caller, Gate

MAX_CSV_BYTES: Final = 2_000_000
FILE_PATH: Final = "/fleet/files"
_CSV_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}
_CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {"text/csv": {"schema": {"type": "string"}}}}
}

type FileKind = Literal["carriers", "depots", "vehicles", "drivers", "gateways", "crews", "shifts"]
LONG_BODIES: Final = {f"{FILE_PATH}/{kind}": MAX_CSV_BYTES for kind in COLUMNS}
"""How long a file may be, by path."""


class RefusedBody(BaseModel):
    """A row that was not taken; ``row`` counts lines of the file, the header as 1."""

    row: int
    field: str
    value: str
    problem: str
    remedy: str


class FleetImport(BaseModel):
    """What became of each row; ``tokens`` are of new drivers' apps, shown this once."""

    dry_run: bool
    added: list[str]
    changed: list[str]
    unchanged: int
    tokens: dict[str, str]
    refused: list[RefusedBody]


def routes(fleet: Fleet, roster: Roster, gate: Gate) -> APIRouter:
    """Bring the fleet in by file, and out."""
    router = APIRouter(tags=["fleet"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]

    @router.post(f"{FILE_PATH}/{{kind}}", openapi_extra=_CSV_BODY)
    async def import_csv(
        kind: FileKind, caller: admin, request: Request, *, dry_run: bool = False
    ) -> FleetImport:
        """Take every good row of a CSV and tell of every bad one; a dry run keeps nothing."""
        try:
            text = (await request.body()).decode()
        except UnicodeDecodeError as error:
            raise Invalid.field("file", "is not UTF-8", "save it as UTF-8") from error
        report = await run_in_threadpool(
            import_file, fleet, roster, caller.tenant, kind, text, is_dry=dry_run
        )
        return FleetImport(
            dry_run=dry_run,
            added=report.added,
            changed=report.changed,
            unchanged=report.unchanged,
            tokens=report.tokens,
            refused=[RefusedBody.model_validate(r, from_attributes=True) for r in report.refused],
        )

    @router.get(f"{FILE_PATH}/{{kind}}", responses=_CSV_ANSWER, response_class=Response)
    def export_csv(kind: FileKind, caller: admin) -> Response:
        """Everything of one kind that is not retired, as a file that can be brought in again."""
        text = export_file(fleet, roster, caller.tenant, kind)
        name = f'attachment; filename="{kind}.csv"'
        return Response(
            text, media_type="text/csv; charset=utf-8", headers={"content-disposition": name}
        )

    return router
