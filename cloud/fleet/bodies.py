"""What all bodies of the fleet have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

type LocalSpan = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")
]
type Version = Annotated[int, Field(ge=1, le=2_000_000_000)]


class Body(BaseModel):
    """What comes in; a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")
