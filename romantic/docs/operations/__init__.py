"""What is said of every endpoint beside its row: one file per room, under the row's method and path."""

from romantic.docs.operation import Operation
from romantic.docs.operations import (
    admin,
    auth,
    calls,
    coins,
    devices,
    http,
    messages,
    preferences,
    probe,
    realtime,
    super_lover,
    users,
    webhooks,
)

OPERATIONS: dict[str, Operation] = {
    key: operation
    for room in (
        http,
        auth,
        users,
        super_lover,
        preferences,
        coins,
        messages,
        calls,
        probe,
        devices,
        realtime,
        webhooks,
        admin,
    )
    for key, operation in room.OPERATIONS.items()
}
