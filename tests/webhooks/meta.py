"""What Meta sends to our webhook, signed as Meta signs it."""

import hashlib
import hmac
import json
from typing import Any

from romantic.db import connection
from romantic.jobs.queue import list_jobs
from tests.waiting import until

SECRET = "test-only-app-secret"
TOKEN = "test-only-verify-token"
NUMBER = "123456789012345"
URL = "/api/webhooks/whatsapp"


def status(message_id: Any, word: Any) -> dict[str, Any]:
    return {"id": message_id, "status": word, "timestamp": "1700000000", "recipient_id": "15550100"}


def change(*statuses: Any, number: Any = NUMBER) -> dict[str, Any]:
    metadata = {"display_phone_number": "+1234567890", "phone_number_id": number}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(statuses)}
    return {"value": value, "field": "messages"}


def delivery(*changes: Any) -> dict[str, Any]:
    """One entry per change, under the id of the business account."""
    entries = [{"id": "WABA", "changes": [item]} for item in changes]
    return {"object": "whatsapp_business_account", "entry": entries}


def sign(raw: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def post(client: Any, raw: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Status and answer for these bytes, properly signed unless told otherwise, once they were acted on."""
    response = await client.post(URL, data=raw, headers=sign(raw) if headers is None else headers)
    await until(lambda: acted_on(client))
    return response.status, await response.json()


async def acted_on(client: Any) -> bool:
    """Whether every piece of news was tried at least once."""
    async with connection(client.app) as conn:
        jobs = await list_jobs(conn, kind="webhook.statuses", page_size=100)
    return all(job["attempts"] and job["status"] != "running" for job in jobs)


async def tell(client: Any, *statuses: Any, number: Any = NUMBER) -> int:
    """One delivery with these statuses: the status of the answer."""
    told = await post(client, json.dumps(delivery(change(*statuses, number=number))).encode())
    return told[0]
