"""Images in a multipart body."""

from __future__ import annotations

from flask import request
from werkzeug.datastructures import FileStorage

from service.errors import ImageMissing, InvalidParameter
from service.settings import Settings

NAME_LENGTH = 255  # characters of a file's name that are kept


def uploaded_image() -> bytes:
    """The bytes of the field `image`. Raises `ImageMissing`."""
    part = request.files.get("image")
    data = part.read() if part is not None else b""
    if part is None or not (part.filename or data):
        raise ImageMissing()
    return data


def uploaded_images(settings: Settings) -> list[FileStorage]:
    """The parts of the field `images`, in order. Raises `ImageMissing`, `InvalidParameter`.

    Call it before anything else reads the body: a set may be larger than one image.
    """
    most = settings.max_set_images
    request.max_content_length = settings.max_set_bytes
    request.max_form_parts = 2 * most + 100  # far enough above for a plain answer to "too many"
    parts = [part for part in request.files.getlist("images") if part.filename or _has_bytes(part)]
    if not parts:
        raise ImageMissing("There is no image. Send each as a multipart field `images`.")
    if len(parts) > most:
        raise InvalidParameter(f"images: {len(parts)} are too many; at most {most} make a set.")
    return parts


def filename_of(part: FileStorage) -> str:
    """As it was sent, without what Postgres cannot hold."""
    return (part.filename or "").replace("\0", "")[:NAME_LENGTH]


def _has_bytes(part: FileStorage) -> bool:
    """Whether there is anything in a part without a name; a form without a choice sends an empty one."""
    found = part.stream.read(1) != b""
    part.stream.seek(0)
    return found
