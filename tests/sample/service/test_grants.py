"""The grants' clock, with values only."""

import pytest

from flowmend.sample.service.grants import CODE_SECONDS, AccessToken, Consent, Grants, Refused, Tokens

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CONSENT = Consent(
    user="ada", client_id="app", redirect_uri="http://127.0.0.1/", code_challenge=CHALLENGE, scopes=("a",)
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def redeem(grants: Grants, code: str) -> Tokens | Refused:
    return grants.redeem_code(code, client_id="app", redirect_uri="http://127.0.0.1/", verifier=VERIFIER)


@pytest.mark.parametrize(("seconds", "is_good"), [(CODE_SECONDS - 0.1, True), (CODE_SECONDS, False)])
def test_a_code_lives_a_minute(seconds: float, is_good: bool) -> None:
    clock = Clock()
    grants = Grants(clock=clock, access_token_seconds=60)
    code = grants.issue_code(CONSENT)
    clock.now += seconds
    assert isinstance(redeem(grants, code), Tokens) is is_good


def test_an_access_token_runs_out() -> None:
    clock = Clock()
    grants = Grants(clock=clock, access_token_seconds=60)
    tokens = redeem(grants, grants.issue_code(CONSENT))
    assert isinstance(tokens, Tokens)
    clock.now += 59.9
    assert isinstance(grants.check(tokens.access_token), AccessToken)
    clock.now += 0.1
    assert grants.check(tokens.access_token) == Refused(
        error="invalid_token", description="The access token has expired."
    )


def test_another_application_gets_nothing_for_a_code_or_a_refresh_token() -> None:
    grants = Grants(clock=Clock(), access_token_seconds=60)
    code = grants.issue_code(CONSENT)
    stolen = grants.redeem_code(code, client_id="other", redirect_uri="http://127.0.0.1/", verifier=VERIFIER)
    assert isinstance(stolen, Refused)
    tokens = redeem(grants, code)
    assert isinstance(tokens, Tokens)
    assert isinstance(grants.refresh(tokens.refresh_token, client_id="other"), Refused)
    grants.revoke(tokens.refresh_token, client_id="other")
    assert isinstance(grants.refresh(tokens.refresh_token, client_id="app"), Tokens)


def test_tokens_do_not_show_in_a_repr() -> None:
    grants = Grants(clock=Clock(), access_token_seconds=60)
    tokens = redeem(grants, grants.issue_code(CONSENT))
    assert isinstance(tokens, Tokens)
    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)
