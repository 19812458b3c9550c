"""The page and the HTTP API. Nothing but the command line imports this package."""
