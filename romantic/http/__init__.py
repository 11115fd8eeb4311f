"""The HTTP shell: route tables, guards, limits, schemas and the envelope. It knows no product noun."""

from romantic.http.client import client_ip, header_text
from romantic.http.envelope import fail, ok
from romantic.http.guards import (
    AUTHENTICATE,
    PRINCIPAL,
    Authenticate,
    Principal,
    anyone,
    bearer_token,
    person_or_robot,
    proven,
    signed_in,
)
from romantic.http.limits import LIMITER, Limit, Limiter
from romantic.http.paging import page_of
from romantic.http.routing import Route, delete, get, mount, post, put
from romantic.http.schema import Digits, PageQuery, PhoneText, Schema, WholeNumber, Words

__all__ = [
    "AUTHENTICATE",
    "LIMITER",
    "PRINCIPAL",
    "Authenticate",
    "Digits",
    "Limit",
    "Limiter",
    "PageQuery",
    "PhoneText",
    "Principal",
    "Route",
    "Schema",
    "WholeNumber",
    "Words",
    "anyone",
    "bearer_token",
    "client_ip",
    "delete",
    "fail",
    "get",
    "header_text",
    "mount",
    "ok",
    "page_of",
    "person_or_robot",
    "post",
    "proven",
    "put",
    "signed_in",
]
