"""Answers of strangers: read to their end, and never more than they should be."""

import aiohttp


class AnswerTooLong(ValueError):
    """More bytes than any honest answer has."""


async def read_answer(answer: aiohttp.ClientResponse, *, most: int) -> bytes:
    """The whole body; StreamReader.read(n) would return whatever came with the first packet."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > most:
            raise AnswerTooLong(f"more than {most} bytes")
    return bytes(body)
