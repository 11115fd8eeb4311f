"""The process that decodes what strangers send, and what goes over its pipes. See README.md."""

from romantic.decoding.errors import InvalidImage, InvalidRecording
from romantic.decoding.frames import AUDIO, VIDEO, Encoded

__all__ = ["AUDIO", "VIDEO", "Encoded", "InvalidImage", "InvalidRecording"]
