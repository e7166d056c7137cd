"""How connectors are shown: what signing in to them is."""

from flowmend.portal.language import marked

_SIGN_IN = {
    "basic": marked("User name and password"),
    "api_key": marked("API key"),
    "oauth2": marked("Sign in at the service"),
    "client_credentials": marked("An app signs in"),
    "client_certificate": marked("Client certificate"),
    "none": marked("No sign-in"),
}
_UNSUPPORTED = marked("A way to sign in that is not supported")


def sign_in_words(kind: str) -> str:
    """A `SignInKind`, to be translated."""
    return _SIGN_IN.get(kind, _UNSUPPORTED)
