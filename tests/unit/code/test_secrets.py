"""A diff with what looks like a secret isn't kept, and the state says where without saying what."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headwater.code.secrets import FILE_RULE, RULES, secrets_in
from headwater.code.service import describe
from tests.unit.code.repositories import commit, git, put, repository

# Put together here, so that no scanner takes this page for a leak. None of them was ever valid.
SECRETS = {
    "aws-access-key": ("a.py", 'key = "' + "AKIA" + 'Q3EGRT5YUZ2WXCVB"'),
    "aws-secret-key": ("a.py", "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYzzqKEY0123"),
    "private-key": ("a.py", "-----BEGIN RSA " + "PRIVATE KEY-----"),
    "github-token": ("a.py", "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"),
    "gitlab-token": ("a.py", "glpat-" + "Ab3dE6gH9jK2mN5pQ8sT"),
    "slack-token": ("a.py", "xoxb-" + "123456789012-abcdefABCDEF"),
    "webhook": ("a.py", "https://hooks.slack.com/" + "services/T00000001/B00000002/abcdefABCDEF"),
    "google-key": ("a.py", "AIza" + "SyD3kf9aB7cQ1wE5rT8yU2iO6pA4sD7fG0h"),
    "azure-key": ("a.py", "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"),
    "model-service-key": ("a.py", "sk-ant-" + "api03-Ab3dE6gH9jK2mN5pQ8sT"),
    "package-index-token": ("a.py", "npm_" + "Ab3dE6gH9jK2mN5pQ8sTAb3dE6gH9jK2mN5p"),
    "payment-key": ("a.py", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    "mail-key": ("a.py", "SG." + "ngeVfQFYQlKU0ufo8x5d1A." + "TwL2iGABf9DHoTf09kqeF8tAmbihYzrnopKc1s5cr"),
    "platform-token": ("a.py", "pul-" + "0123456789abcdef0123456789abcdef01234567"),
    "json-web-token": ("a.py", "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N"),
    "password-in-address": ("a.py", "postgres://ada:" + "hunter2@db.internal/flights"),
    "pulumi-secret": ("infra/Pulumi.dev.yaml", "  flights:token:\n    secure: v1:abc"),
    "headwater-setting": ("Pulumi.dev.yaml", "  headwater:alarmWebhooks: '[\"https://chat.internal/hook/1\"]'"),
    "assigned-secret": ("a.py", "PASSWORD = " + '"tr0ub4dor-and-3"'),
    "configured-secret": ("settings.toml", "db_password = " + "tr0ub4dorAnd3"),
}
HARMLESS = [
    ("a.py", 'key = "AKIAIOSFODNN7EXAMPLE"'),
    ("a.py", 'ACCESS_KEY, SECRET_KEY = "AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret"'),
    ("a.py", 'url = f"https://{user}:{password}@{host}/"'),
    ("a.py", 'url = "postgres://user:$PASSWORD@db/x"'),
    ("a.py", 'token = os.environ["TOKEN"]'),
    ("a.py", 'password = getpass("Password for the database: ")'),
    ("a.py", 'tokens = ["first-word", "second"]'),
    ("a.py", "sha256 = " + '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"'),
    ("a.py", "see https://hooks.slack.com/services/ for how"),
    ("a.py", 'api_key: str = "xxxxxxxxxxxxxxxx1"'),
    ("Pulumi.dev.yaml", "config:\n  headwater:logRetentionDays: 30"),
    ("settings.toml", "token_lifetime = 3600"),
    ("settings.toml", 'password = "${PASSWORD_1}"'),
    (".env.example", "PASSWORD="),
    ("pemdas.py", "x = 1"),
    ("requirements.txt", "--hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
]


def test_every_rule_has_an_example() -> None:
    assert set(SECRETS) == set(RULES)


@pytest.mark.parametrize("rule", SECRETS)
def test_a_secret_is_found_by_its_rule(rule: str) -> None:
    file, text = SECRETS[rule]
    assert rule in {found.rule for found in secrets_in(file, f"before\n{text}\nafter")}


@pytest.mark.parametrize(("file", "text"), HARMLESS)
def test_code_that_speaks_of_secrets_is_none(file: str, text: str) -> None:
    assert list(secrets_in(file, text)) == []


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "prod.env", "cert/server.pem", "a.P12", "home/id_rsa", ".aws/credentials"]
)
def test_a_file_that_holds_secrets_is_one_by_its_name(name: str) -> None:
    assert [found.rule for found in secrets_in(name, "")] == [FILE_RULE]


def test_a_diff_with_a_secret_is_not_kept_and_nothing_says_the_secret(tmp_path: Path) -> None:
    project = repository(tmp_path / "flights")
    _, text = SECRETS["github-token"]
    put(project, "pipelines/flights/product.py", f"rows = 1\ntoken = '{text}'\n")
    put(project, ".env", "A=1\n")
    state, diff = describe(project)
    assert diff == b""
    assert {(found.file, found.rule) for found in state.findings} >= {
        ("pipelines/flights/product.py", "github-token"),
        (".env", FILE_RULE),
    }
    assert (state.diff, state.is_diff_kept, state.diff_key) == ("", False, "")
    assert (len(state.commit), len(state.tree), state.clean) == (40, 40, False)
    assert text.encode() not in state.document
    assert ".env (file-of-secrets)" in state.reason


def test_a_secret_that_is_taken_away_is_in_the_diff_as_well(tmp_path: Path) -> None:
    project = repository(tmp_path / "flights")
    put(project, "old.py", SECRETS["slack-token"][1])
    commit(project)
    (project / "old.py").unlink()
    state, diff = describe(project)
    assert (diff, state.findings[0].rule) == (b"", "slack-token")


def test_a_key_store_is_refused_by_its_name_though_it_is_binary(tmp_path: Path) -> None:
    project = repository(tmp_path / "flights")
    put(project, "keys/trust.jks", b"\0\1")
    put(project, "new.py", "x = 1\n")
    state, diff = describe(project)
    assert (diff, state.findings[0].file) == (b"", "keys/trust.jks")


def test_a_remote_with_a_token_in_its_path_is_not_kept(tmp_path: Path) -> None:
    project = repository(tmp_path / "flights")
    git(project, "remote", "set-url", "origin", f"https://example.com/{SECRETS['github-token'][1]}/flights")
    assert describe(project).state.remote == ""


@pytest.mark.parametrize("word", ["a", "eyJa.", "secret", "a://b:", "-----BEGIN "])
def test_a_line_of_megabytes_is_searched_in_seconds(word: str) -> None:
    began = time.monotonic()
    list(secrets_in("settings.json", word * (2_000_000 // len(word))))
    assert time.monotonic() - began < 10
