"""The catalog in Postgres. Every line of SQL in the project is here and in `migrations/`.

`database` leads from settings to an engine, `schema` is what lies there, `models` says whose it is.
`garments` reads, `similarity` finds the nearest, `sets` counts photos that are not kept, `analysis` reports.
`loading` takes garments in and out, `imports` records it, `switch` brings another model, `backup` carries all
away and back, `replicas` share the reading, `feedback` is what people say of matches, `keys` who may ask.
"""

from service.catalog.analysis.neighbourhoods import analyse
from service.catalog.analysis.reports import REPORTS, STORED, Report, plain, read_report
from service.catalog.analysis.standing import Standing, analysis_standing, cancel_analysis
from service.catalog.backup.restore import is_same, require_room, restore
from service.catalog.backup.snapshot import snapshot
from service.catalog.database.embedded import start_embedded
from service.catalog.database.engine import is_pooled, open_database, open_engine, reading
from service.catalog.database.patience import only_switcher
from service.catalog.database.queue import in_transaction, libpq, queue_state
from service.catalog.database.rights import readable, usable
from service.catalog.database.server import check_server, describe_server
from service.catalog.feedback import delete_feedback, list_feedback, store_feedback
from service.catalog.garments.categories import borne_labels, category_names
from service.catalog.garments.embeddings import as_float16, flaw, is_unfit, unfit_rows
from service.catalog.garments.listing import MAX_LIMIT, Conditions, garments_page
from service.catalog.garments.single import (
    Asked,
    asked_garment,
    count_by_label,
    garment_by_id,
    is_empty,
    random_garment,
)
from service.catalog.imports.requests import (
    ImportRun,
    cancel_import,
    get_import,
    give_up_import,
    list_imports,
    queue_import,
    sweep_imports,
)
from service.catalog.imports.runs import Progress, Run
from service.catalog.keys import ApiKey, any_key, find_key, keys, revoke_key, store_key
from service.catalog.loading.batches import Known, Loader
from service.catalog.loading.bulk import BulkLoader
from service.catalog.loading.curation import (
    add_garment,
    delete_garment,
    digest_of,
    relabel_garment,
    remove_picture,
)
from service.catalog.loading.dump import all_embeddings
from service.catalog.loading.files import (
    Filed,
    GarmentChanged,
    Move,
    filed_garments,
    forget_garments,
)
from service.catalog.loading.rows import Row, is_storable
from service.catalog.models.beside import beside, close_generations
from service.catalog.models.generations import (
    drop_generation,
    generation_bytes,
    has_generation,
    make_generation,
)
from service.catalog.models.registry import (
    ModelRecord,
    attach,
    known_models,
    model_names,
    note_folder,
    register,
    serving_id,
    serving_model,
)
from service.catalog.replicas.routing import Replicas
from service.catalog.schema.migration import migrate, require_head
from service.catalog.schema.tables import FEATURES
from service.catalog.sets import (
    SetImage,
    delete_set,
    extend_set,
    get_set,
    store_set,
    top_of,
    top_of_set,
)
from service.catalog.similarity.among import among_names, require_among
from service.catalog.similarity.indexes import Building, build_indexes
from service.catalog.similarity.projection import project_catalog
from service.catalog.similarity.recall import (
    RECALL_MINIMUM,
    keep_recall,
    kept_recall,
    measure_recall,
    note_recall,
)
from service.catalog.similarity.search import similar
from service.catalog.similarity.shelves import index_name, leftovers, shelves
from service.catalog.switch.agreement import Agreement, Sampled, agreement, sample_garments, tidy
from service.catalog.switch.record import (
    SwitchRecord,
    cancel_switch,
    close_silent,
    give_up_switch,
    last_switch,
    open_switch,
)
from service.catalog.switch.reembed import Left, Reembedding
from service.catalog.switch.swap import swap
from service.catalog.switch.unread import require_read, unread_of
from service.catalog.switch.work import Switch, queue_switch, start_switch

__all__ = [
    "FEATURES",
    "start_embedded",
    "is_pooled",
    "open_engine",
    "open_database",
    "reading",
    "check_server",
    "describe_server",
    "migrate",
    "require_head",
    "readable",
    "usable",
    "attach",
    "register",
    "ModelRecord",
    "known_models",
    "serving_model",
    "serving_id",
    "note_folder",
    "beside",
    "has_generation",
    "make_generation",
    "drop_generation",
    "generation_bytes",
    "only_switcher",
    "close_generations",
    "Reembedding",
    "Left",
    "unread_of",
    "require_read",
    "Agreement",
    "agreement",
    "Sampled",
    "sample_garments",
    "tidy",
    "swap",
    "Switch",
    "SwitchRecord",
    "start_switch",
    "queue_switch",
    "last_switch",
    "open_switch",
    "cancel_switch",
    "close_silent",
    "give_up_switch",
    "model_names",
    "category_names",
    "borne_labels",
    "Row",
    "is_storable",
    "Known",
    "Filed",
    "GarmentChanged",
    "Move",
    "filed_garments",
    "forget_garments",
    "Loader",
    "BulkLoader",
    "as_float16",
    "unfit_rows",
    "flaw",
    "is_unfit",
    "all_embeddings",
    "snapshot",
    "require_room",
    "restore",
    "is_same",
    "Run",
    "Progress",
    "ImportRun",
    "queue_import",
    "get_import",
    "list_imports",
    "cancel_import",
    "give_up_import",
    "sweep_imports",
    "Asked",
    "asked_garment",
    "garment_by_id",
    "random_garment",
    "MAX_LIMIT",
    "Conditions",
    "garments_page",
    "count_by_label",
    "add_garment",
    "digest_of",
    "relabel_garment",
    "delete_garment",
    "remove_picture",
    "is_empty",
    "similar",
    "among_names",
    "require_among",
    "shelves",
    "index_name",
    "leftovers",
    "Building",
    "build_indexes",
    "project_catalog",
    "RECALL_MINIMUM",
    "measure_recall",
    "note_recall",
    "keep_recall",
    "kept_recall",
    "queue_state",
    "libpq",
    "in_transaction",
    "store_key",
    "find_key",
    "ApiKey",
    "any_key",
    "keys",
    "revoke_key",
    "SetImage",
    "store_set",
    "extend_set",
    "get_set",
    "top_of_set",
    "top_of",
    "delete_set",
    "store_feedback",
    "list_feedback",
    "delete_feedback",
    "Replicas",
    "REPORTS",
    "STORED",
    "Report",
    "read_report",
    "plain",
    "analyse",
    "cancel_analysis",
    "analysis_standing",
    "Standing",
]
