"""Clients of Amazon's services: made once per process, with our credentials, deadlines and endpoints."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from romantic.integrations.breaker import Breaker
from romantic.settings import Settings

#: What passes by itself; of the rest Amazon will say the same again.
PASSING = frozenset(
    (
        "InternalError", "InternalFailure", "InternalServerError", "InternalErrorException", "KMSThrottling",
        "LimitExceededException", "RequestLimitExceeded", "ServiceUnavailable", "SlowDown", "Throttled",
        "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
    )
)  # fmt: skip
SERVER_FAULT, TOO_MANY = 500, 429


class AwsRefusal(Exception):
    """Amazon did not do it; `is_passing` if it may a moment later. The text is for operators."""

    def __init__(self, reason: str, *, is_passing: bool, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing
        self.after = after


class LateClient:
    """A client that is made when it is first asked for: not every process of a laptop sends anything."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._make = make
        self._stack = AsyncExitStack()
        self._making = asyncio.Lock()
        self._client: Any = None

    async def get(self) -> Any:
        async with self._making:
            if self._client is None:
                self._client = await self._stack.enter_async_context(self._make())
        return self._client

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def late_client(
    settings: Settings, service: str, endpoint: str, *, seconds: float
) -> AsyncIterator[LateClient]:
    """In production it is made at once: no request shall wait for it."""
    late = LateClient(partial(aws_client, settings, service, endpoint, seconds=seconds))
    if settings.romantic_env == "production":
        await late.get()
    try:
        yield late
    finally:
        await late.close()


@asynccontextmanager
async def aws_client(
    settings: Settings, service: str, endpoint: str, *, seconds: float, tries: int = 1, **config: Any
) -> AsyncIterator[Any]:
    """A client that gives up after `seconds` in all. Making one reads megabytes of JSON: make it once."""
    # Imported where it is wanted: it costs half a second and thirty megabytes.
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    options = AioConfig(
        connect_timeout=3,
        read_timeout=seconds / tries,
        retries={"total_max_attempts": tries, "mode": "standard"},
        max_pool_connections=20,
        **config,
    )
    async with get_session().create_client(
        service,
        region_name=settings.aws_region,
        endpoint_url=(endpoint or settings.aws_endpoint_url).rstrip("/") or None,
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=settings.aws_secret_access_key or None,
        aws_session_token=settings.aws_session_token or None,
        config=options,
    ) as client:
        yield client


@contextmanager
def asking(breaker: Breaker) -> Iterator[None]:
    """Turn what a call of a client raises into AwsRefusal; what passes by itself counts for the breaker."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    if breaker.is_open():
        raise AwsRefusal("left alone for a moment", is_passing=True, after=breaker.seconds_left)
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", SERVER_FAULT)
        is_passing = code in PASSING or status >= SERVER_FAULT or status == TOO_MANY
        if is_passing:
            breaker.failed()
        else:
            breaker.succeeded()
        raise AwsRefusal(code, is_passing=is_passing) from error
    except (BotoCoreError, ResponseParserError, OSError, KeyError) as error:  # a TimeoutError is an OSError
        breaker.failed()
        raise AwsRefusal(type(error).__name__, is_passing=True) from error
    breaker.succeeded()
