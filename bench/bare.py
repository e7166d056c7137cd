"""The yardstick: the bench flow written by hand, with nothing a workflow engine adds.

    python bench/bare.py --port 8090 --service http://127.0.0.1:8081 --database bare.sqlite

Receive an order, read a template order with an API key, keep the lines worth ordering, place an order with an API key
and an idempotency key, commit one row to SQLite (WAL, synchronous=FULL), answer. The commit is made on the event
loop: handing it to a thread of its own was measured too and, where an fsync takes 0.15 ms, gave 2,200 requests a
second instead of 3,000 (16 callers), so this is the harder one to match. Unchanged after its first commit.
"""

import argparse
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

API_KEY = "ada-key-1001"  # the sample service's
MINIMUM_QUANTITY = 3
MAX_CONNECTIONS = 100


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, request TEXT, result TEXT)")
    return database


def build_application(service: str, database: sqlite3.Connection) -> Starlette:
    async def order(request: Request) -> Response:
        received = await request.body()
        incoming = msgspec.json.decode(received)
        client: aiohttp.ClientSession = request.app.state.client
        async with client.get(f"{service}/key/orders/1", headers={"X-Api-Key": API_KEY}) as answer:
            answer.raise_for_status()
            template = msgspec.json.decode(await answer.read())
        lines = [line for line in template["lines"] if line["quantity"] >= MINIMUM_QUANTITY]
        run_id = str(uuid.uuid4())
        async with client.post(
            f"{service}/key/orders",
            headers={"X-Api-Key": API_KEY, "Idempotency-Key": run_id, "Content-Type": "application/json"},
            data=msgspec.json.encode({"number": incoming["orderNumber"], "customer": "C-1", "lines": lines}),
        ) as answer:
            answer.raise_for_status()
            placed = msgspec.json.decode(await answer.read())
        result = msgspec.json.encode({"orderId": placed["id"], "total": placed["total"]})
        # Without BEGIN one statement is one transaction: one commit, one fsync.
        database.execute("INSERT INTO runs (id, request, result) VALUES (?, ?, ?)", (run_id, received, result))
        return Response(result, media_type="application/json")

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as client:
            application.state.client = client
            yield
        database.close()

    return Starlette(
        routes=[Route("/order", order, methods=["POST"]), Route("/health", health), Route("/", health)],
        lifespan=lifespan,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The bench flow as a bare Starlette app.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service", required=True, help="the sample order service, such as http://127.0.0.1:8081")
    parser.add_argument("--database", required=True)
    given = parser.parse_args()
    application = build_application(given.service, open_database(given.database))
    uvicorn.run(application, host="127.0.0.1", port=given.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
