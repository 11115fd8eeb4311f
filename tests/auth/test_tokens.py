"""Access tokens: one algorithm, our issuer, our audience, our type, in time, unedited."""

import base64
import json
import re
import time
from uuid import uuid4

import jwt
import pytest

KEY = "test-only-secret-of-more-than-thirty-two-characters"


def forge(genuine, *, claims=None, headers=None, key=KEY, algorithm="HS256"):
    """The genuine token with some claims and headers changed, signed again."""
    changed = jwt.decode(genuine, options={"verify_signature": False}) | (claims or {})
    changed = {name: value for name, value in changed.items() if value is not None}
    header = {"kid": "test", "typ": "at+jwt"} | (headers or {})
    header = {name: value for name, value in header.items() if value is not None}
    return jwt.encode(changed, key, algorithm=algorithm, headers=header)


def edit(genuine, **claims):
    """Changed claims under the old signature."""
    header, body, signature = genuine.split(".")
    data = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    body = base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


def deep(genuine):
    header = base64.urlsafe_b64encode(b'{"a":' + b"[" * 5000).rstrip(b"=").decode()
    return f"{header}.e30.x"


FORGED = {
    "alg none": lambda token: forge(token, key=None, algorithm="none"),
    "alg HS512": lambda token: forge(token, algorithm="HS512"),
    "another key": lambda token: forge(token, key="x" * 40),
    "unknown kid": lambda token: forge(token, headers={"kid": "other"}),
    "kid that is a path": lambda token: forge(token, headers={"kid": "../../dev/null"}),
    "no typ": lambda token: forge(token, headers={"typ": None}),
    "typ JWT": lambda token: forge(token, headers={"typ": "JWT"}),
    "another audience": lambda token: forge(token, claims={"aud": "admin"}),
    "no audience": lambda token: forge(token, claims={"aud": None}),
    "another issuer": lambda token: forge(token, claims={"iss": "evil"}),
    "expired": lambda token: forge(token, claims={"exp": int(time.time()) - 60}),
    "never expires": lambda token: forge(token, claims={"exp": None}),
    "from the future": lambda token: forge(token, claims={"iat": int(time.time()) + 600}),
    "no session": lambda token: forge(token, claims={"sid": None}),
    "session that is no id": lambda token: forge(token, claims={"sid": "1"}),
    "no jti": lambda token: forge(token, claims={"jti": None}),
    "edited": lambda token: edit(token, scope="admin"),
    "edited session": lambda token: edit(token, sid="00000000-0000-0000-0000-000000000000"),
    "signature cut off": lambda token: token.rsplit(".", 1)[0] + ".",
    "one part": lambda token: token.split(".")[0],
    "nested deep": deep,
    "no text": lambda token: "\udcff\udcfe",
    "empty": lambda token: "",
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
async def test_forged_token_is_refused(client, make_person, change):
    person = await make_person()
    token = change(person.access_token)

    response = await client.get("/api/auth/profile", headers={"Authorization": f"Bearer {token}"})

    assert response.status == 401
    assert (await response.json())["error"]["code"] == "UNAUTHORIZED"


async def test_the_same_forge_with_nothing_changed_is_good(client, make_person):
    """Or the tests above would prove nothing."""
    person = await make_person()
    token = forge(person.access_token)

    response = await client.get("/api/auth/profile", headers={"Authorization": f"Bearer {token}"})

    assert response.status == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearerx", ""])
async def test_only_the_bearer_scheme_counts(client, make_person, scheme):
    person = await make_person()

    headers = {"Authorization": f"{scheme} {person.access_token}"}
    response = await client.get("/api/auth/profile", headers=headers)

    assert response.status == 401


async def test_token_holds_neither_phone_nor_role(make_person):
    person = await make_person()

    claims = jwt.decode(person.access_token, options={"verify_signature": False})

    assert person.phone_number not in str(claims)
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "scope", "iat", "exp"}


async def test_token_dies_when_its_time_is_over_although_it_was_remembered(make_client, make_person):
    client = await make_client(jwt_access_ttl=0)
    person = await make_person(at=client)
    fresh = forge(person.access_token, claims={"exp": int(time.time()) - 9})  # within the leeway of ten
    dead = forge(person.access_token, claims={"exp": int(time.time()) - 11})

    answers = [
        await client.get("/api/auth/profile", headers={"Authorization": f"Bearer {token}"})
        for token in (fresh, dead)
    ]

    assert [response.status for response in answers] == [200, 401]


async def test_every_protected_endpoint_refuses_the_anonymous(client):
    from romantic.app import ROUTES
    from romantic.http import anyone

    paths = [
        (route.method, re.sub(r"\{\w+\}", str(uuid4()), route.path))
        for route in ROUTES
        if route.guard is not anyone
    ]
    answers = {path: (await client.request(*path)).status for path in paths}

    assert set(answers.values()) == {401}, answers
