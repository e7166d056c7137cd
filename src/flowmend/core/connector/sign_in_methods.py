"""How a connector folder says one signs in: `connectionParameters` or sets of them, beside `securityDefinitions`.

The two documents are loosely joined: in a survey of 192 real folders the parameter's name was the security
definition's in 20 only. So a key goes where a definition of its name says, else where the only definition says,
else pairwise in the order both are declared.
"""

from collections.abc import Mapping

from flowmend.core.connector.identity_providers import asks_for_itself, read_oauth_settings
from flowmend.core.connector.operation import (
    CERTIFICATE_TYPE,
    ConnectionParameter,
    KeyPlacement,
    Location,
    OAuthSettings,
    SignInKind,
    SignInMethod,
)
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity

#: Values that a set of parameters repeats for the author's own use; the settings of the sign-in say them already.
_SET_BY_THE_SETTINGS = frozenset({"token:granttype", "token:resourceuri"})
_USER_NAMES = ("username", "user", "login", "email", "account")


def read_sign_in_methods(
    properties: Mapping[str, Json], security: Mapping[str, Json]
) -> tuple[tuple[SignInMethod, ...], list[Problem]]:
    """The ways to sign in, never none, and what of them cannot be used.

    properties: of apiProperties, inside its `properties`. security: `securityDefinitions`.
    """
    problems: list[Problem] = []
    sets = _mapping(properties.get("connectionParameterSets")).get("values")
    if isinstance(sets, list) and sets:
        methods = tuple(
            _method(
                _mapping(one.get("parameters")),
                security,
                problems,
                pointer=f"/properties/connectionParameterSets/values/{index}/parameters",
                name=str(one.get("name", "")),
                title=str(_mapping(one.get("uiDefinition")).get("displayName", "")),
            )
            for index, one in enumerate(sets)
            if isinstance(one, dict)
        )
        if methods:
            return methods, problems
    declared = _mapping(properties.get("connectionParameters"))
    return (_method(declared, security, problems, pointer="/properties/connectionParameters"),), problems


def _method(
    declared: Mapping[str, Json],
    security: Mapping[str, Json],
    problems: list[Problem],
    *,
    pointer: str,
    name: str = "",
    title: str = "",
) -> SignInMethod:
    fields: list[ConnectionParameter] = []
    oauth: OAuthSettings | None = None
    kind = SignInKind.NONE
    for key, node in declared.items():
        node = _mapping(node)
        kind_of_value = str(node.get("type", "string")).lower()
        if kind_of_value == "oauthsetting":
            settings = _mapping(node.get("oAuthSettings") or node.get("oauthSettings"))
            oauth = read_oauth_settings(settings, declared, security)
            kind = SignInKind.CLIENT_CREDENTIALS if asks_for_itself(settings) else SignInKind.OAUTH2
            if oauth is None:
                kind = SignInKind.UNSUPPORTED
            if oauth is None:
                provider = settings.get("identityProvider", "")
                problems.append(
                    _problem(
                        "UnsupportedSignIn",
                        f"{pointer}/{key}",
                        f"Signing in with the identity provider '{provider}' is not supported.",
                    )
                )
        elif kind_of_value == "gatewaysetting":
            kind = SignInKind.UNSUPPORTED
            problems.append(
                _problem("UnsupportedGateway", f"{pointer}/{key}", "On-premises data gateways are not supported.")
            )
        else:
            fields.append(_field(key, node, kind_of_value))
    shown = [field for field in fields if field.name.lower() not in _SET_BY_THE_SETTINGS]
    method = SignInMethod(kind=kind, name=name, title=title, parameters=tuple(shown if oauth else fields), oauth=oauth)
    return method if kind is not SignInKind.NONE else _with_secrets(method, security)


def _with_secrets(method: SignInMethod, security: Mapping[str, Json]) -> SignInMethod:
    definitions = [_mapping(node) for node in security.values()]
    secrets = [field for field in method.parameters if field.is_secret]
    certificate = next((field.name for field in secrets if field.type == CERTIFICATE_TYPE), "")
    if certificate:
        password = next((field.name for field in secrets if field.name != certificate), "")
        return _as(
            method, SignInKind.CLIENT_CERTIFICATE, certificate_parameter=certificate, password_parameter=password
        )
    if any(str(node.get("type", "")).lower() == "basic" for node in definitions):
        pair = _user_and_password(method.parameters)
        if pair is not None:
            user, password = pair
            return _as(method, SignInKind.BASIC, user_parameter=user, password_parameter=password)
    if not secrets:
        return method
    keys = {name: node for name, node in security.items() if str(_mapping(node).get("type", "")).lower() == "apikey"}
    signature = next((str(node["x-flowmend-signature"]) for node in definitions if "x-flowmend-signature" in node), "")
    if signature:
        return _as(method, SignInKind.API_KEY, signature=signature)
    return _as(method, SignInKind.API_KEY, placements=_placements(secrets, method.parameters, keys))


def _as(method: SignInMethod, kind: SignInKind, **more: Json) -> SignInMethod:
    return SignInMethod(kind=kind, name=method.name, title=method.title, parameters=method.parameters, **more)


def _placements(
    secrets: list[ConnectionParameter], fields: tuple[ConnectionParameter, ...], keys: Mapping[str, Json]
) -> tuple[KeyPlacement, ...]:
    by_name = {field.name.lower(): field.name for field in fields}
    spare = [field.name for field in secrets if field.name.lower() not in {key.lower() for key in keys}]
    if not spare:
        spare = [field.name for field in secrets]
    placed: list[KeyPlacement] = []
    for key, node in keys.items():
        parameter = by_name.get(key.lower())
        if parameter is None:  # the last one serves every further definition: one key declared for header and query
            parameter = spare.pop(0) if len(spare) > 1 else spare[0]
        location = Location.QUERY if str(node.get("in", "")).lower() == "query" else Location.HEADER
        placed.append(KeyPlacement(parameter=parameter, location=location, name=str(node.get("name", key))))
    return tuple(placed)


def _user_and_password(fields: tuple[ConnectionParameter, ...]) -> tuple[str, str] | None:
    by_name = {field.name.lower(): field.name for field in fields}
    user = next((by_name[word] for word in _USER_NAMES if word in by_name), None)
    secrets = [field.name for field in fields if field.is_secret and field.name != user]
    password = by_name.get("password") or (secrets[-1] if secrets else None)
    if user is None:
        others = [field.name for field in fields if field.name != password]
        user = next((name for name in secrets if name != password), others[0] if others else None)
    return (user, password) if user is not None and password is not None else None


def _field(name: str, node: Mapping[str, Json], kind: str) -> ConnectionParameter:
    shown = _mapping(node.get("uiDefinition"))
    constraints = _mapping(shown.get("constraints"))
    is_secret = kind.startswith("secure") or kind == CERTIFICATE_TYPE
    is_hidden = _is_true(constraints.get("hidden"))
    allowed = node.get("allowedValues") or constraints.get("allowedValues")
    allowed = allowed if isinstance(allowed, list) else []
    return ConnectionParameter(
        name=name,
        type=kind,
        title=str(shown.get("displayName") or name),
        description=str(shown.get("description") or ""),
        hint=str(shown.get("tooltip") or ""),
        is_secret=is_secret,
        is_required=_is_true(constraints.get("required", is_secret)) and not is_hidden,
        default=node.get("defaultValue", constraints.get("default")),
        allowed_values=tuple(str(_mapping(value).get("value", value)) for value in allowed if value is not None),
        allowed_titles=tuple(
            str(_mapping(value).get("text") or _mapping(value).get("value", value))
            for value in allowed
            if value is not None
        ),
        connection_of=str(node.get("x-flowmend-connection-of") or ""),
        is_hidden=is_hidden,
        is_multiline=_is_true(node.get("x-flowmend-multiline")),
    )


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _is_true(value: Json) -> bool:
    return str(value).lower() == "true"


def _problem(code: str, pointer: str, message: str) -> Problem:
    return Problem(severity=Severity.WARNING, code=code, pointer=pointer, message=message)
