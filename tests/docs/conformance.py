"""Whether what was really answered is what the document says."""

import copy
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from aiohttp import web
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

    def knows(self, method: str, path: str) -> bool:
        """Sockets and pages are described elsewhere."""
        return (method, path) in self._operations

    def faults(self, method: str, path: str, status: int, content_type: str, body: Any) -> Iterator[str]:
        """Sentences; none for what is described."""
        operation = self._operations[method, path]
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

    def example(self, method: str, path: str) -> Any:
        """The answer the document shows; None where it is no JSON."""
        content = self._operations[method, path]["responses"]["200"]["content"]
        return content.get("application/json", {}).get("example")

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


@lru_cache
def _conformance() -> Conformance:
    return Conformance()


def watch(app: web.Application) -> list[str]:
    """Compare every answer of this application with the document; the list fills with what differs."""
    faults: list[str] = []

    async def compare(request: web.Request, response: web.StreamResponse) -> None:
        resource = request.match_info.route.resource
        path = resource.canonical if resource else ""
        if not (said := _conformance()).knows(request.method, path):
            return
        answer = (response.status, response.content_type, _json(response))
        faults.extend(said.faults(request.method, path, *answer))
        if "X-Request-Id" not in response.headers:
            faults.append(f"{request.method} {path} has no X-Request-Id")

    app.on_response_prepare.append(compare)
    return faults


def _json(response: web.StreamResponse) -> Any:
    body = getattr(response, "body", None)
    return json.loads(body) if body and response.content_type == "application/json" else None


def _strict(document: Spec) -> Spec:
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document
