"""What is wrong with what was asked, or with who asks."""

from __future__ import annotations

from service.errors.base import FashionStudioError


class InvalidParameter(FashionStudioError):
    """A parameter has a value that cannot be used."""

    code = "invalid_parameter"
    status = 400


class LabelUnknown(FashionStudioError):
    """The label is none of the model's categories."""

    code = "label_unknown"
    status = 400


class AmongUnknown(FashionStudioError):
    """There is no such relation to search among."""

    code = "among_unknown"
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


class BodyTooLarge(FashionStudioError):
    """The request's body is larger than allowed."""

    code = "body_too_large"
    status = 413


class ImageTypeUnsupported(FashionStudioError):
    """The image is of a type that is not read. Send JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF."""

    code = "image_type_unsupported"
    status = 415


class GarmentUnrecognised(FashionStudioError):
    """No garment was recognised. Give the photo a label to take it in all the same."""

    code = "garment_unrecognised"
    status = 422


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


class SetChanged(FashionStudioError):
    """The set has another number of photos than the request said. Look at it: a part may be there already."""

    code = "set_changed"
    status = 409


class ImportNotFound(FashionStudioError):
    """There is no import of that id."""

    code = "import_not_found"
    status = 404


class ReportNotFound(FashionStudioError):
    """There is no report of that name."""

    code = "report_not_found"
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


class FeedbackOfItself(FashionStudioError):
    """The query and the match are the same picture. A verdict is about two."""

    code = "feedback_of_itself"
    status = 409


class FeedbackNotFound(FashionStudioError):
    """There is no feedback of that id."""

    code = "feedback_not_found"
    status = 404


class AnalysisRunning(FashionStudioError):
    """An analysis is under way already. Its reports are there when it is done."""

    code = "analysis_running"
    status = 409


class AnalysisCancelled(FashionStudioError):
    """The analysis was cancelled. What was stored before is still there."""

    code = "analysis_cancelled"
    status = 409


class CatalogEmpty(FashionStudioError):
    """The catalog is empty. Take garments in with `fashion-studio ingest SOURCE` or `demo`."""

    code = "catalog_empty"
    status = 404


class SourceInvalid(FashionStudioError):
    """The source of images cannot be read."""

    code = "source_invalid"
    status = 400


class PruneRefused(FashionStudioError):
    """More than half of a source's garments have lost their photos. Nothing was pruned."""

    code = "prune_refused"
    status = 409


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
