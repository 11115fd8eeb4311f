"""Sound and films as phones record them, made with the codecs that programs of the field use."""

import array
import io
import math
from fractions import Fraction

import av
from av.container import OutputContainer


def sound(container: str = "mp4", codec: str = "aac", *, seconds: float = 0.5) -> bytes:
    """A quiet tone."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as opened:
        _play(opened, codec, seconds)
    return out.getvalue()


def film(container: str = "mp4", codec: str = "libx264", *, frames: int = 5) -> bytes:
    """Some frames of grey, without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as opened:
        stream = opened.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(frames):
            opened.mux(stream.encode(_grey(40 * number)))
        opened.mux(stream.encode(None))
    return out.getvalue()


def _grey(shade: int) -> av.VideoFrame:
    frame = av.VideoFrame(64, 64, "yuv420p")
    for plane, value in zip(frame.planes, (shade, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def _play(opened: OutputContainer, codec: str, seconds: float) -> None:
    rate = 48_000
    stream = opened.add_stream(codec, rate=rate)
    stream.layout = "mono"
    wave = array.array("f", (math.sin(n / 20) / 10 for n in range(int(seconds * rate))))
    frame = av.AudioFrame("flt", "mono", len(wave))
    frame.planes[0].update(wave.tobytes())
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        opened.mux(stream.encode(piece))
    opened.mux(stream.encode(None))
