"""Which folders an import over HTTP may read."""

from __future__ import annotations

import os

from service.errors import ImportsDisabled, SourceForbidden, SourceInvalid
from service.settings import Settings
from service.storage import Location, exists, is_url, lies_in, locate, protocol_of


def require_source(source: str, settings: Settings) -> tuple[Location, tuple[Location, ...]]:
    """The source with `..` and links resolved, and the folders that its files must lie in.

    Raises `ImportsDisabled` where none are set, `SourceForbidden`, which says the same of what lies
    outside of them whether or not it is there, `SourceInvalid` for what is not there or has no name in
    UTF-8, and `StorageUnavailable`.
    """
    roots = tuple(locate(root).resolve() for root in settings.import_roots)
    if not roots:
        raise ImportsDisabled()
    if "\0" in source or not (is_url(source) or os.path.isabs(source)):
        raise _forbidden()
    if is_url(source) and protocol_of(source) not in map(protocol_of, settings.import_roots):
        raise _forbidden()  # before a library of that protocol sees what strangers wrote
    path = locate(source)
    if not lies_in(path, roots):
        raise _forbidden()
    path = path.resolve()
    if not exists(path):
        raise SourceInvalid(f"{source} does not exist.")
    try:
        str(path).encode()
    except UnicodeEncodeError:  # an import's record could not hold it
        raise SourceInvalid(
            f"{source} leads to a folder or file whose name is not UTF-8. Rename that."
        ) from None
    return path, roots


def _forbidden() -> SourceForbidden:
    return SourceForbidden(
        "The source must be an absolute path in one of the folders of FASHION_STUDIO_IMPORT_ROOTS, or a "
        "URL under one of its URLs."
    )
