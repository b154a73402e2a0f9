"""The AsyncAPI document over HTTP."""

from typing import Any

from fastapi import APIRouter

from cloud.integrations.asyncapi.document import document


def routes() -> APIRouter:
    """Tell what the public feed holds; open to everybody, as the OpenAPI document is."""
    router = APIRouter(tags=["integrations"])
    told = document()

    @router.get("/asyncapi.json")
    def asyncapi() -> dict[str, Any]:
        """The AsyncAPI 3.0 document of the public MQTT feed."""
        return told

    return router
