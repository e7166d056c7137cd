"""Performs request values and maps every foreign error to a value or one of ours."""

from flowmend.transport.http import HttpTransport

__all__ = ["HttpTransport"]
