"""The catalog in Postgres. Every line of SQL in the project is here and in `migrations/`.

`embedded` and `engine` lead from settings to a SQLAlchemy engine whose errors are one clear line;
`server`, `tables` and `migration` are about the schema; `models` ties the catalog to one model
bundle; `load`, `bulk`, `rows` and `runs` take garments in, `imports` and `queue` watch that, `dump`
gives them out; `projection`, `shelves`, `indexes` and `recall` are about similarity indexes;
`garments`, `listing`, `search` and `sets` answer; `reports` are about the catalog as a whole,
those that an `analysis` stores by `neighbourhoods`, `nearest` and `judgements`;
`curation` changes single garments; `keys` says who may ask.
"""

from service.catalog import analysis_tables as analysis_tables  # into the metadata of `tables`
from service.catalog.analysis import Standing, analysis_standing, cancel_analysis
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
    count_by_label,
    garment_by_id,
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
from service.catalog.listing import MAX_LIMIT, Conditions, garments_page
from service.catalog.load import Known, Loader
from service.catalog.migration import migrate, require_head
from service.catalog.models import attach, model_names
from service.catalog.neighbourhoods import analyse
from service.catalog.projection import project_catalog
from service.catalog.queue import QueueState, in_transaction, libpq, queue_state
from service.catalog.recall import RECALL_MINIMUM, keep_recall, kept_recall, measure_recall
from service.catalog.reports import REPORTS, STORED, Report, plain, read_report
from service.catalog.rows import Row, is_storable
from service.catalog.runs import Progress, Run
from service.catalog.search import embedding_of, similar
from service.catalog.server import check_server
from service.catalog.sets import (
    SetImage,
    StoredSet,
    delete_set,
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
    "model_names",
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
    "Conditions",
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
    "in_transaction",
    "store_key",
    "find_key",
    "any_key",
    "keys",
    "revoke_key",
    "SetImage",
    "StoredSet",
    "store_set",
    "get_set",
    "top_of_set",
    "top_of",
    "delete_set",
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
