"""From settings to a connection: URLs, the embedded Postgres, engines, the server's own programs."""
