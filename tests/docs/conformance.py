"""Whether what was really answered is what the document says."""

import copy
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from romantic.app import ROUTES
from romantic.docs.openapi import documented, openapi, operation_id
from romantic.docs.refusals import ANYWHERE

Spec = dict[str, Any]


class Conformance:
    """The document of the routes, strict: a key that is sent and not described is a fault."""

    def __init__(self) -> None:
        self._document = _strict(openapi(ROUTES))
        by_id = {
            operation["operationId"]: operation
            for path in self._document["paths"].values()
            for operation in path.values()
        }
        self._operations = {
            (route.method, route.path): by_id[operation_id(route)] for route in documented(ROUTES)
        }
        self._validators: dict[str, Draft202012Validator] = {}

    def faults(self, method: str, path: str, status: int, content_type: str, body: Any) -> Iterator[str]:
        """Sentences; none for what is described, and for addresses that are not in the route tables."""
        operation = self._operations.get((method, path))
        if operation is None:
            return
        code = body["error"]["code"] if isinstance(body, dict) and "error" in body else ""
        if code in ANYWHERE:
            return
        said = f"{method} {path} answers {status} {code}".strip()
        response = self._resolved(operation["responses"].get(str(status)))
        if response is None:
            yield f"{said}: no such status is described"
            return
        content = response.get("content", {}).get(content_type)
        if content is None and response.get("content"):
            yield f"{said}: {content_type} is not described"
        if content is None or content_type != "application/json":
            return
        if code and code not in content["examples"]:
            yield f"{said}: no such code is described"
        for error in self._validator(content["schema"]["$ref"]).iter_errors(body):
            yield f"{said}: {error.json_path} {error.message[:200]}"

    def _resolved(self, response: Spec | None) -> Spec | None:
        if response is None or "$ref" not in response:
            return response
        found: Spec = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        return found

    def _validator(self, reference: str) -> Draft202012Validator:
        if reference not in self._validators:
            schema = {"$ref": reference, "components": self._document["components"]}
            self._validators[reference] = Draft202012Validator(schema, format_checker=FormatChecker())
        return self._validators[reference]


def _strict(document: Spec) -> Spec:
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document
