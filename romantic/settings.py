"""Settings: environment over config/<env>.toml over config/default.toml, every fault reported at once."""

import hashlib
import math
import os
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as declare
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from romantic.settings_rules import contradictions, keyed, not_for_production, read_test_numbers

CONFIG = Path(__file__).parent.parent / "config"
ENVIRONMENTS = ("development", "test", "production")
ALIASES = {"cors_origins": "SOCKET_IO_CORS_ORIGIN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between a laptop, a test and production.

    A field is the environment variable of the same name in capitals and the key of the same name in
    config/default.toml, where its default and its meaning stand. Seconds may be fractions.
    """

    romantic_env: Literal["development", "test", "production"]
    host: str
    port: int
    ops_host: str
    ops_port: int
    workers: int
    public_base_url: str
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    drain_seconds: float
    shutdown_seconds: float

    database_url: str = declare(repr=False)
    database_pool_max: int
    database_acquire_seconds: float
    database_statement_seconds: float
    database_lock_seconds: float
    redis_url: str = declare(repr=False)

    jwt_secret: str = declare(repr=False)
    jwt_access_ttl: float
    refresh_ttl: float
    refresh_grace: float
    auth_login_grant_seconds: float
    session_cache_seconds: float
    otp_pepper: str = declare(repr=False)
    otp_ttl: float
    otp_resend_seconds: float
    otp_wait_seconds: float
    otp_fallback_seconds: float
    otp_per_hour: int
    otp_per_day: int
    otp_per_hour_per_ip: int
    otp_per_hour_per_prefix: int
    otp_per_hour_in_all: int
    otp_test_numbers: str = declare(repr=False)
    phone_strict: bool
    verified_means: Literal["phone", "manual"]

    whatsapp_access_token: str = declare(repr=False)
    whatsapp_phone_number_id: str
    whatsapp_webhook_verify_token: str = declare(repr=False)
    whatsapp_app_secret: str = declare(repr=False)
    whatsapp_api_version: str
    whatsapp_api_base_url: str
    whatsapp_template_name: str
    whatsapp_template_style: Literal["authentication", "legacy"]

    sms_provider: Literal["sns", "off"]
    sms_status_topic_arn: str
    ses_sender: str

    fcm_project_id: str
    fcm_credentials: str = declare(repr=False)
    fcm_api_base_url: str
    push_ring_wait_seconds: float
    push_unread_seconds: float

    storage: Literal["disk", "s3"]
    media_dir: str
    s3_bucket: str
    cdn_base_url: str
    aws_region: str
    aws_access_key_id: str = declare(repr=False)
    aws_secret_access_key: str = declare(repr=False)
    aws_session_token: str = declare(repr=False)
    aws_endpoint_url: str
    aws_endpoint_url_s3: str
    aws_endpoint_url_sns: str
    aws_endpoint_url_ses: str

    webrtc_stun_servers: tuple[str, ...]
    webrtc_turn_servers: tuple[str, ...]
    webrtc_turn_secret: str = declare(repr=False)
    webrtc_turn_username: str
    webrtc_turn_credential: str = declare(repr=False)
    webrtc_turn_ttl: int

    rtc_udp_host: str
    rtc_udp_port: int
    rtc_advertise_ip: str
    rtc_max_peers: int
    monitor_mode: Literal["off", "prefer", "require"]
    monitor_beat_seconds: float
    monitor_dead_seconds: float
    monitor_grace_seconds: float
    monitor_flow_seconds: float
    monitor_open_seconds: float
    probe_min_gap: float
    refuse_unlikely_calls: bool

    call_cost_audio: int
    call_cost_video: int
    call_billing: Literal["flat", "metered"]
    call_price_per_minute_audio: int
    call_price_per_minute_video: int
    call_block_seconds: float
    call_max_seconds: float
    call_min_billable_seconds: float
    call_ring_seconds: float
    call_connect_seconds: float
    call_suspect_seconds: float
    call_disconnect_seconds: float
    call_rejoin_seconds: float
    call_tick_seconds: float
    call_snapshot_seconds: float
    call_keeper_seconds: float
    call_meter: Literal["auto", "evidence", "wallclock"]
    call_policy: Literal["open", "superlover_or_match"]
    call_require_reachable: bool
    super_lover_share: float
    super_lover_fee: int
    message_cost: int
    media_message_cost: int
    messaging_policy: Literal["open", "matched"]
    boost_cost: int
    gift_cost: int
    welcome_coins: int

    stripe_secret_key: str = declare(repr=False)
    stripe_webhook_secret: str = declare(repr=False)
    stripe_api_base: str
    stripe_currency: str
    purchase_reconcile_seconds: float
    ledger_audit_seconds: float
    ads_trust_mode: Literal["ssv", "client"]
    admob_keys_url: str
    ad_reward: int
    ad_daily_cap: int
    ad_min_gap: float

    ws_ping_seconds: float
    ws_call_ping_seconds: float
    ws_auth_seconds: float
    ws_max_sockets: int
    ws_max_per_process: int
    ws_allow_query_token: bool
    stream_events: int
    stream_seconds: float
    presence_lease_seconds: float
    presence_grace_seconds: float

    jobs_concurrency: int
    jobs_poll_seconds: float
    jobs_drain_seconds: float

    rate_limits: bool
    idempotency_lock_seconds: float
    read_timeout_seconds: float
    upload_timeout_seconds: float
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["json", "console"]
    sentry_dsn: str = declare(repr=False)

    @property
    def development(self) -> bool:
        return self.romantic_env == "development"

    @property
    def digest(self) -> str:
        """Equal where the settings are, secrets aside: two nodes that differ are seen in their logs."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def jwt_keys(self) -> dict[str, str]:
        """Signing secrets by key id; the first signs, all verify."""
        return dict(keyed(self.jwt_secret))

    @property
    def test_numbers(self) -> dict[str, tuple[str, date]]:
        """Number -> fixed code and the last day it is taken: a store reviewer has no WhatsApp of ours."""
        return read_test_numbers(self.otp_test_numbers)

    def call_cost(self, call_type: str) -> int:
        """What one call of this type costs under flat billing, in coins."""
        return self.call_cost_video if call_type == "video" else self.call_cost_audio

    def price_per_minute(self, call_type: str) -> int:
        return self.call_price_per_minute_video if call_type == "video" else self.call_price_per_minute_audio


SETTINGS = web.AppKey("SETTINGS", Settings)


class SettingsFaulty(Exception):
    """Every fault of the configuration, one sentence each, by variable name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load_settings(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Read all layers; raises SettingsFaulty naming every fault, never only the first."""
    faults: list[str] = []
    raw = _layers(environ, faults) | overrides
    defaults = {**_read(CONFIG / "default.toml"), "romantic_env": "development"}
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for field in fields(Settings):
        try:
            values[field.name] = _convert(hints[field.name], raw[field.name])
        except ValueError as error:
            faults.append(f"{field.name.upper()} {error}")
            # The rest is looked at all the same: faults come out together, not one per start.
            values[field.name] = _convert(hints[field.name], defaults[field.name])
    faults += [f"config: unknown key {name}" for name in sorted(set(raw) - set(hints))]
    faults += contradictions(values)
    if values["romantic_env"] == "production":
        faults += not_for_production(values)
    if faults:
        raise SettingsFaulty(faults)
    return Settings(**values)


def origin_of(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where the value in force comes from: a variable, a file of config/, or the default."""
    variable = name.upper()
    for source in (f"{variable}_FILE", variable, ALIASES.get(name, "")):
        if environ.get(source):
            return source
    environment = environ.get("ROMANTIC_ENV", "development")
    is_ours = environment in ENVIRONMENTS and name in _read(CONFIG / f"{environment}.toml")
    return f"config/{environment}.toml" if is_ours else "default"


def _layers(environ: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    environment = _from_environment("romantic_env", environ, []) or environ.get("ROMANTIC_ENV", "development")
    raw: dict[str, Any] = {"romantic_env": environment}
    for name in ("default", environment if environment in ENVIRONMENTS else "default"):
        raw |= _read(CONFIG / f"{name}.toml")
    for field in fields(Settings):
        value = _from_environment(field.name, environ, faults)
        if value is not None:
            raw[field.name] = value
    return raw


@lru_cache
def _read(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def _from_environment(name: str, environ: Mapping[str, str], faults: list[str]) -> str | None:
    variable = name.upper()
    if path := environ.get(f"{variable}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            faults.append(f"{variable}_FILE cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{variable}_FILE cannot be read: it is not text")
    return environ.get(variable, environ.get(ALIASES.get(name, "")))


def _convert(kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if str(value) not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)
    if typing.get_origin(kind) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(str(item).strip() for item in items if str(item).strip())
    return _SCALARS[kind](value)


def _number(kind: type[int] | type[float]) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        try:
            number = kind(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be a {'whole ' if kind is int else ''}number") from None
        if number < 0 or not math.isfinite(number):
            raise ValueError("must be finite and not negative")
        return number

    return convert


def _boolean(value: Any) -> bool:
    words = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError("must be on or off") from None


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    str: str,
    int: _number(int),
    float: _number(float),
    bool: _boolean,
}
