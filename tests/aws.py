"""Amazon as a server on this machine: moto speaks the real protocol to the real client."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

ACCESS = {"aws_access_key_id": "test-key", "aws_secret_access_key": "test-secret"}


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The endpoint."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """One bucket as its owner sees it, not through our code."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"romantic-{uuid.uuid4()}"
        self._s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **ACCESS)
        self._s3.create_bucket(Bucket=self.name)
        self._s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(self._photos_readable_by_everybody()))
        self.settings = {"storage": "s3", "s3_bucket": self.name, "aws_endpoint_url": endpoint, **ACCESS}

    def _photos_readable_by_everybody(self) -> dict[str, Any]:
        resource = f"arn:aws:s3:::{self.name}/profile-*"
        grant = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
        return {"Version": "2012-10-17", "Statement": [grant]}

    @property
    def keys(self) -> list[str]:
        return [item["Key"] for item in self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def read(self, key: str) -> dict[str, Any]:
        return self._s3.get_object(Bucket=self.name, Key=key)


@pytest.fixture
def bucket(aws: str) -> Bucket:
    return Bucket(aws)
