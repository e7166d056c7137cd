"""The three processes of the bench: the sample service, the bare app and Flowmend, each on loopback."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

HERE = Path(__file__).parent
START_SECONDS = 30.0
IDLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A started process. first_page_seconds: from the command to the first answer of `/`."""

    name: str
    pid: int
    address: str
    first_page_seconds: float


@contextmanager
def sample_service(folder: Path) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "flowmend.sample.service", "--host", "127.0.0.1", "--port", str(port)]
    with _started("service", command, port, folder, {}) as server:
        yield server


@contextmanager
def bare_app(folder: Path, service: str) -> Iterator[Server]:
    port = free_port()
    database = str(folder / "bare.sqlite")
    command = [sys.executable, str(HERE / "bare.py"), "--port", str(port), "--service", service, "--database", database]
    with _started("bare", command, port, folder, {}) as server:
        yield server


@contextmanager
def flowmend_server(folder: Path, service: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "flowmend.cli", "up", "--data", str(folder / "data"), "--port", str(port)]
    settings = {"FLOWMEND_ALLOWED_PRIVATE_HOSTS": service.removeprefix("http://")}
    with _started("flowmend", command, port, folder, settings) as server:
        yield server


def import_bench_flow(server: Server, folder: Path, service: str) -> str:
    """Import `flow.json`, turn it on, and give its signed callback URL."""
    document = json.loads((HERE / "flow.json").read_text(encoding="utf-8"))
    document["parameters"]["service_url"]["value"] = service
    return import_flow(server, api_token(folder), document, "bench.json")


def api_token(folder: Path) -> str:
    """A token of the owner of the Flowmend in this folder."""
    command = [sys.executable, "-m", "flowmend.cli", "token", "--data", str(folder / "data")]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=True).stdout
    return printed.split()[-1]


def import_flow(server: Server, token: str, document: Any, file_name: str) -> str:
    """Import a flow, turn it on, and give its signed callback URL."""
    imported = call(f"{server.address}/api/v1/flows?file_name={file_name}", document, token=token)
    flow = f"{server.address}/api/v1/flows/{imported['value'][0]['id']}"
    call(f"{flow}/turn_on", {}, token=token)
    return str(call(f"{flow}/callback_url", {}, token=token)["value"])


def call(url: str, document: Any = None, *, token: str = "") -> Any:
    """The JSON that a GET, or with a document a POST, answers.

    Errors: SystemExit with the answer of a refusal.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    status, answer, _ = _ask(url, headers, None if document is None else json.dumps(document))
    if status >= 400:
        raise SystemExit(f"{url.partition('?')[0]} answered {status}: {answer[:500].decode(errors='replace')}")
    return json.loads(answer or b"null")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def _started(name: str, command: list[str], port: int, folder: Path, settings: dict[str, str]) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / f"{name}.log"
    address = f"http://127.0.0.1:{port}"
    with log_path.open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | settings)
        try:
            while not _serves(address):
                if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                    raise SystemExit(f"{name} did not start. It said:\n{log_path.read_text(errors='replace')[-2000:]}")
                time.sleep(0.01)
            first_page_seconds = time.perf_counter() - began
            yield Server(name=name, pid=process.pid, address=address, first_page_seconds=first_page_seconds)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _serves(address: str) -> bool:
    """Whether `/` answers; a page that asks for sign-in is a page, but the way to it is none yet."""
    try:
        status, _, location = _ask(f"{address}/", {}, None)
        if location:
            status = _ask(urljoin(f"{address}/", location), {}, None)[0]
    except OSError:
        return False
    return status < 500


def _ask(url: str, headers: dict[str, str], body: str | None) -> tuple[int, bytes, str]:
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=120)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET" if body is None else "POST", target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Location", "")
    finally:
        connection.close()
