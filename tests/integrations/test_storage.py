"""integrations/storage.py: a folder and a bucket, by the same three verbs."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from romantic.integrations.storage import STORAGE, Disk, StorageAway, storage
from romantic.settings import SETTINGS, SettingsFaulty, load_settings
from tests.aws import ACCESS, aws, bucket  # noqa: F401 - fixtures

KEY = "profile-images/5b0c2f0e-3a53-4a1c-8f0a-6f2f3c1d7e11/0d8f8f2a-7c55-4b0e-9d0a-4f6f5a0c9b22.jpg"


@pytest.fixture
async def make_storage():
    """The storage as the application opens and closes it."""
    opened = []

    async def make(**settings):
        app = web.Application()
        app[SETTINGS] = load_settings({"ROMANTIC_ENV": "test"}, **settings)
        context = storage(app)
        await anext(context)
        opened.append(context)
        return app[STORAGE]

    yield make
    for context in opened:
        await anext(context, None)


@pytest.fixture
async def folder(make_storage, tmp_path):
    return await make_storage(media_dir=str(tmp_path), public_base_url="https://api.example")


async def fetched(url):
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_folder_keeps_gives_and_forgets(folder, tmp_path):
    await folder.put(KEY, b"first", "image/jpeg")
    await folder.put(KEY, b"second", "image/jpeg")

    assert await folder.find(KEY) == b"second"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY.rpartition("/")[2]]

    await folder.delete(KEY)
    await folder.delete(KEY)

    assert await folder.find(KEY) is None


async def test_a_folder_is_reached_through_this_server_or_a_cdn(folder, make_storage, tmp_path):
    behind_cdn = await make_storage(media_dir=str(tmp_path), cdn_base_url="https://cdn.example/")

    assert folder.url(KEY) == f"https://api.example/media/{KEY}"
    assert behind_cdn.url(KEY) == f"https://cdn.example/{KEY}"


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a/b/../../../x"])
async def test_no_key_leads_out_of_the_folder(folder, tmp_path, key):
    (tmp_path.parent / "x").write_text("outside")

    for act in (folder.find(key), folder.delete(key), folder.put(key, b"", "image/jpeg")):
        with pytest.raises(ValueError, match="leads out"):
            await act

    assert (tmp_path.parent / "x").read_text() == "outside"


async def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "link").symlink_to("/etc")

    with pytest.raises(ValueError, match="leads out"):
        await folder.find("link/passwd")


async def test_a_folder_that_cannot_be_written_is_away(make_storage, tmp_path):
    (tmp_path / "file").write_text("in the way")
    storage = await make_storage(media_dir=str(tmp_path / "file"))

    with pytest.raises(StorageAway):
        await storage.put(KEY, b"", "image/jpeg")


async def test_without_a_folder_there_is_one_until_the_end():
    app = web.Application()
    app[SETTINGS] = load_settings({"ROMANTIC_ENV": "test"})
    context = storage(app)
    await anext(context)
    await app[STORAGE].put(KEY, b"x", "image/jpeg")
    assert isinstance(app[STORAGE], Disk)

    await anext(context, None)

    assert await app[STORAGE].find(KEY) is None


async def test_a_bucket_keeps_gives_and_forgets(make_storage, bucket):  # noqa: F811
    s3 = await make_storage(**bucket.settings)

    await s3.put(KEY, b"first", "image/jpeg")
    kept = bucket.read(KEY)
    await s3.delete(KEY)
    await s3.delete(KEY)

    assert (kept["ContentType"], kept["Body"].read()) == ("image/jpeg", b"first")
    assert kept["CacheControl"] == "public, max-age=31536000, immutable"
    assert bucket.keys == []


async def test_the_url_of_a_bucket_leads_to_the_object(make_storage, bucket):  # noqa: F811
    s3 = await make_storage(**bucket.settings)
    await s3.put(KEY, b"first", "image/jpeg")

    status, headers, body = await fetched(s3.url(KEY))

    assert (status, headers["Content-Type"], body) == (200, "image/jpeg", b"first")


async def test_many_puts_share_one_client(make_storage, bucket):  # noqa: F811
    s3 = await make_storage(**bucket.settings)

    await asyncio.gather(*(s3.put(f"{KEY}-{number}", b"x" * 1000, "image/jpeg") for number in range(40)))

    assert len(bucket.keys) == 40


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://photos.s3.eu-west-1.amazonaws.com/"),
        ({"cdn_base_url": "https://cdn.example"}, "https://cdn.example/"),
        ({"aws_endpoint_url": "https://minio.example/"}, "https://minio.example/photos/"),
        (
            {"aws_endpoint_url": "https://all.example", "aws_endpoint_url_s3": "https://s3.example"},
            "https://s3.example/photos/",
        ),
    ],
)
async def test_where_clients_find_a_bucket(make_storage, settings, url):
    s3 = await make_storage(storage="s3", s3_bucket="photos", aws_region="eu-west-1", **ACCESS, **settings)

    assert s3.url(KEY) == url + KEY


async def test_a_bucket_that_is_not_there_is_away(make_storage, aws):  # noqa: F811
    s3 = await make_storage(storage="s3", s3_bucket="missing", aws_endpoint_url=aws, **ACCESS)

    with pytest.raises(StorageAway, match="NoSuchBucket"):
        await s3.put(KEY, b"", "image/jpeg")


async def test_a_server_that_is_not_there_is_away(make_storage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        s3 = await make_storage(storage="s3", s3_bucket="photos", aws_endpoint_url=endpoint, **ACCESS)

        with pytest.raises(StorageAway):
            await s3.put(KEY, b"", "image/jpeg")


@pytest.fixture
async def moody():
    """A server that answers as told and counts: its endpoint, its answers to come, its requests."""
    answers, asked = [], []

    async def answer(request):
        asked.append(await request.read())
        return web.Response(status=answers.pop(0))

    app = web.Application()
    app.router.add_put("/{key:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), answers, asked


async def test_a_bad_moment_is_asked_again(make_storage, moody):
    endpoint, answers, asked = moody
    s3 = await make_storage(storage="s3", s3_bucket="photos", aws_endpoint_url=endpoint, **ACCESS)
    answers += [503, 200]

    await s3.put(KEY, b"photo", "image/jpeg")

    assert asked == [b"photo", b"photo"]


async def test_two_tries_are_enough(make_storage, moody):
    endpoint, answers, asked = moody
    s3 = await make_storage(storage="s3", s3_bucket="photos", aws_endpoint_url=endpoint, **ACCESS)
    answers += [500, 500, 200]

    with pytest.raises(StorageAway):
        await s3.put(KEY, b"photo", "image/jpeg")

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"STORAGE": "s3"}, "S3_BUCKET is required with STORAGE=s3"),
        ({"AWS_ACCESS_KEY_ID": "id"}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together"),
        ({"STORAGE": "ftp"}, "STORAGE must be one of disk, s3"),
        ({"ROMANTIC_ENV": "production"}, "MEDIA_DIR is required with STORAGE=disk"),
    ],
)
def test_half_a_storage_is_refused_at_the_start(environ, fault):
    with pytest.raises(SettingsFaulty) as refusal:
        load_settings({"ROMANTIC_ENV": "test"} | environ)

    assert fault in refusal.value.faults
