"""What a tenant switches on for third parties, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from cloud.foundation.database import Database
from cloud.foundation.errors import NotAllowed
from cloud.foundation.identity import Caller, Gate
from cloud.integrations import options


class OptionsBody(BaseModel):
    """Options of the public feed.

    ``home_assistant``: each van is told to Home Assistant as a ``device_tracker`` by MQTT
    discovery, below ``feed/v1/{tenant}/{carrier}/homeassistant``.
    """

    model_config = ConfigDict(extra="forbid")
    home_assistant: bool


def routes(database: Database, gate: Gate) -> APIRouter:
    """See and switch the options."""
    router = APIRouter(tags=["integrations"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    integrator = Annotated[Caller, Depends(gate.roles("integrator"))]

    @router.get("/feed/options")
    def told(caller: integrator) -> OptionsBody:
        """What is switched on."""
        with database.reading() as connection:
            is_on = options.wants_home_assistant(connection, caller.tenant)
        return OptionsBody(home_assistant=is_on)

    @router.put("/feed/options")
    def switch(body: OptionsBody, caller: admin) -> OptionsBody:
        """Switch options on or off; what is retained for them comes or goes within seconds."""
        if not caller.reach.is_everything:
            raise NotAllowed("the options are the whole tenant's, and your grant is limited")
        with database.writing() as connection:
            options.set_home_assistant(connection, caller.tenant, is_on=body.home_assistant)
        return body

    return router
