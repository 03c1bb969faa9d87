"""Addresses of network streams, and how they are shown without what is secret in them."""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

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
        fields = parse_qsl(parts.query, keep_blank_values=True)
        shown = [(name, "…" if _SECRET.search(name) else value) for name, value in fields]
        query = urlencode(shown, quote_via=quote, safe="…/:,")
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    except ValueError:
        return f"{scheme}://{re.split(r'[/?#]', rest.rpartition('@')[2])[0]}"
