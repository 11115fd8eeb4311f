"""POST /api/users/profile-image and GET /media/…"""

import asyncio
import gzip
import os
import re
import signal
import uuid
from contextlib import closing

import psycopg2
import pytest
from aiohttp import FormData
from yarl import URL

from romantic.db import load_queries, transaction
from romantic.integrations.storage import STORAGE
from romantic.media import IMAGES, Encoded
from romantic.users import service
from romantic.users.errors import UserNotFound
from romantic.users.photos import keep, sweep
from tests.aws import ACCESS, aws, bucket  # noqa: F401 - fixtures
from tests.media import pictures
from tests.waiting import until

PATH = "/api/users/profile-image"
BASE = "https://api.example/media/"
PHOTO = pictures.photo((1600, 1200))
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
async def host(make_client, tmp_path):
    return await make_client(media_dir=str(tmp_path), public_base_url=BASE.removesuffix("/media/"))


@pytest.fixture
async def ann(make_person, host):
    return await make_person("Ann", at=host)


def form_with(body, **options):
    form = FormData()
    form.add_field("image", body, **({"filename": "photo.jpg", "content_type": "image/jpeg"} | options))
    return form


async def send(person, body, **options):
    return await person.client.post(PATH, data=form_with(body, **options), headers=person.auth)


async def upload(person, body=PHOTO):
    """The data of an upload that must succeed."""
    response = await send(person, body)
    answer = await response.json()
    assert response.status == 200, answer
    return answer["data"]


async def statuses(person, bodies):
    """What each is answered; every refusal comes in the envelope."""
    found = {}
    for name, body in bodies.items():
        response = await send(person, body)
        found[name] = response.status
        assert (await response.json())["error"]["code"]
    return found


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def path_of(url):
    return url.removeprefix(BASE.removesuffix("media/").removesuffix("/"))


async def test_a_photo_is_shown_in_the_profile(ann, tmp_path):
    response = await send(ann, PHOTO)

    answer = await response.json()
    key = answer["data"]["imageUrl"].removeprefix(BASE)
    assert (response.status, answer["message"]) == (200, "Profile image uploaded successfully")
    assert re.fullmatch(f"profile-images/{ann.id}/{UUID}\\.jpg", key)
    assert (await ann.data("/api/auth/profile"))["profileImageUrl"] == answer["data"]["imageUrl"]
    assert pictures.sized((tmp_path / key).read_bytes()) == (1080, 810)
    assert files(tmp_path) == [key, key.replace("images", "thumbnails")]


async def test_anybody_may_look_at_it_and_keep_it(ann):
    data = await upload(ann)

    response = await ann.client.get(path_of(data["thumbnailUrl"]))

    assert pictures.sized(await response.read()) == (320, 240)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_nothing_but_photos_is_served(ann, tmp_path):
    (tmp_path / "profile-images").mkdir()
    (tmp_path / "profile-images" / "secret.jpg").write_text("secret")
    (tmp_path / "secret.jpg").write_text("secret")
    someone = uuid.uuid4()
    paths = [
        f"/media/profile-images/{someone}/{someone}.jpg",
        "/media/secret.jpg",
        "/media/profile-images/secret.jpg",
        f"/media/profile-images/{someone}/../secret.jpg",
        f"/media/profile-images/{someone}/%2e%2e%2fsecret.jpg",
        "/media/profile-images/%2e%2e/secret.jpg",
        "/media/profile-images/..%2f../secret.jpg",
        f"/media/profile-images/{someone}/%00.jpg",
        "/media/profile-images/",
        "/media/",
    ]

    answers = [await ann.client.get(URL(path, encoded=True)) for path in paths]

    assert {answer.status for answer in answers} == {404}
    assert {(await answer.json())["error"]["code"] for answer in answers} == {"NOT_FOUND"}


async def test_nothing_of_where_it_was_taken_remains(ann, tmp_path):
    await upload(ann, pictures.telling_jpeg())

    kept = b"".join((tmp_path / name).read_bytes() for name in files(tmp_path))

    assert [secret for secret in pictures.SECRETS if secret in kept] == []


async def test_a_new_photo_replaces_the_old(ann, sql, tmp_path):
    first = await upload(ann)

    second = await upload(ann)

    assert len(files(tmp_path)) == 2
    assert (await ann.client.get(path_of(first["imageUrl"]))).status == 404
    assert (await ann.client.get(path_of(second["imageUrl"]))).status == 200
    assert sql("SELECT key FROM stray_photos") == []


async def test_of_two_uploads_at_once_one_photo_remains(make_client, make_person, sql, postgres, tmp_path):
    """Both are made to meet at the row; each then deletes the photo it really replaced."""
    host = await make_client(media_dir=str(tmp_path), database_lock_seconds=20, database_statement_seconds=20)
    ann = await make_person("Ann", at=host)
    await upload(ann)
    with closing(psycopg2.connect(postgres)) as holder, holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (ann.id,))
        uploads = [asyncio.create_task(upload(ann)) for _ in range(2)]

        async def both_wait():
            return sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [(2,)]

        await until(both_wait)

    await asyncio.gather(*uploads)

    (key,) = sql("SELECT profile_image_key FROM users WHERE id = %s", ann.id)[0]
    assert files(tmp_path) == [key, key.replace("images", "thumbnails")]
    assert sql("SELECT key FROM stray_photos") == []


@pytest.mark.parametrize(
    "name", ["../../x.jpg", "x" * 5000 + ".jpg", "x.svg", 'a";name="b.jpg', "фото.jpg", "C:\\x\\"]
)
async def test_the_senders_name_and_type_mean_nothing(ann, tmp_path, name):
    response = await send(ann, PHOTO, filename=name, content_type="text/html")

    assert response.status == 200
    assert [re.sub(UUID, "*", path) for path in files(tmp_path)] == [
        "profile-images/*/*.jpg",
        "profile-thumbnails/*/*.jpg",
    ]


async def test_every_usual_kind_is_taken(ann):
    for body in pictures.KINDS.values():
        await upload(ann, body)


async def test_what_is_no_picture_is_415(ann, sql):
    found = await statuses(ann, pictures.STRANGERS | pictures.MOVING)

    assert set(found.values()) == {415}, found
    assert sql("SELECT profile_image_url FROM users WHERE id = %s", ann.id) == [(None,)]


async def test_what_is_damaged_is_400_or_415(ann, tmp_path):
    found = await statuses(ann, pictures.DAMAGED)

    assert set(found.values()) <= {400, 415}, found
    assert files(tmp_path) == []


async def test_what_is_too_large_by_its_header_is_413(ann):
    found = await statuses(ann, pictures.TOO_LARGE)

    assert set(found.values()) == {413}, found


async def test_ten_megabytes_are_taken_and_one_byte_more_is_not(ann):
    padded = PHOTO + bytes(10_000_000 - len(PHOTO))

    largest, larger = await send(ann, padded), await send(ann, padded + b"\0")

    assert (largest.status, larger.status) == (200, 413)
    assert (await larger.json())["error"]["meta"] == {"limitBytes": 10_000_000}


HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
TEXT = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n'
END = b"\r\n--b--\r\n"
FORM = "multipart/form-data; boundary=b"

#: What is sent as which type, and the answer.
MALFORMED = {
    "no boundary": ("multipart/form-data", HEAD + PHOTO + END, 400),
    "empty boundary": ("multipart/form-data; boundary=", HEAD + PHOTO + END, 400),
    "boundary of 71": (f"multipart/form-data; boundary={'b' * 71}", HEAD + PHOTO + END, 400),
    "wrong boundary": ("multipart/form-data; boundary=c", HEAD + PHOTO + END, 400),
    "boundary of no ascii": ("multipart/form-data; boundary=ü", HEAD + PHOTO + END, 400),
    "nothing": (FORM, b"", 400),
    "garbage": (FORM, os.urandom(1000), 400),
    "only an end": (FORM, b"--b--\r\n", 400),
    "only a boundary": (FORM, b"--b\r\n", 400),
    "only a head": (FORM, HEAD, 400),
    "truncated": (FORM, HEAD + PHOTO[:5000], 400),
    "no end": (FORM, HEAD + PHOTO + b"\r\n--b\r\n", 400),
    "half an end": (FORM, HEAD + PHOTO + b"\r\n--b-", 400),
    "text before": (FORM, b"preamble" * 1000 + b"\r\n" + HEAD + PHOTO + END, 400),
    "no head": (FORM, b"--b\r\n\r\n" + PHOTO + END, 400),
    "head without a name": (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\n" + PHOTO + END, 400),
    "head of another kind": (FORM, HEAD.replace(b"form-data", b"attachment") + PHOTO + END, 400),
    "head of a megabyte": (FORM, HEAD[:-4] + b"\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n" + PHOTO + END, 400),
    "head of quotes": (FORM, TEXT[:36] + b';a="' * 1500 + b"\r\n\r\n" + PHOTO + END, 400),
    "head of half quotes": (FORM, TEXT[:36] + b';name="\\' * 900 + b"\r\n\r\n" + PHOTO + END, 400),
    "head of bytes": (FORM, b"--b\r\n" + bytes(range(128, 256)) + b"\r\n\r\n" + PHOTO + END, 400),
    "nested": (
        FORM,
        HEAD[:-4] + b"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n" + END,
        415,
    ),
    "two files": (FORM, HEAD + PHOTO + b"\r\n" + HEAD.replace(b"image", b"other") + PHOTO + END, 400),
    "the file twice": (FORM, HEAD + PHOTO + b"\r\n" + HEAD + PHOTO + END, 400),
    "two thousand parts": (
        FORM,
        b"".join(TEXT % (b"f%d" % n) for n in range(2000)) + HEAD + PHOTO + END,
        400,
    ),
    "another field": (FORM, TEXT % b"userId" + HEAD + PHOTO + END, 400),
    "no file": (FORM, TEXT % b"other" + b"--b--", 400),
    "an empty file": (FORM, HEAD + END, 400),
    "base64": (FORM, HEAD[:-4] + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQ" + END, 415),
    "json": ("application/json", b"{}", 415),
    "a bare picture": ("image/jpeg", PHOTO, 415),
    "a query": ("application/x-www-form-urlencoded", b"image=x", 415),
    "another multipart": ("multipart/mixed; boundary=b", HEAD + PHOTO + END, 415),
    "no type": ("", HEAD + PHOTO + END, 415),
    "25 megabytes": (FORM, HEAD + bytes(25_000_000) + END, 413),
}


async def test_every_malformed_form_is_refused_by_name(ann, tmp_path):
    found = {}
    for name, (kind, body, _) in MALFORMED.items():
        response = await ann.client.post(PATH, data=body, headers=ann.auth | {"Content-Type": kind})
        found[name] = response.status
        assert (await response.json())["success"] is False

    assert found == {name: status for name, (_, _, status) in MALFORMED.items()}
    assert files(tmp_path) == []


async def test_a_form_may_be_padded_and_followed_by_anything(ann):
    body = b"\r\n" + HEAD.replace(b"--b\r", b"--b \t\r") + PHOTO + END + b"epilogue"

    response = await ann.client.post(
        PATH, data=body, headers=ann.auth | {"Content-Type": 'multipart/form-data; boundary="b"'}
    )

    assert response.status == 200


async def test_a_missing_file_is_named(ann):
    response = await ann.client.post(
        PATH, data=TEXT % b"image" + b"--b--", headers=ann.auth | {"Content-Type": FORM}
    )
    missing = await ann.client.post(PATH, data=b"--b--", headers=ann.auth | {"Content-Type": FORM})

    assert response.status == 415
    assert (await missing.json())["error"]["fields"][0]["path"] == "image"


async def test_a_compressed_form_is_not_unpacked(ann):
    headers = ann.auth | {"Content-Type": FORM, "Content-Encoding": "gzip"}

    response = await ann.client.post(
        PATH, data=gzip.compress(HEAD + bytes(50_000_000) + END), headers=headers
    )

    assert response.status == 415


async def chunked(release):
    """A form of unknown length that stops in the middle until it is released."""
    yield HEAD + PHOTO[:1000]
    await release.wait()
    yield PHOTO[1000:] + END


async def test_an_upload_of_unknown_length_is_cut_at_the_limit(ann):
    async def endless():
        yield HEAD
        for _ in range(400):
            yield bytes(65_536)

    response = await ann.client.post(PATH, data=endless(), headers=ann.auth | {"Content-Type": FORM})

    assert response.status == 413


async def test_an_upload_that_does_not_end_is_ended(make_client, make_person, tmp_path):
    host = await make_client(media_dir=str(tmp_path), upload_timeout_seconds=0.2)
    ann, never = await make_person("Ann", at=host), asyncio.Event()

    response = await host.post(PATH, data=chunked(never), headers=ann.auth | {"Content-Type": FORM})

    assert response.status == 408


async def test_a_third_upload_at_once_waits_its_turn(ann):
    release, headers = asyncio.Event(), ann.auth | {"Content-Type": FORM}
    slow = [
        asyncio.create_task(ann.client.post(PATH, data=chunked(release), headers=headers)) for _ in range(2)
    ]

    async def is_refused():
        return (await send(ann, b"x")).status == 429

    await until(is_refused)
    release.set()

    assert [(await response).status for response in slow] == [200, 200]
    assert (await send(ann, PHOTO)).status == 200


async def test_a_stranger_cannot_upload(host):
    response = await host.post(PATH, data=form_with(PHOTO))

    assert response.status == 401


async def test_eleven_uploads_in_a_minute_are_one_too_many(make_client, make_person, tmp_path):
    host = await make_client(media_dir=str(tmp_path), rate_limits="on")
    ann = await make_person("Ann", at=host)

    found = [(await send(ann, b"x")).status for _ in range(11)]

    assert found == [415] * 10 + [429]


async def test_the_server_answers_others_while_a_picture_is_decoded(ann, host):
    await upload(ann)
    (pid,) = host.app[IMAGES].pids
    os.kill(pid, signal.SIGSTOP)
    waiting = asyncio.create_task(send(ann, PHOTO))
    await asyncio.sleep(0)

    answers = [(await host.get("/health/live")).status for _ in range(20)]

    assert answers == [200] * 20
    assert not waiting.done()
    os.kill(pid, signal.SIGCONT)
    assert (await waiting).status == 200


async def test_a_bucket_holds_exactly_what_is_shown(make_client, make_person, sql, bucket):  # noqa: F811
    ann = await make_person("Ann", at=await make_client(**bucket.settings))
    await upload(ann)

    data = await upload(ann)

    (key,) = sql("SELECT profile_image_key FROM users WHERE id = %s", ann.id)[0]
    kept = bucket.read(key)
    assert bucket.keys == [key, key.replace("images", "thumbnails")]
    assert data["imageUrl"].endswith(f"/{bucket.name}/{key}")
    assert (kept["ContentType"], pictures.sized(kept["Body"].read())) == ("image/jpeg", (1080, 810))


async def test_without_its_storage_the_server_keeps_the_photo_it_has(make_client, make_person, sql, aws):  # noqa: F811
    host = await make_client(storage="s3", s3_bucket="missing", aws_endpoint_url=aws, **ACCESS)
    ann = await make_person("Ann", at=host)
    sql("UPDATE users SET profile_image_url = 'https://old', profile_image_key = 'old' WHERE id = %s", ann.id)

    response = await send(ann, PHOTO)

    assert response.status == 503
    assert response.headers["Retry-After"]
    assert sql("SELECT profile_image_url, profile_image_key FROM users") == [("https://old", "old")]
    assert sql("SELECT count(*), bool_and(due_at > now()) FROM stray_photos") == [(1, True)]


async def remove_photo(host, person):
    async with transaction(host.app) as conn:
        await conn.run(load_queries("admin").remove_photo, user_id=person.id)


async def delete_account(host, person):
    async with transaction(host.app) as conn:
        await service.delete_account(conn, user_id=uuid.UUID(person.id))


@pytest.mark.parametrize("take_away", [remove_photo, delete_account])
async def test_a_photo_taken_away_is_swept_up(ann, host, sql, tmp_path, take_away):
    await upload(ann)

    await take_away(host, ann)
    swept = await sweep(host.app)

    assert (swept, files(tmp_path)) == (1, [])
    assert sql("SELECT profile_image_key, profile_thumbnail_url FROM users") == [(None, None)]
    assert sql("SELECT key FROM stray_photos") == []


async def test_what_an_upload_left_when_it_died_is_swept_up_after_an_hour(ann, host, sql, tmp_path):
    storage, shown = host.app[STORAGE], await upload(ann)
    for key, due in (("profile-images/a/dead.jpg", "-1 second"), ("profile-images/a/alive.jpg", "1 minute")):
        await storage.put(key, b"x", "image/jpeg")
        sql("INSERT INTO stray_photos (key, due_at) VALUES (%s, now() + %s::interval)", key, due)

    swept = await sweep(host.app)

    assert swept == 1
    assert "profile-images/a/dead.jpg" not in files(tmp_path)
    assert "profile-images/a/alive.jpg" in files(tmp_path)
    assert (await host.get(path_of(shown["imageUrl"]))).status == 200


async def test_an_account_that_ends_during_its_upload_gets_no_photo(ann, host, sql):
    sql("UPDATE users SET status = 'banned' WHERE id = %s", ann.id)

    with pytest.raises(UserNotFound):
        await keep(host.app, user_id=uuid.UUID(ann.id), photo=Encoded(b"x", b"x"))

    assert sql("SELECT profile_image_url FROM users WHERE id = %s", ann.id) == [(None,)]
    assert sql("SELECT count(*) FROM stray_photos") == [(1,)]
