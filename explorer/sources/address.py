"""Addresses of network streams, and how they are shown without what is secret in them."""

import re
from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp")
_SECRET = re.compile(r"pass|pwd|user|usr|login|account|token|key|auth|secret|sig", re.IGNORECASE)


def is_stream(spec: str) -> bool:
    """Whether this is the address of a network stream."""
    return spec.split("://", 1)[0].lower() in SCHEMES and "://" in spec and len(spec) > spec.index("://") + 3


def public_address(url: str) -> str:
    """The address without user, password and the values of query fields that sound like them."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    try:
        parts = urlsplit(url)
        query = re.sub(r"([^&=]*)=[^&]*", _shown, parts.query)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    except ValueError:  # not a proper address
        return f"{scheme}://{re.split(r'[/?#]', rest.rpartition('@')[2])[0]}"


def _shown(field: re.Match[str]) -> str:
    return f"{field[1]}=…" if _SECRET.search(field[1]) else field[0]
