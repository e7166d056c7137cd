"""What a server costs with many connectors installed: start, memory, and the pages that list them.

    python bench/installed_connectors.py FOLDERS [--count 1000] [--json FILE]

The folders are installed again and again under several names until there are so many. A server is started on an empty
data folder and on a full one; each is asked for its first page, and for its connectors as the API lists them.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from flowmend.assembly import open_services
from flowmend.cli.connector_files import read_folders
from flowmend.settings import read_settings
from flowmend.store.rows import ConnectorRow
from measure import peak_megabytes, resident_megabytes
from servers import api_token, flowmend_server

_REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds and MB. start: to the first page; at_rest: memory then; list: of the connectors, the second time;
    after: memory when they were listed.
    """

    connectors: int
    start: float
    at_rest: float
    peak: float
    list: float
    after: float


def fill(data: Path, folders: Path, count: int) -> None:
    services = open_services(read_settings(os.environ, data=data)).services
    made = [one for one in read_folders([folders]) if one.connector is not None]
    now = datetime.now(UTC)
    for number, one in zip(range(count), itertools.cycle(made), strict=False):
        if one.connector is None:
            continue
        services.store.connectors.put(
            ConnectorRow(
                connector_id=f"c{number}",
                display_name=one.connector.display_name,
                definition=one.documents.definition,
                properties=one.documents.properties,
                fingerprint="",
                installed_at=now,
            )
        )
    services.store.close()


def cost(folders: Path, count: int) -> Cost:
    with tempfile.TemporaryDirectory() as held:
        data = Path(held) / "data"
        fill(data, folders, count)
        with flowmend_server(Path(held), "http://127.0.0.1:9") as server:
            at_rest = resident_megabytes(server.pid)
            token = api_token(Path(held))
            address = urlsplit(server.address)
            seconds = 0.0
            for _ in range(_REPEATS):
                began = time.perf_counter()
                connection = HTTPConnection(address.hostname or "", address.port or 80, timeout=120)
                connection.request("GET", "/api/v1/connectors", headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
                seconds = time.perf_counter() - began
                assert answer.status == 200, answer.status
            return Cost(
                connectors=count,
                start=round(server.first_page_seconds, 2),
                at_rest=round(at_rest, 1),
                peak=round(peak_megabytes(server.pid), 1),
                list=round(seconds, 3),
                after=round(resident_megabytes(server.pid), 1),
            )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folders", type=Path)
    asked.add_argument("--count", type=int, default=1000)
    asked.add_argument("--json", type=Path)
    chosen = asked.parse_args()
    found = [cost(chosen.folders, count) for count in (0, chosen.count)]
    for one in found:
        print(
            f"{one.connectors:5} connectors: start {one.start:.2f} s, {one.at_rest:.1f} MB at rest; "
            f"listed in {one.list * 1000:.0f} ms, {one.after:.1f} MB after it (peak {one.peak:.1f})"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


if __name__ == "__main__":
    main()
