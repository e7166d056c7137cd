"""`GET /health`: the server is ready, or why it takes nothing."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowmend.api.answers import JsonAnswer, error_answer
from flowmend.use_cases.ports import Services


def health_routes(services: Services) -> list[BaseRoute]:
    """One route, open to everybody: it says nothing but that the server answers, and 503 while nothing can be written."""

    async def answer_health(_request: Request) -> Response:
        trouble = services.store.condition.trouble
        return JsonAnswer({"status": "ready"}) if trouble is None else error_answer(trouble)

    return [Route("/health", answer_health)]
