"""The laboratory for the tests of this folder; others import what they need from `fixtures`."""

from tests.lab.fixtures import lab, make_world_site, stun_server, world_site

__all__ = ["lab", "make_world_site", "stun_server", "world_site"]
