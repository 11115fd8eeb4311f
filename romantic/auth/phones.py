"""Phone numbers: E.164 with a plus, and the keyed hash that stands for one where it must not be stored."""

import hashlib
import hmac
import re

import phonenumbers

from romantic.auth.errors import PhoneInvalid

_SHAPE = re.compile(r"\+[1-9]\d{7,14}")


def normalise(text: str, *, strict: bool) -> str:
    """E.164 (ITU-T): a plus and 8 to 15 digits; strict also wants a number a carrier could have assigned.

    Raises PhoneInvalid.
    """
    number = re.sub(r"[\s().-]", "", text)
    if not number.isascii() or not _SHAPE.fullmatch(number):
        raise PhoneInvalid
    if strict and not phonenumbers.is_valid_number(_parsed(number)):
        raise PhoneInvalid
    return number


def country_prefix(number: str) -> str:
    """The country calling code, such as +44: what message prices and pumping frauds go by."""
    return f"+{_parsed(number).country_code}"


def phone_hash(number: str, pepper: str) -> bytes:
    """HMAC-SHA-256 under the pepper: equal for equal numbers, useless without the pepper."""
    return hmac.digest(pepper.encode(), b"phone|" + number.encode(), hashlib.sha256)


def _parsed(number: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        raise PhoneInvalid from None
