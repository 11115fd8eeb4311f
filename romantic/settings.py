"""Settings: environment variables over config/<env>.toml over config/default.toml, every fault reported at once."""

import os
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from aiohttp import web

CONFIG = Path(__file__).parent.parent / "config"
ENVIRONMENTS = ("development", "test", "production")
ALIASES = {"cors_origins": "SOCKET_IO_CORS_ORIGIN"}
SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between a laptop, a test and production.

    A field is the environment variable of the same name in capitals and the key of the same name in
    config/default.toml, where its default and its meaning stand. Seconds may be fractions.
    """

    romantic_env: Literal["development", "test", "production"]
    host: str
    port: int
    public_base_url: str
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    shutdown_seconds: float

    database_url: str
    database_pool_max: int
    database_acquire_seconds: float
    database_statement_seconds: float
    database_lock_seconds: float
    redis_url: str

    jwt_secret: str
    jwt_access_ttl: float
    refresh_ttl: float
    refresh_grace: float
    session_cache_seconds: float
    otp_pepper: str
    otp_ttl: float
    otp_resend_seconds: float
    otp_per_hour: int
    otp_per_day: int
    otp_per_hour_per_ip: int
    otp_per_hour_per_prefix: int
    otp_per_hour_in_all: int
    otp_test_numbers: str
    phone_strict: bool
    verified_means: Literal["phone", "manual"]

    whatsapp_access_token: str
    whatsapp_phone_number_id: str
    whatsapp_api_version: str
    whatsapp_api_base_url: str
    whatsapp_template_name: str
    whatsapp_template_style: Literal["authentication", "legacy"]

    webrtc_stun_servers: tuple[str, ...]
    webrtc_turn_servers: tuple[str, ...]
    webrtc_turn_secret: str
    webrtc_turn_username: str
    webrtc_turn_credential: str
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
    call_meter: Literal["auto", "evidence", "wallclock"]
    call_policy: Literal["open", "superlover_or_match"]
    call_require_reachable: bool
    super_lover_share: float
    message_cost: int
    boost_cost: int
    gift_cost: int
    welcome_coins: int

    ws_ping_seconds: float
    ws_call_ping_seconds: float
    ws_auth_seconds: float
    ws_max_sockets: int
    ws_allow_query_token: bool

    rate_limits: bool
    read_timeout_seconds: float
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["json", "console"]

    @property
    def development(self) -> bool:
        return self.romantic_env == "development"

    @property
    def jwt_keys(self) -> dict[str, str]:
        """Signing secrets by key id; the first signs, all verify."""
        pairs = [item.strip() for item in self.jwt_secret.split(",") if item.strip()]
        return {kid or "0": key for kid, _, key in (_keyed(pair) for pair in pairs)}

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
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for field in fields(Settings):
        try:
            values[field.name] = _convert(hints[field.name], raw[field.name])
        except KeyError:
            faults.append(f"{field.name.upper()} has no value: config/default.toml lacks the key")
        except ValueError as error:
            faults.append(f"{field.name.upper()} {error}")
    faults += [f"config: unknown key {name}" for name in sorted(set(raw) - set(hints))]
    if not faults:
        faults = _contradictions(values)
    if not faults and values["romantic_env"] == "production":
        faults = _not_for_production(values)
    if faults:
        raise SettingsFaulty(faults)
    return Settings(**values)


def _layers(environ: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    environment = environ.get("ROMANTIC_ENV", "development")
    raw: dict[str, Any] = {"romantic_env": environment}
    for name in ("default", environment if environment in ENVIRONMENTS else "default"):
        path = CONFIG / f"{name}.toml"
        if path.exists():
            raw |= tomllib.loads(path.read_text("utf-8"))
    for field in fields(Settings):
        value = _from_environment(field.name, environ, faults)
        if value is not None:
            raw[field.name] = value
    return raw


def _from_environment(name: str, environ: Mapping[str, str], faults: list[str]) -> str | None:
    variable = name.upper()
    if path := environ.get(f"{variable}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            faults.append(f"{variable}_FILE cannot be read: {error.strerror}")
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
        if number < 0:
            raise ValueError("must not be negative")
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


def _keyed(pair: str) -> tuple[str, str, str]:
    kid, colon, key = pair.partition(":")
    return (kid, colon, key) if colon else ("", "", pair)


def _contradictions(values: dict[str, Any]) -> list[str]:
    faults = []
    if values["super_lover_share"] > 1:
        faults.append("SUPER_LOVER_SHARE must be between 0 and 1")
    if values["call_billing"] == "metered" and values["call_meter"] == "wallclock":
        faults.append("CALL_METER=wallclock cannot be combined with CALL_BILLING=metered")
    if bool(values["webrtc_turn_username"]) != bool(values["webrtc_turn_credential"]):
        faults.append("WEBRTC_TURN_USERNAME and WEBRTC_TURN_CREDENTIAL go together")
    return faults


def _not_for_production(values: dict[str, Any]) -> list[str]:
    """What a laptop may do and a server with real users may not."""
    faults = []
    needed = ("database_url", "redis_url", "public_base_url", "whatsapp_access_token", "whatsapp_phone_number_id")
    faults += [f"{name.upper()} is required" for name in needed if not values[name]]
    for name in ("jwt_secret", "otp_pepper"):
        secrets = [_keyed(part.strip())[2] for part in values[name].split(",")]
        if any(len(secret) < SHORTEST_SECRET for secret in secrets):
            faults.append(f"{name.upper()} is required, with at least {SHORTEST_SECRET} characters per secret")
        elif any(secret.startswith("development-only") for secret in secrets):
            faults.append(f"{name.upper()} is the development secret")
    if any("*" in origin for origin in values["cors_origins"]):
        faults.append("CORS_ORIGINS must name its origins, not *")
    if urlsplit(values["whatsapp_api_base_url"]).scheme != "https":
        faults.append("WHATSAPP_API_BASE_URL must be https")
    if values["ws_allow_query_token"]:
        faults.append("WS_ALLOW_QUERY_TOKEN is a development switch")
    return faults
