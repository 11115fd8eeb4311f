"""SNS and SES on this server's own address: texts and e-mails land in the outbox."""

import secrets
from datetime import UTC, datetime
from urllib.parse import parse_qs

from aiohttp import web

from romantic.dev.moods import bad_day
from romantic.dev.outbox import post
from romantic.http.body import read_body, read_json

SNS = "http://sns.amazonaws.com/doc/2010-03-31/"


async def publish(request: web.Request) -> web.Response:
    """POST / with Action=Publish, as the Query API of SNS answers it."""
    form = {name: values[0] for name, values in parse_qs((await read_body(request)).decode()).items()}
    if bad := await bad_day(request, "sms"):
        return bad
    text = form["Message"]
    post(
        request.app,
        {
            "channel": "sms",
            "to": form["PhoneNumber"],
            "text": text,
            "code": text.partition(" ")[0],
            "at": datetime.now(UTC),
        },
    )
    result = f"<PublishResult><MessageId>{secrets.token_hex(16)}</MessageId></PublishResult>"
    answer = f'<PublishResponse xmlns="{SNS}">{result}</PublishResponse>'
    return web.Response(text=answer, content_type="text/xml")


async def send_email(request: web.Request) -> web.Response:
    """POST /v2/email/outbound-emails, as SES answers it."""
    mail = await read_json(request)
    if bad := await bad_day(request, "email"):
        return bad
    content = mail["Content"]["Simple"]
    post(
        request.app,
        {
            "channel": "email",
            "to": mail["Destination"]["ToAddresses"][0],
            "subject": content["Subject"]["Data"],
            "text": content["Body"]["Text"]["Data"],
            "at": datetime.now(UTC),
        },
    )
    return web.json_response({"MessageId": secrets.token_hex(16)})


def add_aws(app: web.Application) -> None:
    app.router.add_post("/dev/aws/sns", publish)
    app.router.add_post("/dev/aws/ses/v2/email/outbound-emails", send_email)
