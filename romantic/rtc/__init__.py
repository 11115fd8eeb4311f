"""The server's own WebRTC peers: monitors that prove a path is alive, and what clients need for theirs."""

from romantic.rtc.beats import Beat, Beats
from romantic.rtc.channel import ChannelPeer, State
from romantic.rtc.errors import BadSdp, MonitorBusy
from romantic.rtc.ice import ice_servers
from romantic.rtc.offer import passive_offer
from romantic.rtc.peer import MonitorPeer
from romantic.rtc.peers import PEERS, Peers, tune_gc
from romantic.rtc.probe import ProbePeer

__all__ = [
    "PEERS",
    "BadSdp",
    "Beat",
    "Beats",
    "ChannelPeer",
    "MonitorBusy",
    "MonitorPeer",
    "Peers",
    "ProbePeer",
    "State",
    "ice_servers",
    "passive_offer",
    "tune_gc",
]
