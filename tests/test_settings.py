"""Settings: environment over files over defaults, and every fault in one go."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest

from romantic.dev.fcm import stand_in_account
from romantic.settings import CONFIG, Settings, SettingsFaulty, load_settings

SECRET = "a-secret-nobody-may-ever-see-in-any-output"
PRODUCTION = {
    "ROMANTIC_ENV": "production",
    "DATABASE_URL": f"postgresql://romantic:{SECRET}@db/romantic",
    "REDIS_URL": "redis://cache",
    "PUBLIC_BASE_URL": "https://api.example.com",
    "JWT_SECRET": f"k1:{SECRET}",
    "OTP_PEPPER": SECRET,
    "WHATSAPP_ACCESS_TOKEN": SECRET,
    "WHATSAPP_PHONE_NUMBER_ID": "123",
    "WHATSAPP_WEBHOOK_VERIFY_TOKEN": SECRET,
    "WHATSAPP_APP_SECRET": SECRET,
    "MEDIA_DIR": "/var/lib/romantic",
    "STRIPE_SECRET_KEY": SECRET,
    "STRIPE_WEBHOOK_SECRET": SECRET,
}


def faults_of(environ):
    with pytest.raises(SettingsFaulty) as faulty:
        load_settings(environ)
    return faulty.value.faults


def names_of(faults):
    return {fault.split(" ")[0].split("=")[0] for fault in faults}


def test_complete_production_starts():
    assert load_settings(PRODUCTION).romantic_env == "production"


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"ROMANTIC_ENV"}))
def test_missing_production_value_is_named(name):
    environ = {key: value for key, value in PRODUCTION.items() if key != name}

    assert name in names_of(faults_of(environ))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "k1:short"),
        ("JWT_SECRET", f"k1:{SECRET},k2:short"),
        ("JWT_SECRET", "dev:development-only-secret-of-more-than-32-characters"),
        ("JWT_SECRET", "test:test-only-secret-of-more-than-thirty-two-characters"),
        ("OTP_PEPPER", "development-only-pepper-of-more-than-32-characters"),
        ("AWS_ENDPOINT_URL_SNS", "http://sns.example"),
        ("AWS_ENDPOINT_URL_SES", "http://ses.example"),
        ("SES_SENDER", "nobody"),
        ("SMS_STATUS_TOPIC_ARN", "texts"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("OPS_PORT", "65536"),
        ("RTC_UDP_PORT", "65536"),
        ("CALL_KEEPER_SECONDS", "0"),
        ("AUTH_LOGIN_GRANT_SECONDS", "601"),
        ("JOBS_CONCURRENCY", "0"),
        ("JOBS_POLL_SECONDS", "0"),
        ("OTP_PEPPER", "short"),
        ("CORS_ORIGINS", "https://a.example,*"),
        ("SOCKET_IO_CORS_ORIGIN", "*"),
        ("WHATSAPP_API_BASE_URL", "http://graph.example"),
        ("STRIPE_API_BASE", "http://api.stripe.example"),
        ("STRIPE_SECRET_KEY", "development-only"),
        ("STRIPE_WEBHOOK_SECRET", f"{SECRET},test-only-webhook-secret"),
        ("WHATSAPP_WEBHOOK_VERIFY_TOKEN", "development-only-verify-token"),
        ("WHATSAPP_APP_SECRET", "test-only-app-secret"),
        ("ADS_TRUST_MODE", "client"),
        ("ADMOB_KEYS_URL", "http://keys.example"),
        ("FCM_API_BASE_URL", "http://fcm.example"),
        ("WS_ALLOW_QUERY_TOKEN", "on"),
        ("RATE_LIMITS", "off"),
    ],
)
def test_what_only_a_laptop_may_do_is_refused_in_production(name, value):
    aliased = {"SOCKET_IO_CORS_ORIGIN": "CORS_ORIGINS"}.get(name, name)

    assert aliased in names_of(faults_of(PRODUCTION | {name: value}))


def test_unreadable_values_and_production_faults_come_out_together():
    environ = {
        "ROMANTIC_ENV": "production",
        "PORT": "eighty",
        "JWT_ACCESS_TTL": "nan",
        "WS_ALLOW_QUERY_TOKEN": "on",
    }

    faults = faults_of(environ)

    assert {"PORT", "JWT_ACCESS_TTL", "WS_ALLOW_QUERY_TOKEN", "DATABASE_URL", "OTP_PEPPER"} <= names_of(
        faults
    )
    assert len(faults) == len(set(faults))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "8080.5"),
        ("PORT", "-1"),
        ("OTP_TTL", "inf"),
        ("OTP_TTL", "five minutes"),
        ("PHONE_STRICT", "perhaps"),
        ("CALL_BILLING", "free"),
        ("DATABASE_POOL_MAX", "0"),
        ("JWT_SECRET", ""),
        ("JWT_SECRET", f"{SECRET},{SECRET}x"),
        ("JWT_SECRET", f"a:{SECRET},a:{SECRET}x"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("OTP_TEST_NUMBERS", "+15550100=123456"),
        ("OTP_TEST_NUMBERS", "+15550100=12345@2027-01-01"),
        ("OTP_TEST_NUMBERS", "+15550100=123456@2027-13-01"),
        ("OTP_TEST_NUMBERS", "15550100=123456@2027-01-01"),
        ("FCM_PROJECT_ID", "a-project-and-no-key"),
    ],
)
def test_value_of_no_use_is_refused_at_the_start_in_every_environment(name, value):
    environ = {"ROMANTIC_ENV": "test", name: value}

    assert names_of(faults_of(environ)) == {name}


@pytest.mark.parametrize("value", ["prod", "", "PRODUCTION", "default"])
def test_environment_nobody_knows_is_refused(value):
    assert "ROMANTIC_ENV must be one of development, test, production" in faults_of({"ROMANTIC_ENV": value})


@pytest.fixture(scope="module")
def account():
    """A service account's key, as Google hands it out."""
    return json.loads(stand_in_account("https://oauth2.example"))


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"},
        {"private_key": 7},
        {"client_email": None},
        {"token_uri": "oauth2.example/token"},
        None,
        "hunter2",
    ],
    ids=str,
)
def test_credentials_of_no_use_for_pushes_are_refused_at_the_start_untold(tmp_path, account, changes):
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account | changes if isinstance(changes, dict) else changes))

    faults = faults_of({"ROMANTIC_ENV": "test", "FCM_CREDENTIALS_FILE": str(file)})

    assert names_of(faults) == {"FCM_CREDENTIALS_FILE"}
    assert "hunter2" not in str(faults)


def test_credentials_for_pushes_are_read_from_their_file_and_shown_nowhere(tmp_path, account):
    (tmp_path / "account.json").write_text(json.dumps(account))

    settings = load_settings(PRODUCTION | {"FCM_CREDENTIALS_FILE": str(tmp_path / "account.json")})

    assert json.loads(settings.fcm_credentials) == account
    assert "PRIVATE KEY" not in repr(settings)


def test_access_to_the_push_service_is_never_asked_for_unencrypted(account):
    plain = json.dumps(account | {"token_uri": "http://oauth2.example/token"})

    assert names_of(faults_of(PRODUCTION | {"FCM_CREDENTIALS": plain})) == {"FCM_CREDENTIALS_FILE"}


def test_faults_never_tell_a_value():
    environ = {
        "ROMANTIC_ENV": "production",
        "JWT_SECRET": "k:hunter2",
        "PORT": "hunter2",
        "OTP_TEST_NUMBERS": "hunter2",
    }

    assert "hunter2" not in "\n".join(faults_of(environ))


def test_printed_settings_hold_no_secret():
    settings = load_settings(
        {"ROMANTIC_ENV": "test"}, jwt_secret=f"k:{SECRET}", otp_pepper=SECRET, database_url=SECRET
    )

    assert SECRET not in repr(settings)
    assert "jwt_secret" not in repr(settings)


def test_secret_is_read_from_a_file(tmp_path):
    (tmp_path / "pepper").write_text(f"{SECRET}\n")

    settings = load_settings({"ROMANTIC_ENV": "test", "OTP_PEPPER_FILE": str(tmp_path / "pepper")})

    assert settings.otp_pepper == SECRET


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_file_that_cannot_be_read_is_a_fault(tmp_path, content):
    path = tmp_path / "pepper"
    path.write_bytes(content) if content else None

    assert names_of(faults_of({"ROMANTIC_ENV": "test", "OTP_PEPPER_FILE": str(path)})) == {"OTP_PEPPER_FILE"}


def test_environment_named_in_a_file_brings_its_own_layer(tmp_path):
    """Else production would run on what development lets everybody know."""
    (tmp_path / "env").write_text("production")
    environ = {name: value for name, value in PRODUCTION.items() if name != "ROMANTIC_ENV"}

    faults = faults_of(environ | {"ROMANTIC_ENV_FILE": str(tmp_path / "env"), "PORT": "x"})

    assert not names_of(faults) & {"OTP_TEST_NUMBERS", "WHATSAPP_API_BASE_URL"}


def test_environment_wins_over_files_and_the_alias_names_origins():
    settings = load_settings(
        {"ROMANTIC_ENV": "test", "PORT": "9", "SOCKET_IO_CORS_ORIGIN": "https://a, https://b"}
    )

    assert (settings.port, settings.cors_origins) == (9, ("https://a", "https://b"))


def test_first_key_signs_and_all_are_known():
    settings = load_settings({"ROMANTIC_ENV": "test", "JWT_SECRET": "new:one:with:colons, old:two"})

    assert list(settings.jwt_keys.items()) == [("new", "one:with:colons"), ("old", "two")]


def test_every_setting_has_a_default_that_is_documented():
    defaults = tomllib.loads((CONFIG / "default.toml").read_text("utf-8"))

    assert set(defaults) == {field.name for field in fields(Settings)} - {"romantic_env"}


def run(*arguments, **environ):
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = (sys.executable, CONFIG.parent / "run.py", *arguments)
    return subprocess.run(
        command, env=clean | environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_faulty_start_ends_with_78_and_no_traceback():
    done = run("serve", ROMANTIC_ENV="production", PORT="hunter2")

    assert done.returncode == 78
    assert "JWT_SECRET" in done.stderr
    assert "PORT" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_config_show_names_secrets_without_printing_them():
    done = run("config", "show", **PRODUCTION | {"ROMANTIC_ENV": "development"})

    assert "JWT_SECRET=(set, sha256 " in done.stdout
    assert SECRET not in done.stdout + done.stderr
