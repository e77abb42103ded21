"""Finds secrets in a diff: formats of tokens that their makers publish, passwords in addresses, files that hold them.

After the rules of gitleaks (https://github.com/gitleaks/gitleaks, config/gitleaks.toml, MIT). detect-secrets, which has
a Python API, was weighed and left out: it asks the makers' services whether what it found is valid unless it is told
not to, keeps its settings in global variables, and its entropy rules find hashes and ids in every diff.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from typing import NamedTuple

from headwater.code.types import Finding, shortened

_PLACEHOLDER = re.compile(
    r"^[<$*\[]|^%\(|[{}]|\.\.\.|example|placeholder|changeme|change-me|your[_-]|dummy|xxxx|redacted|not-a-secret",
    re.IGNORECASE,
)
_MASKED = re.compile(r"(.)\1{7}")


class Rule(NamedTuple):
    """One kind of secret."""

    description: str
    pattern: re.Pattern[str]
    """Its group ``secret``, if it has one, is the secret itself."""
    holds: Callable[[str], bool] = bool
    """Whether a match is one indeed: a placeholder isn't."""
    files: tuple[str, ...] = ("*",)


def _is_real(secret: str) -> bool:
    return not (_PLACEHOLDER.search(secret) or _MASKED.search(secret))


def _is_random(secret: str) -> bool:
    """Letters and digits mixed as chance mixes them, and no words."""
    counts = Counter(secret)
    entropy = -sum(count / len(secret) * math.log2(count / len(secret)) for count in counts.values())
    has_both = any(map(str.isdigit, secret)) and any(map(str.isalpha, secret))
    return _is_real(secret) and has_both and entropy >= 3


def _token(description: str, pattern: str) -> Rule:
    return Rule(description, re.compile(rf"(?<![A-Za-z0-9_])(?P<secret>{pattern})(?![A-Za-z0-9])"), _is_real)


_WORD = r"(?:pass(?:word|wd|phrase)?|secret|token|api_?key|access_?key|private_?key|client_?secret|credentials?)"
_SETTINGS = ("*.yaml", "*.yml", "*.toml", "*.ini", "*.cfg", "*.conf", "*.properties", "*.json", "*.tfvars")
# Every repetition is bounded: a line may have megabytes.
RULES: Mapping[str, Rule] = {
    "private-key": Rule(
        "a private key", re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File-|AGE-SECRET-KEY-1")
    ),
    "aws-access-key": _token("an AWS access key's id", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    "aws-secret-key": Rule(
        "an AWS secret access key",
        re.compile(r"(?i:aws|secret)[\w.\[\]'\"-]{0,40}[ \t]{0,8}[=:]{1,2}[ \t]{0,8}['\"]?"
                   r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
        _is_random,
    ),
    "github-token": _token("a token of GitHub", r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"),
    "gitlab-token": _token("a token of GitLab", r"gl(?:pat|ptt|dt|rt|oas|ft|soat)-[A-Za-z0-9_-]{20,255}"),
    "slack-token": _token("a token of Slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"),
    "webhook": Rule(
        "a webhook, whose address is its secret",
        re.compile(r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{20,200}"
                   r"|(?:discord|discordapp)\.com/api/webhooks/\d{5,30}/[\w-]{20,200}"
                   r"|[\w-]{1,63}\.webhook\.office\.com/webhookb2/[\w@/-]{20,300})"),
    ),
    "google-key": _token("a key of Google", r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}"),
    "azure-key": Rule("an account key of Azure", re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,200}={0,2})")),
    "model-service-key": _token(
        "a key of a model service",
        r"sk-ant-[A-Za-z0-9_-]{20,255}|sk-[A-Za-z0-9_-]{10,200}T3BlbkFJ[A-Za-z0-9_-]{10,200}|hf_[A-Za-z]{34}",
    ),
    "package-index-token": _token("a token of a package index", r"pypi-[A-Za-z0-9_-]{50,1000}|npm_[A-Za-z0-9]{36}"),
    "payment-key": _token("a key of Stripe", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,200}"),
    "mail-key": _token("a key of SendGrid", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    "platform-token": _token(
        "a token of Databricks, Pulumi or Vault", r"dapi[a-f0-9]{32}|pul-[a-f0-9]{40}|hvs\.[A-Za-z0-9_-]{24,255}"
    ),
    "json-web-token": _token(
        "a JSON web token", r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    ),
    "password-in-address": Rule(
        "a password in an address",
        re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,200}:(?P<secret>[^\s/@'\"]{3,200})@[\w.\[-]"),
        _is_real,
    ),
    "pulumi-secret": Rule(
        "an encrypted secret of Pulumi, or what decrypts it",
        re.compile(r"^[ \t]{0,40}(?:-[ \t]{1,8})?(?:secure|encryptionsalt|encryptedkey)[ \t]{0,8}:", re.MULTILINE),
        files=("Pulumi.*.yaml", "Pulumi.*.yml", "Pulumi.yaml"),
    ),
    "headwater-setting": Rule(
        "webhooks of alarms in plain text",
        re.compile(r"alarmWebhooks[ \t\"']{0,8}:[ \t]{0,8}(?P<secret>[^\n]{0,20}https?://)"),
        files=("Pulumi.*.yaml", "Pulumi.*.yml", "Pulumi.yaml"),
    ),
    "assigned-secret": Rule(
        "a value that is called a secret",
        re.compile(rf"(?i:{_WORD})[\w\]'\"]{{0,20}}[ \t]{{0,8}}(?::[ \t]{{0,4}}str[ \t]{{0,4}})?[=:]{{1,2}}[ \t]{{0,8}}"
                   r"(?:[rbf]{0,2}['\"])(?P<secret>[^\s'\"]{8,200})['\"]"),
        _is_random,
    ),
    "configured-secret": Rule(
        "a setting that is called a secret",
        re.compile(rf"(?i:{_WORD})[\w]{{0,20}}[ \t]{{0,8}}[=:][ \t]{{0,8}}(?P<secret>[^\s'\"#]{{8,200}})[ \t]{{0,40}}$",
                   re.MULTILINE),
        _is_random,
        files=_SETTINGS,
    ),
}  # fmt: skip
"""By the rule's name, which a finding says."""

FILE_RULE = "file-of-secrets"
FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc", ".htpasswd",
    ".git-credentials", "credentials", "credentials.json", "credentials.toml", "kubeconfig", "*.tfstate",
    "*.tfstate.backup", "service-account*.json", "service_account*.json", "secrets.yaml", "secrets.yml",
    "secrets.toml", "secrets.json",
)  # fmt: skip
"""Names of files that are secrets whatever they hold."""
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "example.env", "sample.env")


def secrets_in(file: str, text: str) -> Iterator[Finding]:
    """The secrets in one file's part of a diff, one for each rule.

    Parameters
    ----------
    file : str
        The file's path.
    text : str
        The part's lines, removed ones too, without git's marks at their beginning.
    """
    name = file.rpartition("/")[2].lower()
    if name not in _EXAMPLES and any(fnmatch(name, pattern) for pattern in FILES):
        yield Finding(file=shortened(file), rule=FILE_RULE)
    for called, rule in RULES.items():
        if any(fnmatch(name, pattern.lower()) for pattern in rule.files) and _matches(rule, text):
            yield Finding(file=shortened(file), rule=called)


def _matches(rule: Rule, text: str) -> bool:
    return any(rule.holds(found.groupdict().get("secret") or found[0]) for found in rule.pattern.finditer(text))
