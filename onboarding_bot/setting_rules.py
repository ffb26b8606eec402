"""Rules for the text of a setting: its characters, numbers, hosts and URLs. Faults never quote the text."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

# Earlier releases put a variable's value here.
REFERENCE = re.compile(r"\$\{[^}]*\}")

REDIS_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel")
PAGE_MAX_LENGTH = 70
_REDIS_DATABASES = 2**31 - 1
_MAX_DIGITS = 20

_CURLY_QUOTES = frozenset("“”„‟‘’‚‛«»‹›＂＇`´")
_JOINERS = frozenset("\u200c\u200d")
_CONTROLS = {"\0": "a NUL byte", "\t": "a tab", "\n": "a line break", "\r": "a line break"}
# Cc controls, Cf invisible characters, Cs bytes that are not UTF-8, Zl and Zp separators of lines.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")

_PLACEHOLDER = re.compile(
    r"""(?:.*[^a-z])?(?:AC)?<[a-z][^<>]*> | \[your.*\] | \{\{.*\}\}
    | (?:.*[^a-z])? your[-_ ]?(?:own[-_ ]?)?
      (?:account|admin|api|app|auth|bot|company|contact|domain|encryption|handoff|host|key|name|ngrok|number|password|
         person|phone|pw|redis|secret|server|session|sid|site|subdomain|support|token|tunnel|twilio|url|website)
      (?:[^a-z].*)?
    | your[-_ ].*[-_ ](?:key|password|secret|token) | (?:enter|insert|paste|put)[-_ ](?:a|an|the|your)[-_ ].*
    | (?:.*[^a-z])? (?:change|replace|fill|insert|paste)[-_ ]?(?:me|this|it|in|with|by|here)(?:[^a-z].*)?
    | .*changeme.* | (?:.*[^a-z])?placeholder(?:[^a-z].*)? | todo | .*x{6,}""",
    re.VERBOSE | re.IGNORECASE,
)

_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_HOST_NAME = re.compile(rf"_?{_LABEL}(?:\.{_LABEL})*\.?")
BAD_PER_CENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The options that redis-py takes behind the ? of a URL, and the form of each value.
_FLAG, _COUNT, _SECONDS, _TEXT = (
    r"(?i:true|false|yes|no|y|n|t|f|on|off|[01])",
    r"[0-9]{1,9}",
    r"[0-9]{1,6}(\.[0-9]+)?",
    r".+",
)
_REDIS_OPTIONS = {
    "db": _COUNT,
    "username": _TEXT,
    "password": _TEXT,
    "client_name": _TEXT,
    "protocol": r"[23]",
    "max_connections": _COUNT,
    "health_check_interval": _COUNT,
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
    "socket_keepalive": _FLAG,
    "socket_read_size": _COUNT,
    "retry_on_timeout": _FLAG,
}
_REDISS_OPTIONS = _REDIS_OPTIONS | {
    "ssl_cert_reqs": r"none|optional|required",
    "ssl_check_hostname": _FLAG,
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_certfile": _TEXT,
    "ssl_keyfile": _TEXT,
    "ssl_password": _TEXT,
    "ssl_ciphers": _TEXT,
    "ssl_min_version": _COUNT,
}
_OPTIONS = {
    "redis": _REDIS_OPTIONS,
    "rediss": _REDISS_OPTIONS,
    "redis+sentinel": {"sentinel_username": _TEXT, "sentinel_password": _TEXT},
}


# --- characters ----------------------------------------------------------------------------------------------------


def whole_number(raw: str) -> int | None:
    """The number that ASCII digits write, or None: other scripts have digits too, and so have superscripts."""
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= _MAX_DIGITS else None


def character(char: str) -> str:
    """The name of a character, so that an operator finds it even where it is invisible."""
    if "\udc80" <= char <= "\udcff":
        return "a byte that is not UTF-8"
    known = _CONTROLS.get(char)
    return known or f"U+{ord(char):04X} ({unicodedata.name(char, 'a control character').lower()})"


def refuse_stray_characters(raw: str, *, free_text: bool) -> None:
    """Raises ValueError for characters that nobody types on purpose: invisible ones, and quotes from a text.

    With ``free_text``, which people read, it allows no-break spaces, quotes and the joiners of Indian scripts.
    """
    if len(raw) > 1 and raw[0] in "\"'" and raw[0] == raw[-1]:
        raise ValueError("stands in quotes that have become a part of it: take them away")
    if raw and (raw[0] in _CURLY_QUOTES and raw[-1] in _CURLY_QUOTES):
        raise ValueError(f"stands in quotes of a text, {character(raw[0])}: write straight ones, or none")
    for position, char in enumerate(raw, start=1):
        if _is_stray(char, free_text=free_text):
            advice = "type it anew" if char not in _CURLY_QUOTES else "write straight quotes around it, or none"
            raise ValueError(f"has {character(char)} as character {position}: {advice}")


def _is_stray(char: str, *, free_text: bool) -> bool:
    category = unicodedata.category(char)
    if free_text:
        return category in _INVISIBLE and char not in _JOINERS and char != "\n"
    if char in _CURLY_QUOTES - {"`", "´"} or char in _BLANK_LETTERS or category in _INVISIBLE:
        return True
    return category == "Zs" and char != " "


def refuse_other_than_ascii(raw: str, advice: str = "type it anew") -> None:
    """Raises ValueError for a character that is not ASCII, and may only look like one that is."""
    for position, char in enumerate(raw, start=1):
        if not char.isascii():
            raise ValueError(f"has {character(char)} as character {position}: {advice}")


def is_placeholder(raw: str) -> bool:
    """Whether this is an example's placeholder, and no value."""
    return _PLACEHOLDER.fullmatch(raw) is not None


# --- URLs ----------------------------------------------------------------------------------------------------------


def http_url(raw: str) -> str:
    """The URL of a web server, without a slash at its end. Raises ValueError with the fault in plain words."""
    scheme = raw.partition("://")[0].lower()
    if scheme not in {"http", "https"} or "://" not in raw:
        raise ValueError("must be a URL that begins with https:// (or http://)")
    if "?" in raw or "#" in raw:
        raise ValueError("must be a URL without ? and #")
    parts = _url_parts(raw)
    if "@" in parts.path:
        raise ValueError("has an @ behind its host: a / in a password is written %2F")
    login, _, host = parts.netloc.rpartition("@")
    _check_login(login)
    _check_host(host)
    refuse_other_than_ascii(parts.path, "behind the host write it percent-encoded")
    if is_placeholder(parts.hostname or ""):
        raise ValueError("is still the example's: write the real address")
    return raw.rstrip("/")


def page_url(raw: str) -> str:
    """The URL of a page that owners see in a message. Raises ValueError with the fault in plain words."""
    parts = _url_parts(raw)
    # A longer one would not fit into the message.
    if parts.scheme != "https" or "@" in parts.netloc or not raw.isascii() or len(raw) > PAGE_MAX_LENGTH:
        raise ValueError(f"must be a page that begins with https://, in {PAGE_MAX_LENGTH} characters at most")
    _check_host(parts.netloc)
    return raw


def redis_url(raw: str) -> str:
    """The URL of one Redis server, Sentinel or Cluster, as ``storage.connection`` reads it.

    Raises ValueError with the fault in plain words.
    """
    scheme, found, rest = raw.partition("://")
    if not found or scheme not in REDIS_SCHEMES:
        raise ValueError(f"must be a URL whose scheme is one of {', '.join(REDIS_SCHEMES)}")
    if "#" in raw:
        raise ValueError("has a raw #, which ends the URL: in a password write it percent-encoded, %23")
    refuse_other_than_ascii(raw, "in a password write it percent-encoded")
    _refuse_cut_password(rest)
    parts = _url_parts(raw)
    login, _, hosts = parts.netloc.rpartition("@")
    _check_login(login)
    if re.fullmatch(r"[\w.-]+:[0-9]{1,5},.*:.*", login):
        raise ValueError("must name user and password once, before the first host")
    if login and ":" not in login:
        raise ValueError("names a user without a password: a password alone has a colon before it, :password@")
    listed = hosts.split(",")
    if scheme in {"redis", "rediss"} and len(listed) > 1:
        raise ValueError("names several hosts: that needs redis+cluster:// or redis+sentinel://")
    for host in listed:
        _check_host(host)
    options = _options(scheme, parts.query)
    _check_database(scheme, parts.path, options.get("db"))
    return raw


def _url_parts(url: str) -> SplitResult:
    refuse_stray_characters(url, free_text=False)
    if REFERENCE.search(url):
        raise ValueError("holds ${…}, which is taken as it stands: write the value itself, and a $ as %24")
    if " " in url:
        raise ValueError("has a space in it: in a password or a path write it percent-encoded, %20")
    if BAD_PER_CENT.search(url):
        raise ValueError("has a % that encodes nothing: a % itself is written %25")
    if is_placeholder(url.partition("://")[2]):
        raise ValueError("is still the example's: write the real address")
    try:
        return urlsplit(url)
    except ValueError:
        # The library's own message quotes the URL, with its password.
        raise ValueError("is not a URL: in a password write [ as %5B and ] as %5D; IPv6 needs both") from None


def _refuse_cut_password(rest: str) -> None:
    """Raises ValueError for a raw /, ? or @ in a password, which would cut it, or make its rest the host."""
    network, path, query = re.fullmatch(r"([^/?]*)([^?]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if network.count("@") > 1:
        raise ValueError("has a raw @ in its password: write it percent-encoded, %40")
    if "@" in path:
        raise ValueError("has a raw / or @ in its password: write them percent-encoded, %2F and %40")
    if "@" in query and "@" not in network:
        raise ValueError("has a raw ? or @ in its password: write them percent-encoded, %3F and %40")
    if "@" in query:
        raise ValueError("has a raw ? or @ that belongs to a password: write them percent-encoded, %3F and %40")


def _check_login(login: str) -> None:
    if "@" in login:
        raise ValueError("has a raw @ in its password: write it percent-encoded, %40")
    if any(bracket in login for bracket in "[]"):
        raise ValueError("has a raw [ or ] in its password: write them percent-encoded, %5B and %5D")
    try:
        unquote(login, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has % signs in its password that encode no text: a % itself is written %25") from None
    if is_placeholder(login.rpartition(":")[2]):
        raise ValueError("still has the example's password: write the real one")


def _check_host(host: str) -> None:
    """Raises ValueError unless it is ``name``, ``name:port`` or an address; an IPv6 address stands in brackets."""
    fault = "must name a host, and behind its colon, if any, a port from 1 to 65535"
    try:
        parts = urlsplit(f"//{host}")
        is_good = bool(parts.hostname) and parts.port != 0 and not host.endswith(":") and "@" not in host
    except ValueError:
        is_good = False
    if not is_good or not _is_host(parts.hostname or "", in_brackets=host.startswith("[")):
        raise ValueError(fault)


def _is_host(name: str, *, in_brackets: bool) -> bool:
    try:
        if in_brackets:
            IPv6Address(name)
        elif re.fullmatch(r"[0-9.]+", name):
            IPv4Address(name)
    except ValueError:
        return False
    if in_brackets:
        return True
    has_other_digits = any(not char.isascii() and unicodedata.category(char)[0] == "N" for char in name)
    # Marks are parts of words in Indian scripts, but the expression does not count them as letters.
    letters = "".join("a" if unicodedata.category(char)[0] == "M" else char for char in name)
    return not has_other_digits and _HOST_NAME.fullmatch(letters) is not None


def _options(scheme: str, query: str) -> dict[str, str]:
    known = _OPTIONS.get(scheme, {})
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict") if query else []
    except ValueError:
        raise ValueError(_unknown_option(known)) from None
    options = dict(given)
    if len(options) < len(given):
        raise ValueError("says the same thing twice behind its ?")
    for name, value in given:
        if name not in known:
            raise ValueError(_unknown_option(known))
        if not re.fullmatch(known[name], value):
            raise ValueError(f"has a value for {name} behind its ? that does not fit")
    return options


def _unknown_option(known: dict[str, str]) -> str:
    allowed = f"only {', '.join(known)} may stand" if known else "nothing may stand"
    return f"has a ? with something that would not be read: {allowed} there; a ? in a password is written %3F"


def _check_database(scheme: str, path: str, in_query: str | None) -> None:
    if scheme in {"redis+cluster", "rediss+cluster"}:
        if path.strip("/"):
            raise ValueError("must end with its last host: a cluster has no numbered databases")
        return
    database = path.strip("/")
    if scheme == "redis+sentinel":
        service, _, database = database.partition("/")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", service) or service.isdigit():
            raise ValueError("must name the sentinel's service, like redis+sentinel://host:26379/mymaster")
    number = whole_number(database)
    if database and (number is None or number > _REDIS_DATABASES):
        raise ValueError("must end with the database's number, like /0, or without one")
    if database and in_query:
        raise ValueError("names its database twice: behind the last / and behind the ?")
