"""Kills whoever migrates an older database, at random moments, and looks at what is left.

    python bench/kill_migration.py [--kills 60] [--rows 20000] [--seed N]

A database of the first revision is filled with runs; a process opens it, which migrates it, and is ended with SIGKILL. What is left must be
the old revision or the new one, whole, with every row; and opening it again must lead to the tables that a new database gets.
The seed is printed; the same seed gives the same moments. Exit 0 where everything holds.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, Integer, LargeBinary, MetaData, Table, create_engine, func, inspect, select
from sqlalchemy.engine import Engine

from fault_flows import report
from flowmend.store import open_store
from flowmend.store.migrations import migrate
from flowmend.store.opening import LATEST_REVISION
from flowmend.store.tables import metadata

FIRST_REVISION = "0001"
OPENS = "import sys; from flowmend.store import open_store; open_store(sys.argv[1]).close()"


def make_old(file: Path, rows: int) -> None:
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrate(connection, to=FIRST_REVISION)
        runs = Table("runs", MetaData(), autoload_with=connection)
        flows = Table("flows", MetaData(), autoload_with=connection)
        connection.execute(flows.insert(), _row(flows, 0))
        connection.execute(runs.insert(), [_row(runs, number) for number in range(rows)])
    engine.dispose()


def _row(table: Table, number: int) -> dict[str, Any]:
    """Any values; those of the key are this number's own, references are to number 0."""
    own = {column.name for column in table.primary_key}
    values: dict[str, Any] = {}
    for column in table.columns:
        is_own = column.name in own
        if isinstance(column.type, LargeBinary):
            values[column.name] = b"{}"
        elif isinstance(column.type, Integer):
            values[column.name] = number if is_own else 1
        elif isinstance(column.type, DateTime) or column.nullable:
            values[column.name] = None
        else:
            values[column.name] = f"{column.name}-{number if is_own else 0}"
    return values


def wrongs(file: Path, rows: int) -> Iterator[str]:
    """What is wrong with what a kill left, and with what opening it again makes of it."""
    engine = create_engine(f"sqlite:///{file}")
    revision = _revision(engine)
    if revision not in {FIRST_REVISION, LATEST_REVISION}:
        yield f"a half-way revision {revision}"
    if revision == LATEST_REVISION and _tables(engine) != _new_tables():
        yield "the new revision without its tables"
    engine.dispose()
    open_store(f"sqlite:///{file}").close()
    engine = create_engine(f"sqlite:///{file}")
    if _revision(engine) != LATEST_REVISION or _tables(engine) != _new_tables():
        yield "opening it again did not lead to the new tables"
    with engine.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(metadata.tables["runs"])).scalar()
        if kept != rows:
            yield f"{rows - (kept or 0)} of {rows} runs are lost"
        if connection.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
            yield "the file is damaged"
    engine.dispose()


def _revision(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


def _tables(engine: Engine) -> dict[str, frozenset[str]]:
    seen = inspect(engine)
    return {
        name: frozenset(column["name"] for column in seen.get_columns(name))
        for name in metadata.tables
        if seen.has_table(name)
    }


def _new_tables() -> dict[str, frozenset[str]]:
    return {name: frozenset(column.name for column in table.columns) for name, table in metadata.tables.items()}


def run(kills: int, rows: int, seed: int) -> int:
    draws = random.Random(seed)
    print(f"seed {seed}: {kills} kills, {rows} runs", flush=True)
    found: Counter[str] = Counter()
    left: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="flowmend-migration-") as folder:
        old, file = Path(folder) / "old.db", Path(folder) / "flowmend.db"
        make_old(old, rows)
        shutil.copy(old, file)
        command = [sys.executable, "-c", OPENS, f"sqlite:///{file}"]
        began = time.monotonic()
        subprocess.run(command, check=True)
        takes = time.monotonic() - began
        for _ in range(kills):
            for part in Path(folder).glob("flowmend.db*"):
                part.unlink()
            shutil.copy(old, file)
            process = subprocess.Popen(command)
            time.sleep(draws.uniform(0.3, 1.05) * takes)  # before that it only loads its modules
            process.kill()
            process.wait()
            engine = create_engine(f"sqlite:///{file}")
            left[_revision(engine)] += 1
            engine.dispose()
            found.update(wrongs(file, rows))
    print(
        f"a migration takes {takes:.2f} s; left: "
        + ", ".join(f"{count} at {name}" for name, count in sorted(left.items()))
    )
    return report([f"{wrong}: {count} times" for wrong, count in found.items()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(run(chosen.kills, chosen.rows, chosen.seed))
