"""Journals of runs that have ended, packed: what is only read again is kept small.

Journals say the same words over and over, those of a flow more than others. Some runs of a flow become one block, deflated
together against words that every journal holds.
"""

import zlib
from collections.abc import Mapping, Sequence

import msgspec

from flowmend.core.errors import StoreUnavailable

#: The first byte of a block says which words it was deflated against.
_FIRST_WORDS = b"\x01"
#: Those of a payload (`payloads`).
_PLAIN, _DEFLATED = b"\x00", b"\x01"
#: As large as a block gets, so that reading one of its runs takes no more than a moment. A larger journal stays as it is.
LARGEST_BYTES = 256 * 1024
MOST_RUNS = 32
_RAW_DEFLATE = -15

# What journals say, as they say it: MessagePack puts a text's length before it; at the end a whole journal without its values,
# for what follows what is worth most. Part of the format: what was packed against these words can be read with no others, so a
# change of them is a new first byte.
_WORDS = b"".join(
    (
        b"\xa6origin\xb0clientTrackingId\xb1originHistoryName\xb1sourceHistoryName\xa8location\xa5local\xa4tags",
        b"\xafflowDisplayName\xafenvironmentName\xb9Microsoft.Logic/workflows\xbeMicrosoft.Logic/workflows/runs",
        b"scheduledTime\xa9statusRunCancelledTimedOutSkippedWaitingAbortedActionInDoubtConnectionNeedsRepair",
        b"BadRequestUnauthorizedForbiddenNotFoundTooManyRequestsInternalServerErrorServiceUnavailableActionFailed",
        b"An action failed. No dependent actions succeeded.ActionSkippedActionConditionFailed",
        b"The execution of template action skipped: the 'runAfter' condition for action is not satisfied.",
        b"http://https://localhost127.0.0.1application/octet-streamtext/plain; charset=utf-8text/html",
        b"MonTueWedThuFriSatSun, JanFebMarAprMayJunJulAugSepOctNovDec 2026 GMT",
        b"\xa6Accept\xa3*/*\xaaUser-Agent\xafAccept-Encoding\xadAuthorization\xa7Bearer \xa6Server\xa4ETag\xa4Vary",
        b"\xaeX-Ms-Request-Id\xa9Transfer-Encoding\xa7chunked\xa6no-cache\xa8Location\xabRetry-After",
        b"\xa2id\xa4name\xa6number\xa6status\xa5value\xa5total\xa5title\xa7subject\xa4text\xa5email\xa4type\xa4date",
        b"\xa6method\xa3GET\xa4POST\xa3PUT\xa5PATCH\xa6DELETE\xa3uri\xa7queries\xa9parameters\xa4path\xa4host",
        b"\xa9diagnosis\xa8category\xaafixable_by\xa8reverify\xa6remedy\xa7is_auth\xa9is_broken\xaaconnection",
        b"\xabiteration\xa8variable\xa5index\xa6branch\xa4case\xa5Array\xa7Boolean\xa6String\xa7Integer\xa6Object",
        b"\x00\x8a\xa8run_name\xd9!CU00\xa7flow_id\xd9$\xa7version\xb40858\xa7trigger\x88\xa4name\xa6manual\xa9startTim",
        b"e\xbc20\xa7endTime\xbc20\xaatrackingId\xd9$\xb0clientTrackingId\xd9!CU00\xb1originHistoryName\xd9",
        b"!CU00\xa6status\xa9Succeeded\xa7outputs\x82\xa7headers\x83\xa4Host\xaf127.0.0.1:\xacContent-Type\xb0",
        b"application/json\xaeContent-Length\xa237\xa4body\x81\xab\xb3\xa8workflow\x86\xa2id\xd9//workflows/\xa4n",
        b"ame\xa9\xa4type\xb9Microsoft.Logic/workflows\xa8location\xa5local\xa4tags\x82\xafflowDisplayNa",
        b"me\xa9\xafenvironmentName\xa5local\xa3run\x83\xa2id\xd9V/workflows//runs/CU00\xa4name\xd9!CU00\xa4ty",
        b"pe\xbeMicrosoft.Logic/workflows/runs\xaaparameters\x80\xb2client_tracking_id\xd9!CU00",
        b"\xaastarted_at\xd7\xff\xaeis_synchronous\xc3\xa7ends_by\xd7\xff\x00\x95\xde\x00\x08\xa4type\xa6action\xa4name\xad\xa6status\xa9",
        b"Succeeded\xa4code\xa2OK\xaastarted_at\xd7\xff\xa8ended_at\xd7\xff\xa6inputs\x82\xa6number\xb3\xa8\xa3\xa7outputs\x82\xa6n",
        b"umber\xb3\xa8\xa3\xde\x00\x07\xa4type\xa6action\xa4name\xb2\xa6status\xa7Running\xaastarted_at\xd7\xff\xa6inputs\x81\xb0$flo",
        b"wmend.sealed\xc4\x84\x01\xd9\x10g\x85\xa3key\xd9$\xa7details\x81\xa6secure\x91\xa6inputs\xde\x00\x0b\xa4type\xa6action\xa4name\xb2",
        b"\xa6status\xa9Succeeded\xa4code\xa2OK\xaastarted_at\xd7\xff\xa8ended_at\xd7\xff\xa6inputs\x81\xac$flowmend.as",
        b"\xa6before\xa7outputs\x83\xaastatusCode\xcc\xc8\xa7headers\x84\xa4Date\xbd, 2026 GMT\xacContent-Type\xb0ap",
        b"plication/json\xaeContent-Length\xa3184\xadCache-Control\xa8no-store\xa4body\x87\xa2id\xa11\xa6nu",
        b"mber\xa6\xa8\xa3\xa6status\xa4open\xa5\x92\x82\xa3\xa8\xa8\x02\x82\xa3\xa8\xa8\x04\xa5total\xa8\xb420\xa8attempts\x91\x84\xaastarted_at\xd7\xff\xa8ende",
        b"d_at\xd7\xff\xa4code\xa2OK\xb1client_request_id\xd9$\xa3key\xd9$\xa7details\x81\xa6secure\x91\xa6inputs\xde\x00\x08\xa4ty",
        b"pe\xa6action\xa4name\xb1\xa6status\xa9Succeeded\xa4code\xacNotSpecified\xaastarted_at\xd7\xff\xa8ended_",
        b"at\xd7\xff\xa6inputs\x92\x82\xa3\xa8\xa8\x02\x82\xa3\xa8\xa8\x04\xa7outputs\x81\xa4body\x91\x82\xa3\xa8\xa8\x04\xde\x00\x07\xa4type\xa6action\xa4name\xab\xa6status",
        b"\xa7Running\xaastarted_at\xd7\xff\xa6inputs\x81\xb0$flowmend.sealed\xc5\x01\x08\x01\xd9\x10g\x85\xa3key\xd9$\xa7details\x81\xa6",
        b"secure\x91\xa6inputs\x00\x94\xde\x00\x0b\xa4type\xa6action\xa4name\xab\xa6status\xa9Succeeded\xa4code\xa7Created\xaast",
        b"arted_at\xd7\xff\xa8ended_at\xd7\xff\xa6inputs\x81\xac$flowmend.as\xa6before\xa7outputs\x83\xaastatusCode\xcc",
        b"\xc9\xa7headers\x84\xa4Date\xbd, 2026 GMT\xacContent-Type\xb0application/json\xaeContent-Lengt",
        b"h\xa3173\xadCache-Control\xa8no-store\xa4body\x87\xa2id4\xa6number\xb3\xa8\xa3\xa6status\xa4open\xa5\x91\x82\xa3\xa8\xa8\x04\xa5to",
        b"tal\xa8\xbb20\xa8attempts\x91\x84\xaastarted_at\xd7\xff\xa8ended_at\xd7\xff\xa4code\xa7Created\xb1client_request",
        b"_id\xd9$\xa3key\xd9$\xa7details\x81\xa6secure\x91\xa6inputs\xde\x00\x08\xa4type\xa6action\xa4name\xa8Response\xa6statu",
        b"s\xa9Succeeded\xa4code\xa2OK\xaastarted_at\xd7\xff\xa8ended_at\xd7\xff\xa6inputs\x82\xaastatusCode\xcc\xc8\xa4body\x82",
        b"\xa74\xa5total\xa7outputs\x82\xaastatusCode\xcc\xc8\xa4body\x82\xa74\xa5total\x86\xa4type\xa8response\xa6action\xa8Res",
        b"ponse\xabstatus_code\xcc\xc8\xa7headers\x80\xa4body\x82\xa74\xa5total\xa2at\xd7\xff\x83\xa4type\xa3end\xa6status\xa9Succe",
        b"eded\xa2at\xd7\xff",
    )
)


def size_in_block(pages: Sequence[bytes]) -> int:
    """How many bytes the pages of a journal take before the block is deflated; beyond `LARGEST_BYTES`, how many at least.

    A page of a few kB may hold megabytes that say the same again and again.
    """
    size = 0
    for page in pages:
        if page[:1] == _DEFLATED:
            size += len(zlib.decompressobj().decompress(memoryview(page)[1:], LARGEST_BYTES + 1))
        else:
            size += len(page)
        if size > LARGEST_BYTES:
            break
    return size


def pack(journals: Mapping[str, Sequence[bytes]]) -> bytes:
    """{run name: its pages, the start first} as one block."""
    packed = msgspec.msgpack.encode({name: [_plain(page) for page in pages] for name, pages in journals.items()})
    deflating = zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE, zdict=_WORDS)
    return _FIRST_WORDS + deflating.compress(packed) + deflating.flush()


def unpack(block: bytes) -> dict[str, list[bytes]]:
    """The journals of a block, as they were packed. Errors: StoreUnavailable `PayloadDamaged`."""
    inflating = zlib.decompressobj(_RAW_DEFLATE, zdict=_WORDS)
    try:
        packed = inflating.decompress(memoryview(block)[1:]) + inflating.flush()
        return msgspec.msgpack.decode(packed, type=dict[str, list[bytes]])
    except (zlib.error, msgspec.MsgspecError) as error:
        raise StoreUnavailable("A stored journal does not read.", code="PayloadDamaged") from error


def _plain(page: bytes) -> bytes:
    return _PLAIN + zlib.decompress(memoryview(page)[1:]) if page[:1] == _DEFLATED else page
