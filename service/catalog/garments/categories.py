"""The categories that garments can have, in the order of the model's labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from service.catalog.database.engine import reading
from service.errors import LabelUnknown, ModelMoved

NAMES = text("SELECT name FROM category ORDER BY position, name")


def category_names(place: Engine | Connection) -> list[str]:
    """Every category's name, in the model's order; none before a model was attached."""
    with reading(place) as connection:
        return list(connection.scalars(NAMES))


def require(connection: Connection, labels: Iterable[str]) -> None:
    """Raises `LabelUnknown`, naming the known ones, unless every label is a category."""
    known = list(connection.scalars(NAMES))
    unknown = [label for label in dict.fromkeys(labels) if label not in known]
    if unknown:
        choices = f"Choose among {', '.join(known)}." if known else "The catalog has none yet."
        raise LabelUnknown(f"There is no category {', '.join(map(repr, unknown))}. {choices}")


@contextmanager
def labels_of_a_model() -> Iterator[None]:
    """For a statement that stores a model's labels. Raises `ModelMoved` where one is no category any more:
    another model took over, and that one was dropped."""
    try:
        yield
    except IntegrityError as error:
        if isinstance(error.orig, ForeignKeyViolation):
            raise ModelMoved() from None
        raise


ADD = text("""
    INSERT INTO category (name, position)
    SELECT name, (SELECT coalesce(max(position), -1) FROM category) + place
    FROM unnest(CAST(:labels AS text[])) WITH ORDINALITY AS new (name, place)
    ON CONFLICT (name) DO NOTHING
""")

BORNE = text("""
    SELECT name FROM category
    WHERE EXISTS (SELECT FROM garment WHERE garment.label = category.name)
    ORDER BY position, name
""")


def add_categories(connection: Connection, labels: Iterable[str]) -> None:
    """Let garments have these labels as well; new ones stand behind those that are there."""
    connection.execute(ADD, {"labels": list(labels)})


def borne_labels(engine: Engine) -> list[str]:
    """The categories that garments have, in order."""
    with reading(engine) as connection:
        return list(connection.scalars(BORNE))
