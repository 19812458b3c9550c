"""Everything that Fashion Studio refuses, as one flat family.

A class's docstring is its message; the detail given when raised replaces it. Each class knows its
machine-readable ``code`` and the HTTP ``status`` it becomes; the command line exits with 1 for all of
them but `InvalidParameter`, which is wrong usage (2).
"""

from __future__ import annotations

import re


class FashionStudioError(Exception):
    """Something went wrong."""

    code: str = "internal_error"
    status: int = 500

    def __init__(self, detail: str | None = None) -> None:
        text = detail if detail is not None else (self.__class__.__doc__ or "")
        self.detail = re.sub(r"\s+", " ", text).strip()
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first sentence of the class's docstring: the same for every occurrence."""
        return re.sub(r"\s+", " ", cls.__doc__ or "").strip().split(". ")[0].rstrip(".")


class SettingsInvalid(FashionStudioError):
    """A setting has a value that cannot be used."""

    code = "settings_invalid"


class HomeNotWritable(FashionStudioError):
    """The data folder cannot be written. Set FASHION_STUDIO_HOME to a folder that can."""

    code = "home_not_writable"


# --- what a caller sent -------------------------------------------------------------------------


class InvalidParameter(FashionStudioError):
    """A parameter has a value that cannot be used."""

    code = "invalid_parameter"
    status = 400


class LabelUnknown(FashionStudioError):
    """The label is none of the model's categories."""

    code = "label_unknown"
    status = 400


class ImageMissing(FashionStudioError):
    """There is no image. Send one as the multipart field `image`."""

    code = "image_missing"
    status = 400


class ImageUndecodable(FashionStudioError):
    """The bytes are no complete image."""

    code = "image_undecodable"
    status = 422


class ImageTooLarge(FashionStudioError):
    """The image is larger than allowed."""

    code = "image_too_large"
    status = 413


class ImageTypeUnsupported(FashionStudioError):
    """The image is of a type that is not read. Send JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF."""

    code = "image_type_unsupported"
    status = 415


class GarmentNotFound(FashionStudioError):
    """There is no garment of that id."""

    code = "garment_not_found"
    status = 404


class PictureGone(FashionStudioError):
    """The garment's picture is not where the catalog says. Check FASHION_STUDIO_IMAGE_ROOT."""

    code = "picture_gone"
    status = 404


class ImagePathTaken(FashionStudioError):
    """There is another picture of that path. Choose another path, or remove that garment first."""

    code = "image_path_taken"
    status = 409


class SetNotFound(FashionStudioError):
    """There is no set of that id."""

    code = "set_not_found"
    status = 404


class ImportNotFound(FashionStudioError):
    """There is no import of that id."""

    code = "import_not_found"
    status = 404


class ImportsDisabled(FashionStudioError):
    """Imports over HTTP are off. Set FASHION_STUDIO_IMPORT_ROOTS to the folders that they may read."""

    code = "imports_disabled"
    status = 403


class SourceForbidden(FashionStudioError):
    """The source lies in none of the folders that imports may read, FASHION_STUDIO_IMPORT_ROOTS."""

    code = "source_forbidden"
    status = 403


class ImportCancelled(FashionStudioError):
    """The import was cancelled."""

    code = "import_cancelled"
    status = 409


class ImportLost(FashionStudioError):
    """The import's record was closed or taken over by another process. Start it again."""

    code = "import_lost"
    status = 409


class CatalogEmpty(FashionStudioError):
    """The catalog is empty. Take garments in with `fashion-studio ingest SOURCE` or `demo`."""

    code = "catalog_empty"
    status = 404


class SourceInvalid(FashionStudioError):
    """The source of images cannot be read."""

    code = "source_invalid"
    status = 400


# --- who asks -----------------------------------------------------------------------------------


class Unauthorized(FashionStudioError):
    """This needs an API key. Send it as `Authorization: Bearer fs_…`."""

    code = "unauthorized"
    status = 401


class Forbidden(FashionStudioError):
    """The API key does not allow this."""

    code = "forbidden"
    status = 403


class KeysMissing(FashionStudioError):
    """There is no API key. Make one with `fashion-studio keys create --name NAME --scope read`."""

    code = "keys_missing"


class KeyNotFound(FashionStudioError):
    """There is no API key of that name. `fashion-studio keys list` shows them."""

    code = "key_not_found"
    status = 404


class KeyNameTaken(FashionStudioError):
    """There is an API key of that name. Choose another name, or revoke that key first."""

    code = "key_name_taken"
    status = 409


# --- where pictures are kept ---------------------------------------------------------------------


class StorageFull(FashionStudioError):
    """There is no room for the picture. Nothing was stored; make room and send it again."""

    code = "storage_full"
    status = 507


class StorageUnavailable(FashionStudioError):
    """The picture cannot be stored: FASHION_STUDIO_IMAGE_ROOT cannot be written. Nothing was stored."""

    code = "storage_unavailable"
    status = 503


# --- the model ----------------------------------------------------------------------------------


class BundleInvalid(FashionStudioError):
    """The model bundle cannot be used."""

    code = "bundle_invalid"


class BundleMismatch(FashionStudioError):
    """The model bundle does not fit the catalog."""

    code = "bundle_mismatch"


class ExtraMissing(FashionStudioError):
    """This needs TensorFlow. Install it with: pip install 'fashion-studio[train]'."""

    code = "extra_missing"


class TrainingImpossible(FashionStudioError):
    """The data cannot train a model."""

    code = "training_impossible"


# --- the database -------------------------------------------------------------------------------


class DatabaseUnavailable(FashionStudioError):
    """The database does not answer."""

    code = "database_unavailable"
    status = 503


class DatabaseUnfit(FashionStudioError):
    """The database cannot hold a catalog."""

    code = "database_unfit"
    status = 503


class SchemaOutdated(FashionStudioError):
    """The database's schema is not the one this version needs. Run `fashion-studio migrate`."""

    code = "schema_outdated"
    status = 503


class DowngradeRefused(FashionStudioError):
    """The older schema cannot hold what is stored."""

    code = "downgrade_refused"


class IndexesDue(FashionStudioError):
    """Similarity indexes are due or invalid. Run `fashion-studio index`."""

    code = "indexes_due"


# --- the server ---------------------------------------------------------------------------------


class PortInUse(FashionStudioError):
    """The port is taken by another program. Choose another one with --port."""

    code = "port_in_use"


class NotReady(FashionStudioError):
    """The network has not answered yet."""

    code = "not_ready"
    status = 503


class Overloaded(FashionStudioError):
    """Too much is asked at once. Try again in a moment."""

    code = "overloaded"
    status = 503


class TimeLimit(FashionStudioError):
    """The answer took longer than FASHION_STUDIO_REQUEST_SECONDS allows. Try again in a moment."""

    code = "timeout"
    status = 503


class RequestSlow(FashionStudioError):
    """The request arrived too slowly."""

    code = "request_timeout"
    status = 408


class WorkerMissing(FashionStudioError):
    """Jobs wait, and no worker runs. Start one with `fashion-studio worker`."""

    code = "worker_missing"


class RateLimited(FashionStudioError):
    """Too many requests in too short a time. Wait as long as Retry-After says."""

    code = "rate_limited"
    status = 429

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
