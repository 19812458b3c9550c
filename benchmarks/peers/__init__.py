"""Who is compared: a small adapter for each contestant, imported only by the process that runs it.

`contestant` is the interface, `worker` the process around one contestant, `field` runs a group of
them in turns; `questions` and `truth` are what they are asked and what is right; `report` and `plot`
show the results.
"""

from __future__ import annotations

import importlib

from peers.contestant import Contestant

CONTESTANTS = {
    "sql": "peers.studio:ThroughSql",
    "http": "peers.studio:ThroughHttp",
    "plain": "peers.pgvector:Plain",
    "seed": "peers.exact:SeedLoop",
    "numpy": "peers.exact:Numpy",
    "faiss-flat": "peers.in_process:FaissFlat",
    "faiss-hnsw": "peers.in_process:FaissHnsw",
    "usearch": "peers.in_process:Usearch",
    "lancedb": "peers.lance:Lance",
    "chroma": "peers.chroma:Chroma",
    "qdrant": "peers.qdrant:QdrantLocal",
    "milvus": "peers.milvus:MilvusLite",
}
"""In the order in which they are built: Postgres and the project first, so that they are in the
first group where memory needs several."""

REFERENCE = "sql"
"""Takes part in every group's rounds, so that ratios to it come from the same minutes."""


def contestant_class(name: str) -> type[Contestant]:
    """The adapter's class. It imports its library when it is made, not before."""
    module, _, attribute = CONTESTANTS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
