"""What Meta tells of a message it took: signed, and posted to our own webhook."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import aiohttp
import orjson
from aiohttp import web

from romantic.dev.moods import KEPT_MOODS
from romantic.settings import SETTINGS

#: Seconds after the message; a number that ends in 92 cannot be reached.
COURSE = (("sent", 0.2), ("delivered", 0.5), ("read", 2.0))
MISFORTUNE = (("sent", 0.2), ("failed", 0.5))
UNREACHABLE = "92"

TOLD = web.AppKey[set[asyncio.Task[None]]]("TOLD")


def tell_of(app: web.Application, message_id: str, number: str, reference: str | None) -> None:
    """Start telling what becomes of a message."""
    task = asyncio.create_task(_tell(app, message_id, number, reference))
    app[TOLD].add(task)
    task.add_done_callback(app[TOLD].discard)


async def _tell(app: web.Application, message_id: str, number: str, reference: str | None) -> None:
    settings, began = app[SETTINGS], time.monotonic()
    if not settings.public_base_url:
        return
    url = f"{settings.public_base_url}/api/webhooks/whatsapp"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        for word, seconds in MISFORTUNE if number.endswith(UNREACHABLE) else COURSE:
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            status = {"id": message_id, "status": word, "timestamp": str(int(time.time()))}
            status |= {"recipient_id": number, "biz_opaque_callback_data": reference or ""}
            metadata = {"phone_number_id": settings.whatsapp_phone_number_id}
            change = {"field": "messages", "value": {"metadata": metadata, "statuses": [status]}}
            raw = orjson.dumps(
                {"object": "whatsapp_business_account", "entry": [{"id": "0", "changes": [change]}]}
            )
            is_forged = app[KEPT_MOODS]["whatsapp"] == "forged"
            secret = "somebody else's" if is_forged else settings.whatsapp_app_secret
            digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
            headers = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
            try:
                async with http.post(url, data=raw, headers=headers):
                    pass
            except (aiohttp.ClientError, TimeoutError, OSError):
                return  # the server is going down


async def telling(app: web.Application) -> AsyncIterator[None]:
    app[TOLD] = set()
    yield
    for task in app[TOLD]:
        task.cancel()
    await asyncio.gather(*app[TOLD], return_exceptions=True)
