-- On the coordinator, for each shard:
--   SHARD_PASSWORD=… psql -v number=0 -v host=shard0 -v dbname=catalog -v reader=reader -f attach.sql …
-- port: 5432 unless it is set. reader: a role of the shard's, made by reader.sql. Everyone of the coordinator reads as
-- it. Its password comes by the environment: a command line is seen by every user of the machine.
\set ON_ERROR_STOP on
\getenv password SHARD_PASSWORD
\if :{?port}
\else
    \set port 5432
\endif
SELECT 'shard_' || :number AS shard, 'garment_' || :number AS garments, 'projection_' || :number AS projections,
       :number * 1000000000000::bigint + 1 AS first, (:number + 1) * 1000000000000::bigint + 1 AS beyond \gset

BEGIN;
-- extensions: what pgvector computes may be computed there. fetch_size: a search wants 30 candidates of
-- each shard, or 80, however wide its graph is followed: that cannot be told it with the question. options: as the service's own connections have it, see service/catalog/similarity/statement.py.
CREATE SERVER :shard FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
    host :'host', port :'port', dbname :'dbname', extensions 'vector', fetch_size '40',
    options '-c hnsw.ef_search=640 -c hnsw.iterative_scan=strict_order -c enable_sort=off -c jit=off'
);
CREATE USER MAPPING FOR PUBLIC SERVER :shard OPTIONS (user :'reader', password :'password');

-- Components of two projections cannot be compared. The first shard's is the coordinator's as well.
CREATE FOREIGN TABLE shards.:projections (model_id integer, mean bytea, components bytea, fitted_to integer,
                                          created_at timestamptz)
    SERVER :shard OPTIONS (schema_name 'public', table_name 'projection');
INSERT INTO public.projection SELECT * FROM shards.:projections ON CONFLICT DO NOTHING;
SELECT count(*) = 0 AS differs FROM public.projection JOIN shards.:projections USING (created_at) \gset
\if :differs
    DO $$ BEGIN
        RAISE EXCEPTION 'This shard has no projection, or another one than the coordinator. Copy that of the first shard to it.';
    END $$;
\endif

CREATE FOREIGN TABLE shards.:garments PARTITION OF shards.garment FOR VALUES FROM (:first) TO (:beyond)
    SERVER :shard OPTIONS (schema_name 'public', table_name 'garment');
COMMIT;
