"""Work on big values beside the event loop, so that other runs and callers go on meanwhile.

On it stay what is decided within a run, ParseJson's schema check among it: a run's decisions are one piece, in order, and
replayed as such after a restart. The longest of them is as long as its largest value allows.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: A body of fewer bytes is read at once: that takes less than a millisecond, and going to a thread has its price too.
HEAVY_FROM_BYTES = 256 * 1024

# Few, because they share the interpreter with the event loop; what comes more waits its turn.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="heavy")


async def beside_the_loop(work: Callable[[], T]) -> T:
    """What the work gives, done on one of few threads. Errors: the work's own."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
