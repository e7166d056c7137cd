"""An operator's own rules of diagnosis, from the file or folder that `FLOWMEND_DIAGNOSIS_RULES` names."""

import tomllib
from pathlib import Path

import msgspec

from flowmend.core.connection.diagnosis_rules import put_in_force, shipped_rules
from flowmend.core.connection.rule_reading import RuleDocument, read_rules
from flowmend.core.connection.rules import Rule
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json

_FORMS = (".toml", ".json")


def use_operator_rules(path: Path | None) -> None:
    """Believe an operator's rules before ours from now on; None is ours alone. Errors: as `read_operator_rules`."""
    put_in_force(shipped_rules().with_operators(read_operator_rules(path)) if path is not None else None)


def read_operator_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a TOML or JSON file, or of all such files of a folder in the order of their names.

    Errors: AskedWrongly `InvalidRules` for what is no such file, with its place; InvalidDocument with every mistake.
    """
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix in _FORMS and one.is_file())
    return read_rules(RuleDocument(name=str(file), content=_read(file)) for file in files)


def _read(file: Path) -> Json:
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise _unreadable(file, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(file, "it is not UTF-8 text") from error
    try:
        return msgspec.json.decode(text) if file.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(file, str(error)) from error


def _unreadable(file: Path, reason: str) -> AskedWrongly:
    return AskedWrongly(f"{file}: {reason}.", code="InvalidRules", target=str(file))
