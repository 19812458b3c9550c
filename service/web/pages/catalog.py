"""The catalog, browsed, and a garment of it."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import request

from service.catalog import count_by_label, garment_by_id, garments_page, model_names
from service.show import percent
from service.web.auth import authorize
from service.web.conditions import GarmentsParameters
from service.web.context import studio
from service.web.given import once_each, validated
from service.web.pages.frame import pages, render
from service.web.paths import parse_garment_id

PAGE = 48  # garments at once; the script asks for more of them

# Conditions that have no field on the page: a chart of the overview leads to them
SAID = {
    "predicted_label": "the network says {}",
    "min_confidence": "network at least {} sure",
    "max_confidence": "network at most {} sure",
    "added_from": "from {}",
    "added_to": "until {}",
}


@pages.get("/catalog")
def catalog() -> str:
    """The first garments that meet the conditions in the address, the newest first."""
    authorize("read")
    # A form sends its empty fields too
    given = {
        name: value for name, value in once_each(request.args.to_dict(flat=False)).items() if value
    }
    query = validated(GarmentsParameters, {"order": "newest", "limit": PAGE} | given)
    here = studio()
    conditions = here.read(query.conditions)
    garments, cursor = here.read(
        lambda engine: garments_page(
            engine, conditions, order=query.order, limit=query.limit, cursor=query.cursor
        )
    )
    given |= {"label": conditions.label} if conditions.label else {}
    asked = {name: value for name, value in given.items() if name not in ("limit", "cursor")}
    counts = here.read(count_by_label)
    return render(
        "catalog.html",
        garments=garments,
        counts=counts,
        total=sum(count.count for count in counts),
        models=here.read(model_names),
        asked=asked,
        conditions=[name for name in asked if name != "order"],
        chips=[
            (name, said.format(_said(getattr(query, name))), _address(asked, without=name))
            for name, said in SAID.items()
            if name in asked
        ],
        query=urlencode({"order": query.order} | asked),
        more=_address(asked | {"cursor": cursor}) if cursor else None,
        cursor=cursor,
        percent=percent,
    )


@pages.get("/garments/<garment_id>")
def garment(garment_id: str) -> str:
    """A garment: what is known of it, what is like it, its label to be changed, and a way to remove it."""
    authorize("read")
    found = garment_by_id(studio().engine, parse_garment_id(garment_id))
    return render("garment.html", garment=found, percent=percent)


def _address(asked: dict[str, str], without: str = "") -> str:
    return "/catalog?" + urlencode(
        {name: value for name, value in asked.items() if name != without}
    )


def _said(value: object) -> str:
    return percent(value) if isinstance(value, float) else str(value)
