"""Payloads: values as compact bytes, exact to the type they had.

A payload is one format byte and MessagePack, deflated where it is worth it. No bytes at all are None. What
MessagePack has no word for goes as an extension: decimals and integers beyond 64 bits.
"""

import zlib
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec

from flowmend.core.errors import StoreUnavailable
from flowmend.core.json_value import Json

_PLAIN, _DEFLATED = b"\x00", b"\x01"
#: Below this a page of the database is not filled anyway, and deflating costs a sixth of a small run's CPU time.
_DEFLATE_FROM_BYTES = 4096
_DECIMAL, _INTEGER = 1, 2

Shape = TypeVar("Shape")

# msgspec spells decimals itself and asks no hook. Two spellings differ exactly where there is a decimal, so
# comparing them finds one at the speed of C, which a walk through the value would not.
_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_other_encoder = msgspec.msgpack.Encoder(decimal_format="number")


def encode_payload(value: Any) -> bytes:
    """A JSON value, struct or list of structs as a payload; None is b""."""
    if value is None:
        return b""
    try:
        packed = _encoder.encode(value)
        if packed != _other_encoder.encode(value):
            packed = _encoder.encode(_spelled_out(value))
    except (OverflowError, UnicodeEncodeError):
        packed = _encoder.encode(_spelled_out(value))
    if len(packed) > _DEFLATE_FROM_BYTES:
        return _DEFLATED + zlib.compress(packed, 1)
    return _PLAIN + packed


@overload
def decode_payload(payload: bytes) -> Json: ...
@overload
def decode_payload(payload: bytes, shape: type[Shape]) -> Shape: ...
def decode_payload(payload: bytes, shape: Any = Any) -> Any:
    """The value of a payload, checked against the shape. Errors: StoreUnavailable `PayloadDamaged`."""
    if not payload:
        return None
    try:
        packed = payload[1:] if payload[:1] == _PLAIN else zlib.decompress(memoryview(payload)[1:])
        return _decoder(shape).decode(packed)
    except (msgspec.MsgspecError, zlib.error, UnicodeDecodeError) as error:
        raise StoreUnavailable("A stored payload does not read.", code="PayloadDamaged") from error


@lru_cache(maxsize=64)
def _decoder(shape: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(shape, ext_hook=_from_extension)


def _spelled_out(value: Any) -> Any:
    """The value with extensions in it, and lone surrogates replaced: they are no text that UTF-8 could carry."""
    return _extended(msgspec.to_builtins(value, builtin_types=(bytes, Decimal, datetime)))


def _extended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_extended(key): _extended(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_extended(part) for part in value]
    if isinstance(value, Decimal):
        return msgspec.msgpack.Ext(_DECIMAL, str(value).encode())
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_INTEGER, str(value).encode())
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _from_extension(code: int, content: memoryview) -> Json:
    text = bytes(content).decode()
    return Decimal(text) if code == _DECIMAL else int(text)
