"""Who asks, and whether they may: an API key in the header, or in the page's cookie.

Without any key made, the API is open to the machine it runs on and to nobody else: the server then
listens on loopback only, and a request must name a loopback host, so that no page opens it that lets
its own name point here. What says that it came through a proxy, from elsewhere, is refused as well. A
proxy that says nothing of that and asks for this machine by name, as nginx does by itself, cannot be
told from a program that runs here: behind one, make a key.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import g, request

from service.catalog import ApiKey
from service.domain import Scope
from service.errors import Forbidden, Unauthorized
from service.web.access import is_loopback
from service.web.context import context

COOKIE = "fashion-studio-key"


def authorize(scope: Scope) -> None:
    """Let the current request pass, or raise `Unauthorized` or `Forbidden`."""
    g.writes = scope != "read"
    _require(scope)


def may(scope: Scope) -> bool:
    """Whether `authorize` would let the current request pass."""
    try:
        _require(scope)
    except (Unauthorized, Forbidden):
        return False
    return True


def _require(scope: Scope) -> None:
    key, access = caller(), context().access
    if key is None and access.required():
        raise Unauthorized()
    if key is not None and not key.allows(scope):
        raise Forbidden(f"The key {key.name!r} is for {', '.join(key.scopes)}; this needs {scope}.")
    if _bearer() is None and request.method not in ("GET", "HEAD") and _from_another_site():
        raise Forbidden("A page of another site may not change anything here.")
    if key is None and access.mode == "auto" and (why := _from_elsewhere()) is not None:
        raise Forbidden(
            f"Without keys only this machine is answered, and the request {why}. "
            "Make a key with `fashion-studio keys create`, or set FASHION_STUDIO_ACCESS=open."
        )


def _from_elsewhere() -> str | None:
    """What of a request says that it is not of a program on this machine."""
    if not is_loopback(_hostname(request.host)):
        return f"is for {request.host}"
    if context().published:  # on this machine alone, or there would be a key
        return None
    if context().studio.settings.trusted_proxies and not is_loopback(request.remote_addr or ""):
        return f"comes from {request.remote_addr}"
    for header in ("X-Forwarded-For", "X-Real-IP"):
        for address in request.headers.get(header, "").split(","):
            if address.strip() and not is_loopback(address.strip()):
                return f"comes from {address.strip()}, as its {header} says"
    through = next((header for header in ("Forwarded", "Via") if header in request.headers), None)
    return f"came through a proxy, as its {through} says" if through is not None else None


def client() -> str:
    """Whose requests are counted together: a key's, else an address's, also with a key that is none."""
    try:
        key = caller()
    except Unauthorized:
        key = None
    return f"key {key.name}" if key is not None else str(request.remote_addr)


def caller() -> ApiKey | None:
    """The key that the current request carries; None for none.

    Raises `Unauthorized` for a bearer that is no valid key, except where everyone may ask: a bearer
    is then meant for whatever stands in front.
    """
    if "caller" not in g:
        access, secret = context().access, _bearer()
        g.caller, g.unknown = None, False
        if secret is not None:
            g.caller = access.key(secret)
            g.unknown = g.caller is None and access.mode != "open"
        elif (kept := cookie(COOKIE)) is not None:
            g.caller = access.key(kept)
    if g.unknown:
        raise Unauthorized("The API key is not known, or was revoked.")
    found: ApiKey | None = g.caller
    return found


def _bearer() -> str | None:
    given = request.authorization
    return given.token if given is not None and given.type == "bearer" else None


def _from_another_site() -> bool:
    """Browsers say so themselves; programs send neither header."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and _split(origin).netloc != request.host


def _hostname(host: str) -> str:
    return (_split(f"//{host}").hostname or "") if "@" not in host else ""


def _split(url: str) -> SplitResult:
    """Its parts; none of what is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def cookie(name: str) -> str | None:
    """A cookie of the current request. What is not UTF-8 is another program's on the same host."""
    if "HTTP_COOKIE" not in request.environ:  # to parse nothing takes a while too
        return None
    try:
        return request.cookies.get(name)
    except UnicodeDecodeError:
        return None
