"""Why a probe does not start."""

from http import HTTPStatus

from romantic.errors import NotFound, RomanticError


class ProbeNotFound(NotFound):
    """No such probe, one that is older than a day, or somebody else's."""

    code = "PROBE_NOT_FOUND"
    message = "There is no such probe."


class ProbeNoCandidates(RomanticError):
    """The offer names no address: it was made before gathering, or nothing was gathered."""

    code = "PROBE_NO_CANDIDATES"
    message = "Gather candidates first, with STUN servers, and offer then."


class ProbeBusy(RomanticError):
    """This process measures as many networks as it can without spoiling the figures."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "PROBE_BUSY"
    message = "Too many probes are running. Try again in a moment."
    retryable = True
