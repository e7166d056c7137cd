"""Settings: language and appearance of this browser, addresses, backups, and how programs sign in."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.forms import form_text
from flowmend.portal.frame import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, local_path
from flowmend.portal.language import LANGUAGES
from flowmend.portal.portal import Portal, person_id, see
from flowmend.use_cases.after_restore import BackupState, backup_state, go_on_after_restore
from flowmend.vault.key_file import KEY_FILE_NAME

_FOR_A_YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    """base_url: what links begin with. key_is_given: the keys come from the environment. stay_off: (name, why) of flows."""

    base_url: str
    backup_command: str
    key_file: str
    key_is_given: bool
    backup: BackupState
    stay_off: Sequence[tuple[str, str]] = ()


async def show_settings(portal: Portal, request: Request) -> Response:
    """GET /settings"""
    return await _shown(portal, request)


async def take_go_on(portal: Portal, request: Request) -> Response:
    """POST /settings/go-on"""
    went_on = await go_on_after_restore(portal.services, person_id(request))
    return await _shown(portal, request, went_on.stay_off) if went_on.stay_off else see("/settings#backup")


async def _shown(portal: Portal, request: Request, stay_off: Sequence[tuple[str, str]] = ()) -> Response:
    settings = portal.services.settings
    page = SettingsPage(
        base_url=settings.base_url,
        backup_command=shlex.join(["flowmend", "backup", ".", "--data", str(settings.data.resolve())]),
        key_file=str(settings.data.resolve() / KEY_FILE_NAME),
        key_is_given=bool(settings.master_key),
        backup=await asyncio.to_thread(backup_state, portal.services),
        stay_off=stay_off,
    )
    return portal.answer(request, "settings.html", place="settings", page=page)


async def take_language(portal: Portal, request: Request) -> Response:
    """POST /settings/language"""
    form = await request.form()
    language = form_text(form, "language")
    return _remembered(portal, form_text(form, "next"), LANGUAGE_COOKIE, language if language in LANGUAGES else "")


async def take_appearance(portal: Portal, request: Request) -> Response:
    """POST /settings/appearance"""
    form = await request.form()
    theme = form_text(form, "theme")
    return _remembered(portal, form_text(form, "next"), THEME_COOKIE, theme if theme in THEMES else "")


def _remembered(portal: Portal, way_back: str, cookie: str, value: str) -> Response:
    answer = see(local_path(way_back))
    if value:
        is_secure = portal.services.settings.base_url.startswith("https:")
        answer.set_cookie(
            cookie, value, max_age=_FOR_A_YEAR_SECONDS, path="/", secure=is_secure, httponly=True, samesite="lax"
        )
    else:
        answer.delete_cookie(cookie, path="/")
    return answer
