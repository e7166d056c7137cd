"""Who the service knows, and whether a password or key is theirs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hmac import compare_digest

from flowmend.sample.service.settings import Account


class Accounts:
    """The accounts as they are now."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_user = {account.user: account for account in accounts}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_user.values())

    def get(self, user: str) -> Account | None:
        return self._by_user.get(user)

    def with_password(self, user: str, password: str) -> Account | None:
        """The account, if the password is right."""
        account = self._by_user.get(user)
        return account if account is not None and _is_same(account.password, password) else None

    def with_key(self, key: str) -> Account | None:
        """The account whose API key this is."""
        return next((account for account in self._by_user.values() if _is_same(account.api_key, key)), None)

    def change_password(self, user: str, password: str) -> None:
        self._by_user[user] = replace(self._by_user[user], password=password)

    def change_key(self, user: str, api_key: str) -> None:
        self._by_user[user] = replace(self._by_user[user], api_key=api_key)


def _is_same(expected: str, given: str) -> bool:
    return compare_digest(expected.encode(), given.encode("utf-8", "replace"))
