"""A running `flowmend demo`, met as its users meet it: by command, by API, and at the order service's own page."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmend.sample.demo import FIRST_PASSWORD, NEW_PASSWORD

#: Long enough for a machine that many share; what happens sooner is not waited for.
_STARTS_WITHIN_SECONDS = 120.0
_HAPPENS_WITHIN_SECONDS = 60.0
_STORY_IS_TOLD = "The order service  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the API. headers: by lower-case name."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that failed because the password of the order service was changed. password: the one that is right now."""

    run_name: str
    order_number: str
    connection_id: str
    password: str


class Demonstration:
    """`flowmend demo` in a process of its own, on free ports and an empty data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port, self.service_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.service_url = f"http://localhost:{self.service_port}"
        self.password = NEW_PASSWORD
        self.spent_passwords = [FIRST_PASSWORD]
        self.browser_state: Any = None  # of a browser that has signed in, for the browsers after it
        self._log_path = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._passwords = 0

    def start(self) -> None:
        """Until `/health` answers. Errors: AssertionError with the log."""
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flowmend", *self._serving(), "--data", str(self.data)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
        self._until(self._answers, "/health answers", within_seconds=_STARTS_WITHIN_SECONDS)

    def _serving(self) -> list[str]:
        return ["demo", "--port", str(self.port), "--service-port", str(self.service_port)]

    def wait_for_story(self) -> None:
        """Until the sample is set up and its password is changed."""
        self._until(lambda: _STORY_IS_TOLD in self.log, "the story is told", within_seconds=_STARTS_WITHIN_SECONDS)

    def stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def log(self) -> str:
        """Everything the demonstration has printed and logged."""
        return self._log_path.read_text("utf-8", "replace")

    def command(self, *arguments: str, stdin: str = "", exit_code: int = 0) -> str:
        """What `flowmend …` prints on standard output, for the running server of this data folder."""
        done = subprocess.run(
            [sys.executable, "-m", "flowmend", *arguments, "--data", str(self.data)],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            env=self._environment(),
        )
        assert done.returncode == exit_code, f"flowmend {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def login_link(self) -> str:
        """A link that signs one browser in."""
        return self.command("login").strip()

    def ask(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Reply:
        """Whatever the API answers below `/api/v1`, to a program with a token."""
        self._token = self._token or self.command("token", "--name", "journeys").strip()
        sent = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}/api/v1{path}", content, sent, method=method)
        return _reply(request)

    def get(self, path: str) -> Any:
        """The JSON at a path below `/api/v1`."""
        return self._good("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._good("POST", path, body)

    def counts(self) -> Any:
        """What the order service has counted."""
        return _reply(urllib.request.Request(f"{self.service_url}/admin/counts")).body

    def requests_for(self, order_number: str) -> dict[str, int]:
        """`{line's order number: how often it was asked for}`: Order intake places two lines of each order."""
        asked = self.counts()["orders"]["requests_by_number"]
        return {number: count for number, count in asked.items() if number.startswith(f"{order_number}-")}

    def at_service(self, what: str, **fields: Any) -> None:
        """What somebody does on the order service's own page: `password`, `expire`, `revoke`, `latency`, …"""
        content = json.dumps(fields).encode()
        sent = {"Content-Type": "application/json"}
        answer = _reply(urllib.request.Request(f"{self.service_url}/admin/{what}", content, sent, method="POST"))
        assert answer.status == 200, answer

    def connection(self, connector: str) -> Any:
        """The one connection to a connector, as the API gives it."""
        (found,) = (one for one in self.get("/connections")["value"] if one["connector"] == connector)
        return found

    def flow_id(self, name: str) -> str:
        (found,) = (one["id"] for one in self.get("/flows")["value"] if one["name"] == name)
        return str(found)

    def run_flow(self, name: str, body: Any = None) -> str:
        """Start a run now; its name."""
        return str(self.post(f"/flows/{self.flow_id(name)}/run", body)["name"])

    def run_of_order(self, number: str) -> Any:
        """The newest run of an order, once it has told its number."""
        found = self._until(lambda: self.get(f"/runs?text={number}&limit=1")["value"], f"order {number} has a run")
        return found[0]

    def ended(self, run_name: str) -> Any:
        """The properties of a run once it has ended."""

        def ends() -> Any:
            properties = self.get(f"/runs/{run_name}")["properties"]
            return properties if properties["status"] not in {"Running", "Waiting"} else None

        return self._until(ends, f"run {run_name} ends")

    def order(self, number: str) -> dict[str, Any]:
        """What Order intake takes."""
        return {"orderNumber": number, "sku": "HELM-010", "quantity": 1, "customer": "C-2"}

    def mend_orders(self) -> str:
        """Have the order connection connected, from whatever state the last test left; its id."""
        connection = self.connection("sample_orders")
        if connection["health"] != "connected":
            verified = self.post(f"/connections/{connection['id']}/verify", {"parameters": {"password": self.password}})
            assert verified["is_proven"], verified
        return str(connection["id"])

    def fail_order(self, number: str) -> Failure:
        """Change the password at the service and let an order fail by it."""
        connection_id = self.mend_orders()
        self.change_password()
        run_name = self.run_flow("Order intake", self.order(number))
        assert self.ended(run_name)["status"] == "Failed"
        return Failure(run_name=run_name, order_number=number, connection_id=connection_id, password=self.password)

    def change_password(self) -> None:
        """Let the order service know another password for its user than the connection has."""
        self._passwords += 1
        self.spent_passwords.append(self.password)
        self.password = f"winter-harbour-{self._passwords}"
        self.at_service("password", user="ada", password=self.password)

    def _good(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.ask(method, path, body)
        assert reply.status < 300, f"{method} {path}: {reply}"
        return reply.body

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"flowmend demo ended:\n{self.log}"
        try:
            return _reply(urllib.request.Request(f"{self.url}/health")).status == 200
        except OSError:
            return False

    def _until(self, happens: Callable[[], Any], words: str, *, within_seconds: float = _HAPPENS_WITHIN_SECONDS) -> Any:
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            if seen := happens():
                return seen
            time.sleep(0.05)
        raise AssertionError(f"Not within {within_seconds:g} s: {words}.\n{self.log}")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWMEND_")}
        return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1"}


def _reply(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return _read(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _read(refusal.code, refusal.headers, refusal.read())


def _read(status: int, headers: Any, content: bytes) -> Reply:
    by_name = {name.lower(): value for name, value in headers.items()}
    is_json = "json" in by_name.get("content-type", "")
    return Reply(status=status, headers=by_name, body=json.loads(content) if is_json else content.decode())


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, each another."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
