"""Advances runs, in this process: the run loop, the timers that wake them, and news for open pages."""
