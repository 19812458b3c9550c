"""A client of the HTTP API, typed: `from service.client import Client`.

It needs neither the database nor the network nor Flask: a machine that only asks may import it.
"""

from service.client.calls import Client, Which
from service.client.wire import ApiError, Photo, ServerUnreachable

__all__ = ["ApiError", "Client", "Photo", "ServerUnreachable", "Which"]
