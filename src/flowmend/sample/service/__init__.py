"""A small order service that really checks who calls it, for walking through a broken sign-in and its repair.

    python -m flowmend.sample.service --port 8081

`/basic`, `/key` and `/oauth2` offer the same orders under three kinds of sign-in, `/oauth` signs people in, and `/`
is a page for breaking things: change the password, replace the key, expire or revoke tokens, take a permission away.
Everything is in memory, and everything that counts or changes runs between two awaits of one event loop, so the
counts are exact without a lock.
"""

from flowmend.sample.service.settings import ServiceSettings

__all__ = ["ServiceSettings"]
