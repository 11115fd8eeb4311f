"""Whether a sound or video file can be played. Pure: bytes in, a word or a refusal out.

Only a worker process imports this module: demuxers and decoders meet hostile bytes here.
"""

import io
import re
import struct

import av
from av.container import InputContainer
from av.stream import Disposition

from romantic.decoding.errors import InvalidRecording
from romantic.decoding.frames import AUDIO, VIDEO

#: Ours -> FFmpeg's. Naming it keeps playlists and other formats that open further files out of reach.
DEMUXERS = {"mp4": "mov", "mov": "mov", "webm": "matroska", "ogg": "ogg", "mp3": "mp3", "aac": "aac"}
MOST_STREAMS = 8
MOST_SIDE = 8192

#: Where QuickTime and MP4 say in which file the samples are (ISO/IEC 14496-12, 8.7.2): version and flags, how
#: many entries; each its size, its kind and its flags, of which the lowest means: in this very file.
_DATA_REFERENCES = re.compile(rb"dref\0\0\0\0")
_PACKED_HEADER = re.compile(rb"cmov.{4}dcom", re.DOTALL)
_ENTRY = struct.Struct(">I4sI")
MOST_ENTRIES = 8


def probe(body: bytes, container: str) -> str:
    """AUDIO or VIDEO, after the first frame of that stream was decoded; raises InvalidRecording."""
    if DEMUXERS[container] == "mov" and _leads_elsewhere(body):
        raise InvalidRecording
    try:
        with av.open(io.BytesIO(body), "r", format=DEMUXERS[container]) as opened:
            return _played(opened)
    except InvalidRecording:
        raise
    except Exception as error:  # the decoders raise nearly everything at damaged files
        raise InvalidRecording from error


def _played(opened: InputContainer) -> str:
    if len(opened.streams) > MOST_STREAMS:
        raise InvalidRecording
    # The cover of a song is a video stream of one picture.
    videos = [video for video in opened.streams.video if not video.disposition & Disposition.attached_pic]
    if any(max(video.width, video.height) > MOST_SIDE for video in videos):
        raise InvalidRecording
    streams = videos or opened.streams.audio
    if not streams:
        raise InvalidRecording
    streams[0].codec_context.thread_count = 1
    if next(opened.decode(streams[0]), None) is None:
        raise InvalidRecording
    return VIDEO if videos else AUDIO


def _leads_elsewhere(body: bytes) -> bool:
    """Whether a player might open further files: samples that are not in this one, or a packed header."""
    if _PACKED_HEADER.search(body):
        return True
    return any(not _is_self_contained(body, found.end()) for found in _DATA_REFERENCES.finditer(body))


def _is_self_contained(body: bytes, place: int) -> bool:
    entries = int.from_bytes(body[place : place + 4], "big")
    place += 4
    if entries > MOST_ENTRIES:
        return False
    for _ in range(entries):
        if len(body) < place + _ENTRY.size:
            return False
        size, _, flags = _ENTRY.unpack_from(body, place)
        if not flags & 1:
            return False
        place += max(size, _ENTRY.size)
    return True
