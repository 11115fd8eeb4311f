"""The laboratory for the tests of this folder; others import what they need from `fixtures`."""

from tests.lab.fixtures import lab, make_world_site, stun_server, world_site
from tests.lab.relay import coturn

__all__ = ["coturn", "lab", "make_world_site", "stun_server", "world_site"]
