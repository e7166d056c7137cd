"""`flowmend diagnose`: what a received answer says about the credential behind it, for one answer or a file of them."""

import itertools
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer

from flowmend.cli.options import JsonOption
from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connector import SignInKind
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.core.outcome import Diagnosis

_LARGEST_ANSWER = 1024 * 1024


class _Sample(msgspec.Struct, frozen=True):
    """An answer of HTTP (status, headers, body as text or JSON), or the text that was received."""

    status: int | None = None
    headers: dict[str, Json] | None = None
    body: Json = None
    raw: str | None = None


class _Line(msgspec.Struct, frozen=True):
    """A line of a batch. sign_in: how the connection signs in, where that is known."""

    id: str | int
    sample: _Sample
    provider: str | None = None
    protocol: str | None = None
    phase: Phase = Phase.API_CALL
    sign_in: SignInKind = SignInKind.NONE


def diagnose(
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE|-]", help="The body or text that was received, or the batch; - is standard input."
        ),
    ] = "-",
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="FILE is JSON Lines of id, provider, protocol, phase, sample; so is the answer, with a diagnosis.",
        ),
    ] = False,
    status: Annotated[int | None, typer.Option("--status", min=100, max=599, help="The HTTP status that came.")] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="A header that came.")
    ] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help="What was spoken: http, smtp, imap, postgresql, ldap, tls, ….")
    ] = "http",
    phase: Annotated[Phase, typer.Option("--phase", help="When the answer came.")] = Phase.API_CALL,
    provider: Annotated[str, typer.Option("--provider", help="Whose service answered, if known.")] = "",
    sign_in: Annotated[SignInKind, typer.Option("--sign-in", help="How the connection signs in.")] = SignInKind.NONE,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            metavar="PATH",
            envvar="FLOWMEND_DIAGNOSIS_RULES",
            show_envvar=True,
            help="Your own rules, a file or folder; they are believed before ours.",
        ),
    ] = None,
    check_rules: Annotated[
        Path | None, typer.Option("--check-rules", metavar="PATH", help="Only check your own rules and their examples.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what a failed answer means for its connection: the cause, who can mend it and how."""
    if check_rules is not None:
        _check(check_rules)
        return
    if rules is not None:
        from flowmend.use_cases.operator_rules import use_operator_rules

        use_operator_rules(rules)
    if batch:
        with _opened(file) as opened:
            unread = _diagnose_lines(_lines(opened))
        if unread:
            raise typer.Exit(1)
        return
    if status is None and protocol == "http":
        raise typer.BadParameter("Say --status of the HTTP answer, the --protocol of another one, or --batch.")
    with _opened(file) as opened:
        is_typed = file == "-" and sys.stdin.isatty()  # nobody means to type a body
        text = "" if is_typed else opened.read(_LARGEST_ANSWER).decode("utf-8", "replace")
    answer = ReceivedAnswer(
        status=status, headers=_headers(header or ()), body=text, protocol=protocol, phase=phase, provider=provider
    )
    _print(_diagnosed(answer, sign_in), as_json=json)


def _diagnosed(answer: ReceivedAnswer, sign_in: SignInKind) -> "Diagnosis":
    from flowmend.core.connection.diagnosis import diagnose as judge

    return judge(answer, had_credential=True, kind=sign_in)


def _diagnose_lines(lines: Iterable[bytes]) -> int:
    """Write a diagnosis per line; how many lines did not read. Each of those is told with its number."""
    decoder = msgspec.json.Decoder(_Line)
    unread = 0
    for number, line in enumerate(lines, start=1):
        if not bytes(line).strip():
            continue
        try:
            one = decoder.decode(line)
            answer = _received(one)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            unread += 1
            sys.stderr.write(f"Line {number}: {error}\n")
            continue
        found = {"id": one.id, **_told(_diagnosed(answer, one.sign_in))}
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return unread


def _lines(file: BinaryIO) -> Iterable[bytes]:
    """The lines; the items, where the file is one JSON list, as a file of judged cases often is."""
    first = file.readline()
    if not first.lstrip().startswith(b"["):
        return itertools.chain((first,), file)
    try:
        return msgspec.json.decode(first + file.read(), type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise typer.BadParameter(f"This is neither JSON Lines nor a JSON list: {error}.") from error


def _received(line: _Line) -> ReceivedAnswer:
    sample = line.sample
    provider = line.provider or ""
    if sample.raw is not None:
        return ReceivedAnswer(body=sample.raw, protocol=line.protocol or "http", phase=line.phase, provider=provider)
    if sample.status is None:
        raise ValueError("The sample needs a `status` (HTTP), or the text that was received as `raw`.")
    body = "" if sample.body is None else sample.body
    body = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    headers = {name: str(value) for name, value in (sample.headers or {}).items()}
    return ReceivedAnswer(status=sample.status, headers=headers, body=body, phase=line.phase, provider=provider)


def _told(diagnosis: "Diagnosis") -> dict[str, Json]:
    from flowmend.portal.remedies import REMEDIES

    return {
        "category": diagnosis.category.value,
        "user_fixable_by": diagnosis.fixable_by.value,
        "is_auth_failure": diagnosis.is_auth_failure,
        "connection_status": "Error" if diagnosis.connection_broken else "Connected",
        "try_silent_refresh_first": diagnosis.try_silent_refresh_first,
        "remedy": REMEDIES[diagnosis.remedy].advice,
        "rule": diagnosis.rule,
    }


def _print(diagnosis: "Diagnosis", *, as_json: bool) -> None:
    from flowmend.cli.output import print_facts, print_json
    from flowmend.portal.remedies import cause_of

    told = _told(diagnosis)
    if as_json:
        print_json(told)
        return
    cause = cause_of(diagnosis.category) if diagnosis.is_auth_failure or diagnosis.category != "unknown" else ""
    print_facts([
        ("Connection", told["connection_status"]),
        ("Cause", cause or "No failure of access"),
        ("First", "Refresh the token silently, and try once more" if diagnosis.try_silent_refresh_first else ""),
        ("Remedy", told["remedy"]),
        ("Received", " ".join(filter(None, (diagnosis.code, diagnosis.message)))),
        ("Rule", diagnosis.rule),
    ])  # fmt: skip


def _check(path: Path) -> None:
    """Read an operator's rules and try their examples."""
    from flowmend.core.connection.diagnosis_rules import shipped_rules
    from flowmend.core.connection.rule_examples import strayed_examples
    from flowmend.core.errors import InvalidDocument
    from flowmend.use_cases.operator_rules import read_operator_rules

    try:
        own = read_operator_rules(path)
    except InvalidDocument as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem.pointer}: {problem.message}\n")
        raise typer.Exit(1) from error
    strayed = strayed_examples(own, shipped_rules().with_operators(own))
    for rule, decided_by in strayed:
        sys.stderr.write(f"{rule}: an example of it is decided by {decided_by}.\n")
    typer.echo(f"Rules read: {len(own)}. Examples astray: {len(strayed)}.")
    if strayed:
        raise typer.Exit(1)


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    if file == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {os.strerror(error.errno or 0)}.") from error


def _headers(given: Iterable[str]) -> Mapping[str, str]:
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon:
            raise typer.BadParameter(f"{one!r} is no header; write it as 'Name: value'.")
        headers[name.strip()] = value.strip()
    return headers
