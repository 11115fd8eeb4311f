"""The description of the sockets is what the server runs, and tools can read it."""

import json
from pathlib import Path

import jsonschema
import pytest

from romantic.app import EVENTS
from romantic.cli.openapi import FOLDER, texts
from romantic.docs import protocol
from romantic.errors import RomanticError
from romantic.realtime.events import CloseCode

RULES = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
KEPT = (FOLDER / "asyncapi.json").read_text()
DOCUMENT = json.loads(KEPT)
MESSAGES = DOCUMENT["components"]["messages"]
#: What no server sends: a page that is left, and a connection without a goodbye.
SEEN_BY_CLIENTS = {1001, 1006}


def test_the_kept_document_is_up_to_date():
    assert texts()["asyncapi.json"] == KEPT, "run.py openapi --write"


def test_the_document_is_valid():
    jsonschema.Draft7Validator(RULES).validate(DOCUMENT)


@pytest.mark.parametrize(
    "fault", [{"channels": []}, {"operations": {"x": {"action": "shout"}}}, {"extra": 1}]
)
def test_the_rules_refuse_what_is_no_such_document(fault):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(RULES).validate(DOCUMENT | fault)


def test_every_reference_leads_somewhere():
    def follow(value):
        if isinstance(value, dict):
            if "$ref" in value:
                target = DOCUMENT
                for part in value["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for one in value.values():
                follow(one)
        if isinstance(value, list):
            for one in value:
                follow(one)

    follow(DOCUMENT)


def test_every_event_each_way_is_described_with_its_answer():
    asked = {name.removeprefix("receive-") for name in DOCUMENT["operations"] if name.startswith("receive-")}
    told = {name.removeprefix("send-") for name in DOCUMENT["operations"] if name.startswith("send-")}

    assert asked == {route.name for route in EVENTS}
    assert told == set(protocol.server_events()) == set(protocol.occasions())
    assert {f"ack-{name}" for name in asked} <= set(MESSAGES)
    assert [name for name, message in MESSAGES.items() if not message["summary"].strip(".")] == []


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_keeps_to_its_own_schema(name):
    for example in MESSAGES[name]["examples"]:
        jsonschema.validate(example["payload"], MESSAGES[name]["payload"])


def test_close_codes_and_error_codes_are_complete():
    assert {close["code"] for close in DOCUMENT["x-close-codes"]} == set(CloseCode) | SEEN_BY_CLIENTS
    codes = [error["code"] for error in DOCUMENT["x-error-codes"]]
    product = [code for code, error in RomanticError.registry.items() if ".dev." not in error.__module__]
    assert codes == sorted(product)
    assert MESSAGES["error"]["payload"]["properties"]["data"]["properties"]["code"]["enum"] == codes
