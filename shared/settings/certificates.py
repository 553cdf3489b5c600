"""Which certificate authorities an HTTP client has to know."""

import ssl


def authorities_for(*urls: str) -> ssl.SSLContext | bool:
    """Return the `verify` of an httpx client of `urls`: the usual authorities, or none if no URL is an https one.

    Loading them takes 0.15 s, more than most requests. With none, a client that is sent on to https refuses.
    """
    if any(url.startswith("https:") for url in urls):
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
