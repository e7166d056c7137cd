"""What a content link answers with: the inputs or outputs of one record, for whoever holds the signed address."""

from collections.abc import Mapping
from urllib.parse import unquote

from flowmend.api.run_reading import readable_run
from flowmend.api.shapes.content_link import content_bytes
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.run.record import ActionRecord
from flowmend.core.trigger.callback_url import verify_content_link
from flowmend.use_cases.ports import Services


async def read_content(services: Services, flow_id: str, content_path: str, signature: Mapping[str, str]) -> bytes:
    """The raw JSON of a content. content_path: below the flow, `runs/R/[actions/A/[repetitions/N/]]contents/<kind>`.

    Errors: NotAllowed before anything else is said; NotFound.
    """
    key = _access_key(services, flow_id)
    verify_content_link(flow_id, content_path, signature, key=key, now=services.clock.now)
    # A slash within a name was encoded by itself, see `place_of`.
    _, run_name, *place = [unquote(segment) for segment in content_path.split("/")]
    run = await readable_run(services, run_name)
    if run.row.flow_id != flow_id:
        raise _no_content()
    match place:
        case ["contents", "TriggerInputs"]:
            content: Json = run.start.trigger.get("inputs")
        case ["contents", "TriggerOutputs"]:
            content = run.start.trigger.get("outputs")
        case ["actions", name, "contents", kind]:
            content = _of_record(run.record(name, ""), kind)
        case ["actions", name, "repetitions", repetition, "contents", kind]:
            content = _of_record(run.record(name, repetition), kind)
        case _:
            raise _no_content()
    if content is None:
        raise _no_content()
    return content_bytes(content)


def _access_key(services: Services, flow_id: str) -> bytes:
    try:
        return services.flows.latest(flow_id).access_key
    except AskedWrongly:
        # An empty key lets nothing pass: without a valid signature nobody learns which flows exist, nor that one no
        # longer reads.
        return b""


def _of_record(record: ActionRecord, kind: str) -> Json:
    if kind == "ActionInputs":
        return record.inputs
    if kind == "ActionOutputs":
        return record.outputs
    raise _no_content()


def _no_content() -> NotFound:
    return NotFound("The run holds no such content.", code="ContentNotFound")
