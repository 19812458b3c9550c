"""What Schemathesis cannot know from the document: see `test_schemathesis`."""

from __future__ import annotations

import os

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure

from ..pictures import encoded, picture

PHOTOS = [encoded(picture(40 + seed, 60, seed), "JPEG") for seed in range(5)]

# A string of any bytes is no photo, and a document cannot say what is one
schemathesis.openapi.format("binary", st.sampled_from(PHOTOS))

# The categories are those of the model that serves
schemathesis.openapi.format("label", st.sampled_from(["Dress", "tee", "ROMPER"]))
schemathesis.openapi.format("labels", st.sampled_from(["auto", "any", "Dress", "tee,Top"]))

# A relation to search among is a database's own
schemathesis.openapi.format("among", st.just("in_stock"))

# Which folders a server may read imports from is its setting
roots = os.environ["FASHION_STUDIO_IMPORT_ROOTS"]
schemathesis.openapi.format("source", st.sampled_from([roots, f"{roots}/garments.csv"]))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Case) -> bool:
    """`mass` goes with label=auto only: OpenAPI cannot say that one parameter excludes another."""
    query = case.query or {}
    return "mass" not in query or query.get("label", "auto") == "auto"


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: Case, response: Response
) -> bool:
    """A form has nothing but bytes: an object that a link put among the photos goes out as a file.

    Schemathesis takes it for something the document forbids. What was sent is a file that is no
    photo, which a set answers with a reason of its own.
    """
    if not isinstance(failure, AcceptedNegativeData) or case.media_type != "multipart/form-data":
        return True
    photos = case.body.get("images") if isinstance(case.body, dict) else None
    return not isinstance(photos, list) or all(isinstance(photo, bytes) for photo in photos)
