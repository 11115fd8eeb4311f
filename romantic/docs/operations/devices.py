"""Phones that pushes reach."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, moment, one, text, uid


class Device(Answer):
    """A phone, without its token: whoever has that could have its pushes moved to an account of theirs."""

    id = uid()
    platform = text("android", about="android, ios or web.")
    last_seen_at = moment()
    created_at = moment()


class Registered(Answer):
    """The device as it is known now."""

    device = one(Device)


OPERATIONS = {
    "POST /api/devices": Operation(
        "Tell where pushes reach this phone", "Device registered successfully", Registered,
        about="Send it at every start of the app and whenever the push service gives a new token. The device "
        "belongs to this session and goes with it: logging out is enough.",
        body={"token": "dGhpc19pc19hX3Rva2VuX29mX0ZDTQ:APA91bEx4mPl3", "platform": "android"},
    ),
    "DELETE /api/devices/{device_id}": Operation(
        "No more pushes to a device", "Device removed successfully", None, "DEVICE_NOT_FOUND"
    ),
}  # fmt: skip
