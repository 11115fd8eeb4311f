"""Why a device is refused."""

from romantic.errors import NotFound


class DeviceNotFound(NotFound):
    """There is no such device, or it is not the user's."""

    code = "DEVICE_NOT_FOUND"
    message = "There is no such device."
