"""Where the server listens."""

from __future__ import annotations

import errno
import socket
from contextlib import closing, suppress

from service.errors import InvalidParameter, PortInUse


def address(host: str, port: int) -> str:
    """As in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_free_port(host: str, port: int) -> None:
    """Bind once and let go, because gunicorn would say it in seven lines and five seconds.

    Raises `PortInUse`, or `InvalidParameter` for a host that is not this machine's.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind)) as probe:
            with suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} on {host} is taken by another program. Choose another one with --port."
            ) from None
        raise InvalidParameter(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    except UnicodeError:  # of a name with an empty part, or a part of more than 63 letters
        raise InvalidParameter(f"Cannot listen on {host}:{port}: that is no host's name.") from None
