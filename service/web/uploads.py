"""Multipart forms: photos and what is said of them. The same models validate and describe."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar

from flask import request
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, core_schema
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import FormDataParser

from service.decode import SUFFIXES
from service.disks import FULL
from service.errors import ImageMissing, InvalidParameter, Overloaded, StorageFull
from service.settings import Settings
from service.web.connections import NO_FILES
from service.web.given import Parameters, once_each, validated
from service.web.parameters import LABEL

MULTIPART = "multipart/form-data"
# One text field of a form. werkzeug holds it against what is left of one read
# of 64 KiB and the next read together, of files too: one read is too little.
TEXT_BYTES = 131_072
NAME_LENGTH = 255  # characters of a file's name that are kept


class _File:
    """How pydantic and OpenAPI see a part that is a file."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(FileStorage)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}


ImageFile = Annotated[FileStorage, _File]


class Form(Parameters):
    """Fields of a form. Those that are photos come as files, the others as text."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    photos: ClassVar[str]  # the field that holds them
    many: ClassVar[bool] = False  # whether it may stand more than once

    @classmethod
    def caps(cls, settings: Settings) -> tuple[int, int]:
        """Most bytes of the whole form, most parts."""
        return settings.max_image_bytes + TEXT_BYTES, 20


class ImageForm(Form):
    """One photo."""

    photos: ClassVar[str] = "image"
    image: ImageFile = Field(description="JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF")


def _path_pattern() -> str:
    """Names separated by slashes, none of which begins with a dot; the last one is an image's."""
    name = r"[^/\\.\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"
    endings = sorted(suffix[1:] for suffix in SUFFIXES)
    return rf"^({name}/)*{name}\.({'|'.join(endings + [e.upper() for e in endings])})$"


class GarmentForm(ImageForm):
    """A photo of a garment and, if they are known, its category and where the photo is to lie."""

    label: Annotated[str, LABEL] | SkipJsonSchema[None] = Field(
        default=None, description="its category, in any case; the network's own without one"
    )
    image_path: (
        Annotated[str, Field(max_length=200, pattern=_path_pattern())] | SkipJsonSchema[None]
    ) = Field(
        default=None,
        description="where the photo is to lie under the image root; without one it is named after "
        "its bytes, under `uploads/`",
        examples=["summer/red-dress.jpg"],
    )


class SetForm(Form):
    """Many photos, in their order."""

    photos: ClassVar[str] = "images"
    many: ClassVar[bool] = True
    images: list[ImageFile] = Field(
        min_length=1, description="a part for each photo, all of this name; at most 200 by default"
    )

    @classmethod
    def caps(cls, settings: Settings) -> tuple[int, int]:
        # Parts far enough above the limit for a plain answer to "too many"
        return settings.max_set_bytes, 2 * settings.max_set_images + 100


Fields = TypeVar("Fields", bound=Form)


def form_fields(model: type[Fields], settings: Settings) -> Fields:
    """The current request's form as `model`.

    Raises `ImageMissing`, `InvalidParameter` naming the field or for a name that is not UTF-8,
    `StorageFull`, `Overloaded`, or werkzeug's 413 beyond the caps.
    """
    request.max_content_length, request.max_form_parts = model.caps(settings)
    request.max_form_memory_size = TEXT_BYTES
    # By default werkzeug finds nothing in a form that it cannot read, and does not say so
    request.form_data_parser_class = partial(FormDataParser, silent=False)  # type: ignore[assignment]
    files, texts = {}, {}
    if request.mimetype == MULTIPART:
        try:
            found = ((name, _chosen(parts)) for name, parts in request.files.lists())
            files = {name: chosen for name, chosen in found if chosen}
            texts = request.form.to_dict(flat=False)
        except UnicodeDecodeError:
            raise InvalidParameter("A name in the form is not UTF-8. Send it as UTF-8.") from None
        except ValueError:
            pass  # no form at all
        except OSError as error:  # large photos are read into files
            if error.errno in FULL:
                raise StorageFull() from error
            if error.errno in NO_FILES:
                raise Overloaded() from error
            raise
    photos = files.pop(model.photos, [])
    if not photos:
        raise ImageMissing(f"There is no image. Send one as the multipart field `{model.photos}`.")
    if twice := texts.keys() & {model.photos, *files}:
        raise InvalidParameter(f"{min(twice)} stands twice, as text and as a file; give it once.")
    given = once_each(texts | files if model.many else texts | files | {model.photos: photos})
    return validated(model, given | {model.photos: photos} if model.many else given)


def filename_of(part: FileStorage) -> str:
    """As it was sent, without what Postgres cannot hold."""
    return (part.filename or "").replace("\0", "")[:NAME_LENGTH]


def size_of(part: FileStorage) -> int:
    """Bytes; none of them is read, and the next read begins with the first."""
    size = part.stream.seek(0, os.SEEK_END)
    part.stream.seek(0)
    return size


def _chosen(parts: list[FileStorage]) -> list[FileStorage]:
    """Without those that a browser's form sends where nothing was chosen: no name and no bytes."""
    return [part for part in parts if part.filename or _has_bytes(part)]


def _has_bytes(part: FileStorage) -> bool:
    found = part.stream.read(1) != b""
    part.stream.seek(0)
    return found
