from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmend.core.connection.diagnosis import ReceivedAnswer, diagnose
from flowmend.core.connection.diagnosis_rules import put_in_force
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.operator_rules import read_operator_rules, use_operator_rules

TOML = '[[rules]]\nname = "own.a"\nverdict = "expired"\ncodes = ["A-17"]\n'
JSON = '{"rules": [{"name": "own.b", "verdict": "revoked", "codes": ["B-4"]}]}'


@pytest.fixture(autouse=True)
def ours_again() -> Iterator[None]:
    yield
    put_in_force(None)


def test_a_folder_holds_rules_in_files_of_both_forms(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(JSON)
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "notes.txt").write_text("not a rule")
    assert [rule.name for rule in read_operator_rules(tmp_path)] == ["own.a", "own.b"]


def test_own_rules_are_used_until_they_are_taken_back(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TOML)
    answer = ReceivedAnswer(status=403, body='{"code": "A17"}')
    use_operator_rules(tmp_path / "own.toml")
    assert diagnose(answer, had_credential=True).rule == "own.a"
    use_operator_rules(None)
    assert diagnose(answer, had_credential=True).rule == "status.403"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.toml", b"[[rules", "Expected ']]'"),
        ("a.json", b"{", "truncated"),
        ("a.toml", b"\xff\xfe", "not UTF-8"),
        ("a.toml", b'rules = [{ name = "x" }]', r"#/rules/0/verdict: A rule needs its verdict"),
    ],
)
def test_what_does_not_read_is_told_with_its_file(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AskedWrongly, match=says) as caught:
        read_operator_rules(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.code == "InvalidRules"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly, match="cannot be read"):
        read_operator_rules(tmp_path / "none.toml")
