"""Health and version."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, anything, text, whole


class Alive(Answer):
    """The process turns."""

    status = text("ok")


class Ready(Answer):
    """`degraded` where something is missed but not needed."""

    status = text("ok", about="ok or degraded.")
    checks = anything({"database": "ok", "redis": "ok"})


class Health(Answer):
    """For people."""

    status = text("ok", about="ok, degraded, down or draining.")
    checks = anything({"database": "ok", "redis": "ok"})
    providers = anything(
        {"whatsapp": "ok", "push": "degraded"},
        about="How each did when it was asked last; none of them gates.",
    )
    uptime_seconds = whole(86_400)


class Version(Answer):
    """What is running."""

    version = text("1.0.0")


OPERATIONS = {
    "GET /health/live": Operation("Is the process alive", "Alive", Alive),
    "GET /health/ready": Operation(
        "Should this process get traffic", "Ready", Ready, "NOT_READY", "503 while it starts, drains, or "
        "lacks its database."
    ),
    "GET /health": Operation("What the process depends on", "Health", Health, about="Always 200; the "
    "status is in the body."),
    "GET /version": Operation("What is running", "Version", Version),
}  # fmt: skip
