"""E-mail by Amazon SES: plain text, one recipient."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from romantic.integrations.aws import LateClient, asking, late_client
from romantic.integrations.breaker import Breaker
from romantic.settings import SETTINGS
from romantic.upstream import upstream

DEADLINE_SECONDS = 10.0


class Email:
    """One SES client (API version 2) and the address we write from."""

    def __init__(self, client: LateClient, sender: str) -> None:
        self._client = client
        self._sender = sender
        self.breaker = Breaker()

    async def send(self, address: str, *, subject: str, text: str) -> str:
        """The provider's message id; raises AwsRefusal."""
        simple = {
            "Subject": {"Data": subject, "Charset": "UTF-8"},
            "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
        }
        client = await self._client.get()
        with asking(self.breaker), upstream("ses", "send_email"):
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await client.send_email(
                    FromEmailAddress=self._sender,
                    Destination={"ToAddresses": [address]},
                    Content={"Simple": simple},
                )
            return str(answer["MessageId"])


EMAIL = web.AppKey[Email | None]("EMAIL")


async def email(app: web.Application) -> AsyncIterator[None]:
    """None without a sender: nobody is written to."""
    settings = app[SETTINGS]
    app[EMAIL] = None
    if not settings.ses_sender:
        yield
        return
    endpoint = settings.aws_endpoint_url_ses
    async with late_client(settings, "sesv2", endpoint, seconds=DEADLINE_SECONDS) as client:
        app[EMAIL] = Email(client, settings.ses_sender)
        yield
