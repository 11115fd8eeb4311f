"""Text messages by Amazon SNS: the way a code takes when WhatsApp does not bring it."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from romantic.integrations.aws import LateClient, asking, late_client
from romantic.integrations.breaker import Breaker
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

DEADLINE_SECONDS = 5.0
#: Delivered first, and billed as such; the other kind is for advertisements.
TRANSACTIONAL = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}


class Sms:
    """One SNS client. A message is asked for once per call: SNS knows no key that would make two one."""

    def __init__(self, client: LateClient) -> None:
        self._client = client
        self.breaker = Breaker()

    async def send(self, phone_number: str, text: str) -> str:
        """The provider's message id; raises AwsRefusal."""
        client = await self._client.get()
        with asking(self.breaker), upstream("sns", "publish"):
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await client.publish(
                    PhoneNumber=phone_number, Message=text, MessageAttributes=TRANSACTIONAL
                )
            return str(answer["MessageId"])


SMS = web.AppKey[Sms | None]("SMS")


def has_sms(settings: Settings) -> bool:
    return settings.sms_provider == "sns"


async def sms(app: web.Application) -> AsyncIterator[None]:
    """None without a provider: codes go by WhatsApp only."""
    settings = app[SETTINGS]
    app[SMS] = None
    if not has_sms(settings):
        yield
        return
    endpoint = settings.aws_endpoint_url_sns
    async with late_client(settings, "sns", endpoint, seconds=DEADLINE_SECONDS) as client:
        app[SMS] = Sms(client)
        yield
