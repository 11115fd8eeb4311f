"""The description of the API is what the server runs, and tools can read it."""

import json

import pytest
from openapi_spec_validator import validate

from romantic.app import ROUTES
from romantic.cli.openapi import FOLDER, print_openapi, texts
from romantic.docs.openapi import documented, openapi, operation_id, operation_of
from romantic.docs.operations import OPERATIONS
from romantic.docs.refusals import is_idempotent
from romantic.http.guards import anyone
from romantic.http.limits import UNLIMITED
from tests.docs.conformance import Conformance


@pytest.fixture(scope="module", params=["3.1.0", "3.0.3"])
def document(request):
    return openapi(ROUTES, version=request.param)


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_document_is_valid(document):
    validate(document)


def test_every_route_is_described_once(document):
    described = [operation["operationId"] for operation in operations(document)]

    assert len(set(described)) == len(described) == len(documented(ROUTES))


def test_every_route_is_described_by_hand_and_nothing_else_is():
    assert sorted(OPERATIONS) == sorted(f"{route.method} {route.path}" for route in documented(ROUTES))


def test_every_operation_says_what_a_caller_asks(document):
    for operation in operations(document):
        success = operation["responses"]["200"]
        assert operation["summary"], operation["operationId"]
        assert "X-Request-Id" in success["headers"]
        for content in success["content"].values():
            assert "example" in content or content["schema"].get("format") == "binary"
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or "example" in body or not operation["security"]


def test_access_limits_and_keys_are_those_of_the_tables(document):
    by_id = {operation["operationId"]: operation for operation in operations(document)}
    for route in documented(ROUTES):
        operation = by_id[operation_id(route)]
        keys = [one for one in operation["parameters"] if one.get("$ref", "").endswith("/IdempotencyKey")]
        is_open = route.guard is anyone
        assert is_open == ({} in operation["security"] or operation["security"] == [])
        assert (
            (route.limit is not UNLIMITED)
            == ("x-rate-limit" in operation)
            == ("429" in operation["responses"])
        )
        assert is_idempotent(route) == bool(keys) == ("422" in operation["responses"])


@pytest.mark.parametrize(
    "route",
    [route for route in documented(ROUTES) if route.body],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_documented_request_is_accepted_by_the_schema_that_runs(route):
    route.body.load(operation_of(route).body)


def test_documented_answers_are_what_the_document_describes():
    conformance = Conformance()
    for route in documented(ROUTES):
        answer = conformance.example(route.method, route.path)
        if answer is not None:
            assert list(conformance.faults(route.method, route.path, 200, "application/json", answer)) == []


def test_error_codes_are_linked_to_their_pages(document):
    for name, response in document["components"]["responses"].items():
        for code in response["content"]["application/json"]["examples"]:
            assert f"(/docs/errors/{code})" in response["description"], name


def test_nothing_is_null_by_default_in_a_query(document):
    parameters = [one for operation in operations(document) for one in operation["parameters"]]

    assert [one["name"] for one in parameters if one.get("schema", {}).get("default", 0) is None] == []


@pytest.mark.parametrize("name", ["openapi.json", "openapi-3.0.json"])
def test_the_kept_document_is_up_to_date(name):
    assert (FOLDER / name).read_text() == texts()[name], "run.py openapi --write"


def test_the_command_prints_the_document(capsys):
    print_openapi(version="3.0")

    assert json.loads(capsys.readouterr().out)["openapi"] == "3.0.3"
