"""The schema that alembic owns: its tables, and the way from one revision to another."""

from service.catalog.schema import further_tables as further_tables  # into the metadata of `tables`
from service.catalog.schema import switch_tables as switch_tables
