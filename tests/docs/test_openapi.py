"""The description of the API is what the server runs, and tools can read it."""

import json

import pytest
from openapi_spec_validator import validate

from romantic.app import ROUTES
from romantic.cli.openapi import FOLDER, print_openapi, texts
from romantic.docs.openapi import openapi


@pytest.fixture(scope="module", params=["3.1.0", "3.0.3"])
def document(request):
    return openapi(ROUTES, version=request.param)


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_document_is_valid(document):
    validate(document)


def test_every_route_is_described_once(document):
    described = [operation["operationId"] for operation in operations(document)]

    assert (
        len(set(described)) == len(described) == len([route for route in ROUTES if "/ws" not in route.path])
    )


def test_nothing_is_null_by_default_in_a_query(document):
    parameters = [one for operation in operations(document) for one in operation["parameters"]]

    assert [one["name"] for one in parameters if one.get("schema", {}).get("default", 0) is None] == []


@pytest.mark.parametrize("name", ["openapi.json", "openapi-3.0.json"])
def test_the_kept_document_is_up_to_date(name):
    assert (FOLDER / name).read_text() == texts()[name], "run.py openapi --write"


def test_the_command_prints_the_document(capsys):
    print_openapi(version="3.0")

    assert json.loads(capsys.readouterr().out)["openapi"] == "3.0.3"
