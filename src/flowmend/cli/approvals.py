"""`flowmend approvals …`: what flows ask people, and answering it."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption

approvals = typer.Typer(help="Approvals of the running server: what flows ask people.", no_args_is_help=True)

ApprovalArgument = Annotated[str, typer.Argument(metavar="ID", help="The approval's id, or the beginning of it.")]
CommentOption = Annotated[str, typer.Option("--comment", help="What the flow gets to read beside the answer.")]
ForOption = Annotated[str, typer.Option("--for", help="Whose answer it is, where several were asked.")]
_SHORT_ID = 8


@approvals.command("list")
def list_approvals(
    done: Annotated[bool, typer.Option("--done", help="Those that wait no more, instead of those that do.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Approvals that wait for an answer, oldest first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).pages("/approvals", limit=limit, state="done" if done else "waiting")
    if json:
        print_json(found)
        return
    print_table(
        ("What", "Asked", "Answer with", "Outcome", "Since", "Id"),
        (
            (
                one["title"],
                ", ".join(person["name"] for person in one["approvers"]),
                ", ".join(one["options"]),
                one["outcome"] or one["state"],
                when(one["created_at"]),
                one["id"],
            )
            for one in found
        ),
        nothing="No approval is done yet." if done else "No approval waits for an answer.",
    )


@approvals.command("approve")
def approve(
    approval: ApprovalArgument,
    comment: CommentOption = "",
    as_approver: ForOption = "",
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Approve."""
    _answer(approval, "Approve", comment, as_approver, data, url, json=json)


@approvals.command("reject")
def reject(
    approval: ApprovalArgument,
    comment: CommentOption = "",
    as_approver: ForOption = "",
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Reject."""
    _answer(approval, "Reject", comment, as_approver, data, url, json=json)


@approvals.command("answer")
def answer(
    approval: ApprovalArgument,
    response: Annotated[str, typer.Argument(help="One of the options the flow gives.")],
    comment: CommentOption = "",
    as_approver: ForOption = "",
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Answer an approval that has options of its own."""
    _answer(approval, response, comment, as_approver, data, url, json=json)


def _answer(
    approval: str, response: str, comment: str, as_approver: str, data: DataOption, url: UrlOption, *, json: bool
) -> None:
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import Server, find_server, segment
    from flowmend.core.errors import AskedWrongly

    def id_of(server: Server) -> str:
        """Of those that wait, the one whose id begins so; the text itself where there is none."""
        if len(approval) < _SHORT_ID:
            return approval
        fitting = [one["id"] for one in server.pages("/approvals", limit=1_000) if one["id"].startswith(approval)]
        if len(fitting) > 1:
            raise AskedWrongly(
                f"{len(fitting)} approvals begin with {approval!r}. Give the whole id.", code="AmbiguousName"
            )
        return fitting[0] if fitting else approval

    server = find_server(url, data)
    body = {"response": response, "comments": comment, "approver": as_approver}
    found = server.send("POST", f"/approvals/{segment(id_of(server))}/answer", body)
    if json:
        print_json(found)
    elif found["state"] == "waiting":
        left = sum(1 for person in found["approvers"] if person["answered_at"] is None)
        typer.echo(f"Answered {found['title']!r}. Answers still awaited: {left}.")
    else:
        typer.echo(f"Answered {found['title']!r}: {found['outcome']}. Its run goes on.")
