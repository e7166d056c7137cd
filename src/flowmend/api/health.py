"""`GET /health`: the server is ready."""

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from flowmend.api.answers import JsonAnswer


def health_routes() -> list[BaseRoute]:
    """One route, open to everybody: it says nothing but that the server answers."""
    return [Route("/health", _answer_health)]


async def _answer_health(_request: Request) -> JsonAnswer:
    return JsonAnswer({"status": "ready"})
