"""Whether a sound or video file can be played. Pure: bytes in, a word or a refusal out.

Only a worker process imports this module: demuxers and decoders meet hostile bytes here.
"""

import io

import av
from av.container import InputContainer
from av.stream import Disposition

from romantic.media.errors import InvalidRecording
from romantic.media.kinds import AUDIO, VIDEO

#: Ours -> FFmpeg's. Naming it keeps playlists and other formats that open further files out of reach.
DEMUXERS = {"mp4": "mov", "webm": "matroska", "ogg": "ogg", "mp3": "mp3", "aac": "aac"}
MOST_STREAMS = 8
MOST_SIDE = 8192


def probe(body: bytes, container: str) -> str:
    """AUDIO or VIDEO, after the first frame of that stream was decoded; raises InvalidRecording."""
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
