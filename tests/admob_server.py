"""Google's side of rewarded ads: verifier keys, and callbacks signed with them."""

import asyncio
import base64
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class AdMobServer:
    """The keys by id, how often they were asked for, and how their server behaves."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None
        self.forget()

    def forget(self) -> None:
        self.asked = 0
        self.is_down = False
        self.mood = "ok"
        self.keys: dict[int, ec.EllipticCurvePrivateKey] = {}
        self.add_key(1)

    def add_key(self, key_id: int) -> None:
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/keys.json", self._list_keys)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/keys.json"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _list_keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.mood == "silence":
            await asyncio.sleep(60)
        if self.mood == "garbage":
            return web.Response(text="<html>busy</html>")
        if self.is_down or self.mood != "ok":
            return web.Response(status={"busy": 429, "broken": 500}.get(self.mood, 503))
        return web.json_response({"keys": [_row(key_id, key) for key_id, key in self.keys.items()]})

    def query(self, nonce: str | None, *, transaction_id: str, key_id: int = 1, **more: str) -> str:
        """A signed query string as AdMob sends it: signature and key id come last."""
        values = {"ad_network": "5450213213286189855", "ad_unit": "1234567890"}
        values |= {"custom_data": nonce} if nonce is not None else {}
        values |= {"reward_amount": "1000000", "reward_item": "Coins", "timestamp": "1507770365237"}
        content = urlencode(values | {"transaction_id": transaction_id} | more)
        signature = self.keys[key_id].sign(content.encode(), ec.ECDSA(SHA256()))
        text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
        return f"{content}&signature={text}&key_id={key_id}"


def _row(key_id: int, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"keyId": key_id, "pem": pem.decode()}
