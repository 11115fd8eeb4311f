"""AdMob on this server's own address: verifier keys, and ads that were watched, told of as Google would."""

import base64
import secrets
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from romantic.dev.moods import KEPT_MOODS, bad_day
from romantic.settings import SETTINGS

KEY_ID = 1

AD_KEY = web.AppKey("AD_KEY", ec.EllipticCurvePrivateKey)


async def list_keys(request: web.Request) -> web.Response:
    """GET /keys.json, in the shape of gstatic.com/admob/reward/verifier-keys.json"""
    if bad := await bad_day(request, "ads"):
        return bad
    pem = request.app[AD_KEY].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return web.json_response({"keys": [{"keyId": KEY_ID, "pem": pem.decode()}]})


async def watch(request: web.Request) -> web.Response:
    """POST /dev/ads/{nonce}/watch: a rewarded ad is told of to our own webhook, whose answer is passed on."""
    is_forged = request.app[KEPT_MOODS]["ads"] == "forged"
    key = ec.generate_private_key(ec.SECP256R1()) if is_forged else request.app[AD_KEY]
    values = {"ad_network": "5450213213286189855", "ad_unit": "1234567890"}
    values |= {"custom_data": request.match_info["nonce"], "reward_amount": "1", "reward_item": "Coins"}
    content = urlencode(values | {"transaction_id": secrets.token_hex(16)})
    signature = base64.urlsafe_b64encode(key.sign(content.encode(), ec.ECDSA(SHA256()))).decode().rstrip("=")
    url = f"{request.app[SETTINGS].public_base_url}/api/webhooks/admob"
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
        http.get(f"{url}?{content}&signature={signature}&key_id={KEY_ID}") as answer,
    ):
        return web.json_response(await answer.json(), status=answer.status)


def add_admob(app: web.Application) -> None:
    app[AD_KEY] = ec.generate_private_key(ec.SECP256R1())
    app.router.add_get("/dev/admob/keys.json", list_keys)
    app.router.add_post("/dev/ads/{nonce}/watch", watch)
