"""Which values of a form are of the sign-in app rather than of the connection."""

from flowmend.core.connector.operation import SignInMethod

APP_SECRETS = ("client_secret", "certificate", "certificate_password")
APP_VALUES = (*APP_SECRETS, "client_id", "tenant")


def app_secret_names(method: SignInMethod) -> frozenset[str]:
    """What proves the app, as this way to sign in names it; kept with the app, not with the connection."""
    return _named(method, APP_SECRETS)


def app_value_names(method: SignInMethod) -> frozenset[str]:
    """All that is of the app; not asked for where one is there already."""
    return _named(method, APP_VALUES)


def _named(method: SignInMethod, values: tuple[str, ...]) -> frozenset[str]:
    named = method.oauth.app_parameters if method.oauth is not None else {}
    return frozenset(named.get(name, name) for name in values)
