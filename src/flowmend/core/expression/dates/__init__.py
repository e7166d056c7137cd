"""Dates and times as .NET has them: 100-nanosecond ticks, zone kinds, cultures, formats and Windows zones."""
