"""The catalog in Postgres. Every line of SQL in the project is here and in `migrations/`.

`embedded` and `engine` lead from settings to a SQLAlchemy engine whose errors are one clear line;
`server`, `tables` and `migration` are about the schema; `models` ties the catalog to one model
bundle; `load`, `bulk`, `rows` and `runs` take garments in, `imports` and `queue` watch that, `dump`
gives them out; `projection`, `shelves`, `indexes` and `recall` are about similarity indexes;
`garments`, `search` and `sets` answer; `curation` changes single garments; `keys` says who may ask.
"""

from service.catalog.bulk import BulkLoader
from service.catalog.categories import category_names
from service.catalog.curation import (
    add_garment,
    delete_garment,
    digest_of,
    relabel_garment,
    remove_picture,
)
from service.catalog.dump import all_embeddings
from service.catalog.embedded import start_embedded
from service.catalog.embeddings import as_float16, flaw, unfit_rows
from service.catalog.engine import open_database, open_engine
from service.catalog.garments import (
    MAX_LIMIT,
    count_by_label,
    garment_by_id,
    garments_page,
    ids_of_content,
    is_empty,
    random_garment,
)
from service.catalog.imports import (
    ImportRun,
    cancel_import,
    get_import,
    give_up_import,
    list_imports,
    queue_import,
    sweep_imports,
)
from service.catalog.indexes import Building, build_indexes
from service.catalog.keys import any_key, find_key, keys, revoke_key, store_key
from service.catalog.load import Known, Loader
from service.catalog.migration import migrate, require_head
from service.catalog.models import attach
from service.catalog.projection import project_catalog
from service.catalog.queue import QueueState, libpq, queue_state
from service.catalog.recall import RECALL_MINIMUM, keep_recall, kept_recall, measure_recall
from service.catalog.rows import Row, is_storable
from service.catalog.runs import Progress, Run
from service.catalog.search import embedding_of, similar
from service.catalog.server import check_server
from service.catalog.sets import (
    SetImage,
    StoredSet,
    delete_set,
    extend_set,
    get_set,
    store_set,
    top_of,
    top_of_set,
)
from service.catalog.shelves import Shelf, index_name, leftovers, shelves
from service.catalog.tables import FEATURES

__all__ = [
    "FEATURES",
    "start_embedded",
    "open_engine",
    "open_database",
    "check_server",
    "migrate",
    "require_head",
    "attach",
    "category_names",
    "Row",
    "is_storable",
    "Known",
    "Loader",
    "BulkLoader",
    "as_float16",
    "unfit_rows",
    "flaw",
    "all_embeddings",
    "Run",
    "Progress",
    "ImportRun",
    "queue_import",
    "get_import",
    "list_imports",
    "cancel_import",
    "give_up_import",
    "sweep_imports",
    "garment_by_id",
    "random_garment",
    "MAX_LIMIT",
    "garments_page",
    "count_by_label",
    "add_garment",
    "digest_of",
    "relabel_garment",
    "delete_garment",
    "remove_picture",
    "is_empty",
    "ids_of_content",
    "similar",
    "embedding_of",
    "Shelf",
    "shelves",
    "index_name",
    "leftovers",
    "Building",
    "build_indexes",
    "project_catalog",
    "RECALL_MINIMUM",
    "measure_recall",
    "keep_recall",
    "kept_recall",
    "QueueState",
    "queue_state",
    "libpq",
    "store_key",
    "find_key",
    "any_key",
    "keys",
    "revoke_key",
    "SetImage",
    "StoredSet",
    "store_set",
    "extend_set",
    "get_set",
    "top_of_set",
    "top_of",
    "delete_set",
]
