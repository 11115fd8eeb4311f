"""What operators count: every metric family of the service, by Prometheus' naming rules.

Base units, the prefix `romantic_`, and only labels whose values are bounded: route templates, error codes,
event names. Nobody's id is ever a label; a single call or request is looked up in the logs.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series again, and nobody asks

#: Of this process; what belongs to one application (its sockets, calls, pool) is collected in ops/.
REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

#: As OpenTelemetry advises for http.server.request.duration.
_HTTP = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_BYTES = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0)
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"romantic_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"romantic_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"romantic_{name}", text, labels, registry=REGISTRY, buckets=buckets)


HTTP_SECONDS = _histogram(
    "http_request_duration_seconds", "Time to answer.", "method", "route", "status_class", buckets=_HTTP
)
HTTP_REQUESTS = _counter("http_requests", "Requests answered.", "method", "route", "status")
HTTP_IN_FLIGHT = _gauge("http_requests_in_flight", "Requests being served, open sockets among them.")
HTTP_BYTES = _histogram("http_response_size_bytes", "Size of answers.", "route", buckets=_BYTES)
ERRORS = _counter("errors", "Refusals and faults by code of the catalogue.", "code")
RATE_LIMITED = _counter("rate_limited", "Requests and frames over a limit.", "policy", "transport")
IDEMPOTENT_REPLAYS = _counter("idempotent_replays", "Answers given again to a retry.", "route")

WS_OPENED = _counter("ws_connections_opened", "Sockets that signed in.", "client")
WS_RESUMED = _counter("ws_resumes", "Phones that came back and asked for what they missed.", "outcome")
WS_DISCONNECTS = _counter("ws_disconnects", "Sockets closed.", "close_code", "reason")
WS_EVENTS = _counter(
    "ws_events", "Frames of clients by what became of them.", "direction", "event", "outcome"
)
WS_HANDLE_SECONDS = _histogram("ws_event_handle_seconds", "Time to serve a frame.", "event", buckets=_QUICK)
WS_DURATION_SECONDS = _histogram(
    "ws_connection_duration_seconds",
    "Life of a socket.",
    buckets=(1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
)

CALLS = _counter("calls", "Calls that came to an end.", "call_type", "outcome")
CALL_ENDS = _counter("call_ends", "Why calls came to their end.", "end_reason")
CALL_SETUP_SECONDS = _histogram(
    "call_setup_seconds",
    "From accept to the first billed instant.",
    "call_type",
    buckets=(0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0),
)
CALL_SECONDS = _histogram(
    "call_duration_seconds",
    "Billed length of calls.",
    "call_type",
    buckets=(5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
)
CALL_DISPUTED_SECONDS = _histogram(
    "call_duration_gap_seconds",
    "How far a client's own count of a call was from the meter.",
    buckets=(1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
CALL_MOS = _histogram(
    "call_mos",
    "Estimated mean opinion score of a side's path (ITU-T G.107).",
    "media",
    buckets=(1.0, 2.0, 2.6, 3.0, 3.3, 3.6, 3.8, 4.0, 4.2, 4.4, 5.0),
)
CALL_JITTER_SECONDS = _histogram(
    "call_jitter_seconds", "Jitter of a side.", "media", buckets=(0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2)
)
CALL_RTT_SECONDS = _histogram(
    "call_round_trip_seconds",
    "Round trip between a side and the server.",
    buckets=(0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0),
)
CALL_LOSS = _histogram(
    "call_packet_loss_ratio", "Loss of a side.", "media", buckets=(0.001, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5)
)

CALL_PATHS = _counter(
    "call_candidate_pairs",
    "Kinds of candidate on either end of a call, in a side's own words.",
    "local_type",
    "remote_type",
)
CALL_PATH_FAILURES = _counter(
    "call_ice_failures", "Answered calls that failed on their path, by stage.", "stage"
)

LEDGER_ENTRIES = _counter("ledger_entries", "Entries written.", "kind", "reference_type")
LEDGER_COINS = _counter("ledger_coins", "Coins moved.", "kind")
LEDGER_DRIFT = _gauge("ledger_drift_users", "People whose balance misses their entries; must be 0.")
LEDGER_IMBALANCE = _gauge("ledger_imbalance_coins", "Coins by which balances miss their entries; must be 0.")

OTP = _counter("otp", "One-time codes by channel and what became of them.", "channel", "event")
PUSH = _counter("push", "Push messages by platform and outcome.", "platform", "outcome")
PAYMENTS = _counter("payments", "Purchases by provider and event.", "provider", "event")
WEBHOOKS = _counter("webhooks", "Deliveries of providers.", "provider", "outcome")
JOBS = _counter("jobs", "Durable jobs by kind and outcome.", "kind", "outcome")
PROBES = _counter("probes", "Connectivity probes by verdict.", "verdict")
REPORTS = _counter("reports", "Reports of people about people.", "status")

UPSTREAM_SECONDS = _histogram(
    "upstream_request_duration_seconds",
    "Time a provider took.",
    "provider",
    "operation",
    "outcome",
    buckets=_HTTP,
)
DB_SECONDS = _histogram("db_query_duration_seconds", "Time of a named statement.", "query", buckets=_QUICK)
DB_WAIT_SECONDS = _histogram("db_pool_wait_seconds", "Waiting for a connection.", buckets=_QUICK)
LOOP_LAG_SECONDS = _histogram(
    "event_loop_lag_seconds",
    "How late the event loop wakes a sleeper.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
TASK_SUCCESS = _gauge(
    "background_task_last_success_timestamp_seconds", "When a background task last did its work.", "task"
)
LOG_LINES_DROPPED = _counter("log_lines_dropped", "Log lines nobody took off our hands in time.")
