"""POST /api/messages/send-media and GET /media/messages/…"""

import asyncio
import re
import zlib
from contextlib import AsyncExitStack
from urllib.parse import parse_qs
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import FormData
from yarl import URL

from romantic.errors import Unavailable
from romantic.http.uploads import MOST_BYTES, Uploads
from romantic.integrations.signed_urls import UrlSigner
from romantic.integrations.storage import PRIVATE_SECONDS
from romantic.messages.media import LARGEST, sweep
from tests.aws import ACCESS, aws, bucket  # noqa: F401 - fixtures
from tests.media import pictures, recordings

PATH = "/api/messages/send-media"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PHOTO = pictures.telling_jpeg()
VOICE, FILM, MOVIE = recordings.sound(), recordings.film(), recordings.film("mov", "libx265")


def _elsewhere(body):
    """The same film, whose only data reference does not say that the samples are in this file."""
    place = body.index(b"dref") + 12
    assert body[place + 4 : place + 12] in (b"url \0\0\0\1", b"alis\0\0\0\1")
    return body[: place + 11] + b"\0" + body[place + 12 :]


def _packed(body):
    """The same film, whose header stands at its end and is compressed there: players unpack it."""
    place = body.index(b"moov") - 4
    packed = _box(b"cmvd", len(body[place:]).to_bytes(4, "big") + zlib.compress(body[place:]))
    return body[:place] + _box(b"moov", _box(b"cmov", _box(b"dcom", b"zlib") + packed))


def _box(kind, content):
    return (len(content) + 8).to_bytes(4, "big") + kind + content


#: What people send -> the type of its message, its ending, its content type.
TAKEN = {
    "photo": (PHOTO, "image", "jpg", "image/jpeg"),
    "m4a": (recordings.sound("ipod"), "audio", "m4a", "audio/mp4"),
    "mp4 of sound": (VOICE, "audio", "m4a", "audio/mp4"),
    "aac": (recordings.sound("adts"), "audio", "aac", "audio/aac"),
    "ogg": (recordings.sound("ogg", "libopus"), "audio", "ogg", "audio/ogg"),
    "webm of sound": (recordings.sound("webm", "libopus"), "audio", "weba", "audio/webm"),
    "mp3": (recordings.sound("mp3", "libmp3lame"), "audio", "mp3", "audio/mpeg"),
    "mp4": (FILM, "video", "mp4", "video/mp4"),
    "quicktime, as iPhones film": (MOVIE, "video", "mov", "video/quicktime"),
    "webm": (recordings.film("webm", "libvpx"), "video", "webm", "video/webm"),
}

#: What is refused, and how.
REFUSED = {
    "html": (b"<!doctype html><script>alert(1)</script>", 415),
    "svg": (pictures.STRANGERS["svg"], 415),
    "heic": (pictures.STRANGERS["heic"], 415),
    "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", 415),
    "a list of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
    "quicktime of sound": (recordings.sound("mov"), 415),
    "quicktime whose samples are elsewhere": (_elsewhere(MOVIE), 400),
    "mp4 whose samples are elsewhere": (_elsewhere(FILM), 400),
    "quicktime with a packed header": (_packed(MOVIE), 400),
    "half a quicktime film": (MOVIE[: len(MOVIE) // 2], 400),
    "matroska": (recordings.film("matroska"), 415),
    "film in ogg": (recordings.film("ogg", "libvpx"), 415),
    "html after mp4's first bytes": (FILM[:32] + b"<script>alert(1)</script>" * 40, 400),
    "html after mp3's first bytes": (b"ID3\x04\0\0\0\0\0\0" + b"<script>alert(1)</script>" * 40, 400),
    "html after webm's first bytes": (TAKEN["webm"][0][:64] + b"<script>alert(1)</script>" * 40, 400),
    "half a film": (FILM[: len(FILM) // 2], 400),
    "nothing playable": (b"\xff\xf1" + bytes(5000), 400),
    "half a picture": (pictures.photo()[:2000], 400),
}


@pytest.fixture
async def host(make_client, tmp_path):
    return await make_client(media_dir=str(tmp_path))


@pytest.fixture
async def pair(make_person, host):
    return await make_person("Ann", at=host), await make_person("Ben", at=host)


async def send(person, other, body, *, name="holiday.html", kind="text/html", **fields):
    form = FormData()
    form.add_field("media", body, filename=name, content_type=kind)
    for field, value in ({"receiverId": str(other.id)} | fields).items():
        form.add_field(field, value)
    response = await person.client.post(PATH, data=form, headers=person.auth)
    return response.status, await response.json()


async def sent(person, other, body, **fields):
    """The message of one that must be taken."""
    status, answer = await send(person, other, body, **fields)
    assert status == 200, answer
    return answer["data"]["message"]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def opened(host, url):
    return (await host.get(URL(url, encoded=True))).status


@pytest.mark.parametrize("name", TAKEN)
async def test_a_file_arrives_as_what_it_is_and_not_as_what_it_is_called(pair, host, tmp_path, name):
    (ann, ben), (body, message_type, ending, content_type) = pair, TAKEN[name]

    status, answer = await send(ann, ben, body)

    message = answer["data"]["message"]
    response = await host.get(URL(message["mediaUrl"], encoded=True))
    (key,) = files(tmp_path)
    assert (status, answer["message"]) == (200, "Media message sent successfully")
    assert (answer["data"]["coinsSpent"], answer["data"]["newBalance"]) == (5, 45)
    assert (message["messageType"], message["messageText"]) == (message_type, "")
    assert re.fullmatch(f"messages/{ann.id}/{UUID}\\.{ending}", key)
    assert (response.status, response.headers["Content-Type"]) == (200, content_type)
    assert response.headers["Content-Disposition"] == "attachment"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == f"private, max-age={PRIVATE_SECONDS}"
    assert await response.read() == (tmp_path / key).read_bytes()


async def test_a_recording_is_kept_byte_by_byte_and_a_picture_without_its_secrets(pair, tmp_path):
    ann, ben = pair
    await sent(ann, ben, FILM)
    await sent(ann, ben, PHOTO)

    kept = {path.suffix: path.read_bytes() for path in tmp_path.rglob("*.*")}

    assert kept[".mp4"] == FILM
    assert [secret for secret in pictures.SECRETS if secret in kept[".jpg"]] == []


async def test_whoever_plays_a_film_may_ask_for_a_part_of_it(pair, host):
    message = await sent(*pair, FILM)

    response = await host.get(URL(message["mediaUrl"], encoded=True), headers={"Range": "bytes=10-19"})

    assert (response.status, await response.read()) == (206, FILM[10:20])


async def test_both_see_it_in_their_conversation_and_hear_of_it(pair, host, connect):
    ann, ben = pair
    phone = await connect(ben)

    message = await sent(ann, ben, VOICE)

    heard = await phone.expect("message")
    listed = [
        (await person.data(f"/api/messages/conversation/{other.id}"))["messages"][0]
        for person, other in ((ann, ben), (ben, ann))
    ]
    urls = [shown.pop("mediaUrl") for shown in (message, heard, *listed)]
    assert message == heard == listed[0] == listed[1]
    assert [await opened(host, url) for url in urls] == [200] * 4
    [conversation] = (await ben.data("/api/messages/conversations"))["conversations"]
    assert (conversation["lastMessage"], conversation["lastMessageType"]) == ("", "audio")


async def test_no_address_is_written_down(pair, sql):
    await sent(*pair, PHOTO)

    ((url, key),) = sql("SELECT media_url, media_key FROM messages")

    assert url is None
    assert key.startswith("messages/")


async def test_what_cannot_be_kept_is_refused_and_costs_nothing(pair, sql, tmp_path):
    ann, ben = pair

    found = {name: (await send(ann, ben, body))[0] for name, (body, _) in REFUSED.items()}

    assert found == {name: status for name, (_, status) in REFUSED.items()}
    assert (files(tmp_path), sql("SELECT count(*) FROM messages")) == ([], [(0,)])
    assert await ann.balance() == 50


@pytest.mark.parametrize("start", [VOICE, pictures.photo()], ids=["sound", "picture"])
async def test_ten_megabytes_are_taken_and_one_byte_more_is_not(pair, start):
    ann, ben = pair
    padded = start + bytes(10_000_000 - len(start))

    largest, larger = await send(ann, ben, padded), await send(ann, ben, padded + b"\0")

    assert (largest[0], larger[0]) == (200, 413)
    assert larger[1]["error"]["meta"] == {"limitBytes": 10_000_000}
    assert await ann.balance() == 45


async def test_a_film_may_have_fifty_megabytes(pair):
    ann, ben = pair
    padded = FILM + bytes(LARGEST["video"] - len(FILM))

    largest, larger = await send(ann, ben, padded), await send(ann, ben, padded + b"\0")

    assert (largest[0], larger[0]) == (200, 413)
    assert larger[1]["error"]["meta"] == {"limitBytes": 50_000_000}


async def test_too_few_coins_leave_nothing_behind(make_person, host, sql, tmp_path):
    ann, ben = await make_person("Ann", coins=4, at=host), await make_person("Ben", at=host)

    status, answer = await send(ann, ben, PHOTO)

    assert (status, answer["error"]["code"]) == (402, "INSUFFICIENT_COINS")
    assert (files(tmp_path), sql("SELECT key FROM stray_media")) == ([], [])
    assert await ann.balance() == 4


async def test_a_block_is_a_gate_for_files_too(pair, sql, tmp_path):
    ann, ben = pair
    await ben.post("/api/users/block", {"targetUserId": ann.id})

    status, answer = await send(ann, ben, VOICE)

    assert (status, answer["error"]["code"]) == (409, "USER_UNAVAILABLE")
    assert (files(tmp_path), sql("SELECT key FROM stray_media")) == ([], [])
    assert await ann.balance() == 50


async def test_its_price_is_a_setting(make_client, make_person, tmp_path):
    host = await make_client(media_dir=str(tmp_path), media_message_cost=7)
    ann, ben = await make_person("Ann", at=host), await make_person("Ben", at=host)

    _, answer = await send(ann, ben, VOICE)

    assert (answer["data"]["coinsSpent"], answer["data"]["newBalance"]) == (7, 43)


async def test_the_same_client_id_is_one_message_one_charge_and_one_file(pair, sql, tmp_path):
    ann, ben = pair

    answers = await asyncio.gather(*(sent(ann, ben, VOICE, clientMessageId="tap-1") for _ in range(2)))
    again = await sent(ann, ben, FILM, clientMessageId="tap-1")

    assert len({message["id"] for message in (*answers, again)}) == 1
    assert again["messageType"] == "audio"
    assert len(files(tmp_path)) == 1
    assert sql("SELECT key FROM stray_media") == []
    assert await ann.balance() == 45


@pytest.mark.parametrize(
    "fields", [{"receiverId": "x"}, {"clientMessageId": "x" * 65}, {"mediaUrl": "https://evil.example/x"}]
)
async def test_other_fields_are_looked_at(pair, tmp_path, fields):
    status, answer = await send(*pair, VOICE, **fields)

    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer["error"]["fields"][0]["path"] == next(iter(fields))
    assert files(tmp_path) == []


async def test_nobody_opens_what_was_not_signed_for_them(pair, host):
    ann, ben = pair
    url = (await sent(ann, ben, VOICE))["mediaUrl"]
    other = (await sent(ann, ben, VOICE))["mediaUrl"]
    path, _, query = url.partition("?")
    expires = parse_qs(query)["expires"][0]
    forged = {
        "the query of another file": f"{path}?{other.partition('?')[2]}",
        "a longer life": url.replace(expires, str(int(expires) + 1)),
        "another signature": url[:-1] + ("0" if url[-1] != "0" else "1"),
        "no signature": f"{path}?expires={expires}&signature=",
        "letters of no alphabet": f"{path}?expires={expires}&signature=%C3%BC",
        "another ending": url.replace(".m4a", ".mp4"),
        "another sender": url.replace(str(ann.id), str(ben.id)),
        "another name": url.replace(path.rpartition("/")[2], f"{uuid4()}.m4a"),
    }

    found = {name: await opened(host, address) for name, address in forged.items()}

    assert found == dict.fromkeys(forged, 403)
    assert (await opened(host, path), await opened(host, url)) == (400, 200)


async def test_an_address_closes_by_itself(pair, host):
    url = (await sent(*pair, VOICE))["mediaUrl"]
    path = url.partition("?")[0]
    signer = UrlSigner(["test-only-secret-of-more-than-thirty-two-characters"])
    key = path.removeprefix("/media/")

    live, dead = (f"{path}?{signer.query(key, seconds=seconds)}" for seconds in (60, -1))

    assert (await opened(host, live), await opened(host, dead)) == (200, 403)
    assert PRIVATE_SECONDS <= 3600


def test_an_older_secret_still_opens_and_a_foreign_one_does_not():
    query = parse_qs(UrlSigner(["old"]).query("messages/a", seconds=60))
    proof = {"expires": int(query["expires"][0]), "signature": query["signature"][0]}

    assert UrlSigner(["new", "old"]).admits("messages/a", **proof)
    assert not UrlSigner(["new"]).admits("messages/a", **proof)
    assert not UrlSigner(["old"]).admits("messages/b", **proof)


async def test_the_file_of_a_deleted_message_goes_when_moderators_no_longer_need_it(
    pair, host, sql, tmp_path
):
    ann, ben = pair
    message = await sent(ann, ben, VOICE)
    await ann.client.delete(f"/api/messages/{message['id']}", headers=ann.auth)

    kept = await sweep(host.app), len(files(tmp_path))
    sql("UPDATE stray_media SET due_at = due_at - interval '90 days'")
    gone = await sweep(host.app), len(files(tmp_path))

    assert (kept, gone) == ((0, 1), (1, 0))
    assert sql("SELECT key FROM stray_media") == []


async def test_films_of_many_people_wait_before_they_fill_the_memory():
    uploads = Uploads()
    async with AsyncExitStack() as held:
        for _ in range(MOST_BYTES // 50_000_000):
            await held.enter_async_context(uploads.place(uuid4(), size=50_000_000))

        with pytest.raises(Unavailable):
            await held.enter_async_context(uploads.place(uuid4(), size=1))

    async with uploads.place(uuid4(), size=MOST_BYTES):
        pass


async def test_a_stranger_cannot_send(host, pair):
    form = FormData({"receiverId": str(pair[0].id)})
    form.add_field("media", VOICE, filename="a.m4a")

    response = await host.post(PATH, data=form)

    assert response.status == 401


async def test_a_bucket_opens_only_by_a_signed_address(make_client, make_person, bucket):  # noqa: F811
    host = await make_client(**bucket.settings)
    ann, ben = await make_person("Ann", at=host), await make_person("Ben", at=host)

    url = URL((await sent(ann, ben, FILM))["mediaUrl"], encoded=True)

    (key,) = bucket.keys
    async with aiohttp.ClientSession() as http:
        with_it, without = await http.get(url), await http.get(url.with_query(None))
        body = await with_it.read()
    assert re.fullmatch(f"messages/{ann.id}/{UUID}\\.mp4", key)
    assert (with_it.status, body, without.status) == (200, FILM, 403)
    assert (with_it.headers["Content-Type"], with_it.headers["Content-Disposition"]) == (
        "video/mp4",
        "attachment",
    )
    assert int(url.query["X-Amz-Expires"]) <= 3600
    assert url.query["X-Amz-Signature"]


async def test_without_its_storage_nothing_is_sent_or_charged(make_client, make_person, sql, aws):  # noqa: F811
    host = await make_client(storage="s3", s3_bucket="missing", aws_endpoint_url=aws, **ACCESS)
    ann, ben = await make_person("Ann", at=host), await make_person("Ben", at=host)

    status, _ = await send(ann, ben, VOICE)

    assert status == 503
    assert sql("SELECT count(*) FROM messages") == [(0,)]
    assert sql("SELECT count(*), bool_and(due_at > now()) FROM stray_media") == [(1, True)]
    assert await ann.balance() == 50
