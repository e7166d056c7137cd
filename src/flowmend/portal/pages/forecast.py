"""What ends before long: certificates, grants, secrets and keys, the soonest first."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal
from flowmend.use_cases.forecasts import AHEAD, Forecast, list_forecast

_MOST_SHOWN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastPage:
    """total: how many there are, more than are shown where there are very many."""

    forecasts: tuple[Forecast, ...]
    total: int
    days: int = AHEAD.days


async def show_forecast(portal: Portal, request: Request) -> Response:
    """GET /forecast"""
    found = await list_forecast(portal.services)
    page = ForecastPage(forecasts=tuple(found[:_MOST_SHOWN]), total=len(found))
    return portal.answer(request, "forecast.html", place="connections", page=page)
