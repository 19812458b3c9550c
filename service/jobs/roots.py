"""Which folders an import over HTTP may read."""

from __future__ import annotations

from pathlib import Path

from service.errors import ImportsDisabled, SourceForbidden, SourceInvalid
from service.settings import Settings
from service.sources import lies_in


def require_source(source: str, settings: Settings) -> tuple[Path, tuple[Path, ...]]:
    """The source with `..` and links resolved, and the folders that its files must lie in.

    Raises `ImportsDisabled` where none are set, `SourceForbidden`, which says the same of what lies
    outside of them whether or not it is there, and `SourceInvalid` for what is not there.
    """
    roots = tuple(root.expanduser().resolve() for root in settings.import_roots)
    if not roots:
        raise ImportsDisabled()
    path = Path(source)
    if "\0" in source or not path.is_absolute() or not lies_in(path, roots):
        raise SourceForbidden(
            "The source must be an absolute path in one of the folders of "
            "FASHION_STUDIO_IMPORT_ROOTS."
        )
    path = path.resolve()
    if not path.exists():
        raise SourceInvalid(f"{source} does not exist.")
    return path, roots
