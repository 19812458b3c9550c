"""What is wrong with the settings, the pictures, the model or the database."""

from __future__ import annotations

from service.errors.base import FashionStudioError


class SettingsInvalid(FashionStudioError):
    """A setting has a value that cannot be used."""

    code = "settings_invalid"


class HomeNotWritable(FashionStudioError):
    """The data folder cannot be written. Set FASHION_STUDIO_HOME to a folder that can."""

    code = "home_not_writable"


class StorageFull(FashionStudioError):
    """There is no room for the picture. Nothing was stored; make room and send it again."""

    code = "storage_full"
    status = 507


class StorageUnavailable(FashionStudioError):
    """Pictures cannot be read or stored now: their disk or object store does not answer. Nothing changed."""

    code = "storage_unavailable"
    status = 503


class BundleInvalid(FashionStudioError):
    """The model bundle cannot be used."""

    code = "bundle_invalid"


class BundleMismatch(FashionStudioError):
    """The model bundle does not fit the catalog."""

    code = "bundle_mismatch"


class ModelMoved(FashionStudioError):
    """The catalog was given another model meanwhile. Ask again."""

    code = "model_moved"
    status = 503


class ModelNotFound(FashionStudioError):
    """The catalog knows no such model. `fashion-studio models list` shows them."""

    code = "model_not_found"
    status = 404


class SwitchRunning(FashionStudioError):
    """Another process switches this catalog's model, or restores a backup into it. Try again when it is
    through; `fashion-studio models list` shows how far a switch is."""

    code = "switch_running"
    status = 409


class SwitchRefused(FashionStudioError):
    """The new model is worse than the serving one. Nothing was changed; --force takes it all the same."""

    code = "switch_refused"
    status = 409


class SwitchCancelled(FashionStudioError):
    """The switch was cancelled. Called again, it goes on where it was."""

    code = "switch_cancelled"
    status = 409


class ExtraMissing(FashionStudioError):
    """This needs TensorFlow. Install it with: pip install 'fashion-studio[train]'."""

    code = "extra_missing"


class TrainingImpossible(FashionStudioError):
    """The data cannot train a model."""

    code = "training_impossible"


class ClusterFailed(FashionStudioError):
    """The Ray cluster cannot be joined, or gave up. What was committed stays."""

    code = "cluster_failed"


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


class SchemaAhead(SchemaOutdated):
    """A newer version of Fashion Studio has migrated the database. Upgrade Fashion Studio."""


class DowngradeRefused(FashionStudioError):
    """The older schema cannot hold what is stored."""

    code = "downgrade_refused"


class IndexesDue(FashionStudioError):
    """Similarity indexes are due or invalid. Run `fashion-studio index`."""

    code = "indexes_due"


class PostgresToolsMissing(FashionStudioError):
    """There are no pg_dump, pg_restore and psql that are new enough."""

    code = "postgres_tools_missing"


class BackupFailed(FashionStudioError):
    """The backup could not be made. Nothing was written."""

    code = "backup_failed"


class BackupInvalid(FashionStudioError):
    """The file is no whole backup."""

    code = "backup_invalid"


class RestoreFailed(FashionStudioError):
    """The backup could not be restored. The catalog is as before."""

    code = "restore_failed"


class CatalogNotEmpty(FashionStudioError):
    """The catalog is not empty."""

    code = "catalog_not_empty"
