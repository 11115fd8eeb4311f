"""The data of the events every socket knows."""

import marshmallow as ma
from marshmallow import fields, validate

from romantic.http import Schema
from romantic.realtime.streams import MAX_SEQ


class EventData(Schema):
    """Unknown fields of an event are ignored, so that newer apps can talk to older servers."""

    class Meta:
        unknown = ma.EXCLUDE


class Auth(EventData):
    token = fields.Str(required=True, validate=validate.Length(max=4096))


class Resume(EventData):
    session_id = fields.Str(required=True, validate=validate.Length(max=64))
    epoch = fields.Str(required=True, validate=validate.Length(max=64))
    seq = fields.Int(required=True, strict=True, validate=validate.Range(min=0, max=MAX_SEQ))


class Ping(EventData):
    t = fields.Raw(load_default=None, allow_none=True)


class AppState(EventData):
    state = fields.Str(required=True, validate=validate.OneOf(("foreground", "background")))
