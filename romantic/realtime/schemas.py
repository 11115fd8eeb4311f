"""The data of the events every socket knows."""

import marshmallow as ma
from marshmallow import fields, validate

from romantic.http import Schema


class EventData(Schema):
    """Unknown fields of an event are ignored, so that newer apps can talk to older servers."""

    class Meta:
        unknown = ma.EXCLUDE


class Auth(EventData):
    token = fields.Str(required=True, validate=validate.Length(max=4096))


class Ping(EventData):
    t = fields.Raw(load_default=None, allow_none=True)


class AppState(EventData):
    state = fields.Str(required=True, validate=validate.OneOf(("foreground", "background")))
