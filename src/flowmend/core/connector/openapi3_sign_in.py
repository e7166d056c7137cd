"""How an OpenAPI 3 document says one signs in: `securitySchemes`, and which of them together are enough.

Each way that `security` allows becomes one way to sign in; a document that requires none but has schemes offers each.
Source: spec.openapis.org/oas/v3.0, "Security Scheme Object"
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urljoin

from flowmend.core.connector.local_references import resolved
from flowmend.core.connector.operation import (
    ConnectionParameter,
    KeyPlacement,
    Location,
    OAuthSettings,
    Policy,
    SignInKind,
    SignInMethod,
)
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity

_FLOWS = ("authorizationCode", "clientCredentials")
#: What a document that leaves its endpoints to OpenID Connect discovery is not asked for, the connection's owner is.
_ENDPOINTS = (
    ConnectionParameter(
        name="authorizationUrl", title="Authorization URL", description="Of the provider's sign-in page."
    ),
    ConnectionParameter(name="tokenUrl", title="Token URL", description="Where the provider gives tokens."),
)


def read_openapi3_sign_in(
    document: Mapping[str, Json], base_url: str, asked: Iterable[ConnectionParameter]
) -> tuple[tuple[SignInMethod, ...], tuple[Policy, ...], list[Problem]]:
    """(the ways to sign in, never none, policies that carry out some of them, problems).

    base_url: against which relative URLs are read. asked: of every way besides.
    """
    reader = _Reader(document, base_url, tuple(asked))
    methods = [method for names in reader.ways() if (method := reader.method(names)) is not None]
    if len(methods) == 1:
        methods = [replace(methods[0], name="")]  # the only way needs none
    kind = SignInKind.UNSUPPORTED if reader.problems else SignInKind.NONE
    fallback = SignInMethod(kind=kind, parameters=tuple(asked))
    return tuple(methods) or (fallback,), tuple(reader.policies.values()), reader.problems


class _Reader:
    def __init__(self, document: Mapping[str, Json], base_url: str, asked: tuple[ConnectionParameter, ...]) -> None:
        self._document = document
        self._schemes = _mapping(_mapping(document.get("components")).get("securitySchemes"))
        self._base_url = base_url
        self._asked = asked
        self.policies: dict[str, Policy] = {}
        self.problems: list[Problem] = []

    def ways(self) -> list[tuple[str, ...]]:
        """The names of the schemes that together are enough, for each way."""
        declared = self._document.get("security")
        if not isinstance(declared, list):
            return [(name,) for name in self._schemes]
        return list(dict.fromkeys(tuple(_mapping(one)) for one in declared if _mapping(one)))

    def method(self, names: tuple[str, ...]) -> SignInMethod | None:
        schemes = {name: _mapping(resolved(self._document, self._schemes.get(name))) for name in names}
        made = self._whole(*next(iter(schemes.items()))) if len(names) == 1 else None
        return made or self._of_keys(schemes)

    def _whole(self, name: str, scheme: Mapping[str, Json]) -> SignInMethod | None:
        """A way that is one scheme and no key: a user with a password, or OAuth."""
        kind, title = str(scheme.get("type") or ""), _title(name, scheme)
        if kind == "http" and str(scheme.get("scheme") or "").lower() == "basic":
            return SignInMethod(
                kind=SignInKind.BASIC,
                name=name,
                title=title,
                parameters=(
                    ConnectionParameter(name="username", title="User name"),
                    _secret("password", "Password"),
                    *self._asked,
                ),
                user_parameter="username",
                password_parameter="password",  # noqa: S106  its name
            )
        if kind not in ("oauth2", "openIdConnect"):
            return None
        settings, kind_of = _oauth(scheme, self._base_url)
        if settings is None:
            return None
        endpoints = _ENDPOINTS if settings.token_url.startswith("{") else ()
        return SignInMethod(kind=kind_of, name=name, title=title, parameters=(*endpoints, *self._asked), oauth=settings)

    def _of_keys(self, schemes: Mapping[str, Mapping[str, Json]]) -> SignInMethod | None:
        parameters: list[ConnectionParameter] = []
        placements: list[KeyPlacement] = []
        for name, scheme in schemes.items():
            how = str(scheme.get("scheme") or "")
            if scheme.get("type") == "apiKey" and scheme.get("in") in ("header", "query"):
                key = str(scheme.get("name") or name)
                parameters.append(_secret(name, key))
                location = Location.QUERY if scheme["in"] == "query" else Location.HEADER
                placements.append(KeyPlacement(parameter=name, location=location, name=key))
            elif scheme.get("type") == "http" and how.lower() not in {"", "basic"}:
                parameters.append(_secret(name, how.capitalize()))
                self.policies[name] = _prefixed("Bearer" if how.lower() == "bearer" else how, name)
            else:
                self.problems.append(_unsupported(name))
                return None
        return SignInMethod(
            kind=SignInKind.API_KEY,
            name=" and ".join(schemes),
            title=" and ".join(_title(name, scheme) for name, scheme in schemes.items()),
            parameters=(*parameters, *self._asked),
            placements=tuple(placements),
        )


def _prefixed(word: str, parameter: str) -> Policy:
    value = f"{word} @connectionParameters('{parameter}')"
    return Policy(template="setheader", parameters={"name": "Authorization", "value": value})


def _unsupported(name: str) -> Problem:
    return Problem(
        severity=Severity.WARNING,
        code="UnsupportedSignIn",
        pointer=f"/components/securitySchemes/{name.replace('~', '~0').replace('/', '~1')}",
        message=f"The sign-in '{name}' is of a type or flow that is not supported.",
    )


def _title(name: str, scheme: Mapping[str, Json]) -> str:
    return (str(scheme.get("description") or "").splitlines() or [name])[0][:80]


def _oauth(scheme: Mapping[str, Json], base_url: str) -> tuple[OAuthSettings | None, SignInKind]:
    if scheme.get("type") == "openIdConnect":
        settings = OAuthSettings(
            identity_provider="oauth2",
            authorization_url="{authorizationUrl}",
            token_url="{tokenUrl}",  # noqa: S106  a place to fill
            refresh_url="{tokenUrl}",
            scopes=("openid", "offline_access"),
        )
        return settings, SignInKind.OAUTH2
    flows = _mapping(scheme.get("flows"))
    for name in _FLOWS:
        flow = _mapping(flows.get(name))
        token_url = _absolute(flow.get("tokenUrl"), base_url)
        authorization_url = _absolute(flow.get("authorizationUrl"), base_url)
        if not token_url or (name == "authorizationCode" and not authorization_url):
            continue
        settings = OAuthSettings(
            identity_provider="oauth2",
            authorization_url=authorization_url,
            token_url=token_url,
            refresh_url=_absolute(flow.get("refreshUrl"), base_url) or token_url,
            scopes=tuple(_mapping(flow.get("scopes"))),
        )
        return settings, SignInKind.OAUTH2 if name == "authorizationCode" else SignInKind.CLIENT_CREDENTIALS
    return None, SignInKind.UNSUPPORTED


def _absolute(url: Json, base_url: str) -> str:
    joined = urljoin(f"{base_url}/", url) if isinstance(url, str) and url else ""
    return joined if "://" in joined else ""


def _secret(name: str, title: str) -> ConnectionParameter:
    return ConnectionParameter(name=name, type="securestring", title=title, is_secret=True)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
