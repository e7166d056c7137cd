"""Performs request values and maps every foreign error to a value or one of ours."""

from flowmend.transport.http import HttpTransport
from flowmend.transport.protocols import Protocols

__all__ = ["HttpTransport", "Protocols"]
