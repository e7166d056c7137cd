"""What a start does not load: libraries that only some work needs (ARCHITECTURE.md)."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"alembic", "psycopg", "lxml", "babel", "authlib", "jsonschema", "aiosmtplib", "asyncpg", "imaplib"}

_START = """
import asyncio, json, sys
from pathlib import Path
from flowmend.assembly import open_services
from flowmend.settings import Settings

async def main():
    application = open_services(Settings(data=Path(sys.argv[1])))
    await application.start()
    application.asgi()
    print(json.dumps(sorted(sys.modules)))
    await application.stop()

asyncio.run(main())
"""


def loaded_by(code: str, *arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return {name.partition(".")[0] for name in json.loads(ended.stdout)}


def test_a_started_server_on_sqlite_has_loaded_nothing_it_does_not_need(tmp_path: Path) -> None:
    loaded = loaded_by(_START, str(tmp_path))
    assert {"starlette", "sqlalchemy", "aiohttp"} <= loaded  # it did start
    assert not loaded & HEAVY


def test_the_second_start_on_a_folder_is_as_light(tmp_path: Path) -> None:
    loaded_by(_START, str(tmp_path))
    assert not loaded_by(_START, str(tmp_path)) & HEAVY


def test_importing_the_command_loads_none_of_the_server() -> None:
    loaded = loaded_by("import flowmend.cli, json, sys; print(json.dumps(sorted(sys.modules)))")
    assert not loaded & (HEAVY | {"sqlalchemy", "starlette", "aiohttp", "uvicorn", "cryptography", "jinja2", "re2"})
