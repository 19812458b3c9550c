-- Once on the coordinator, a catalog without garments, after `fashion-studio migrate`; by a superuser:
--   psql -v service=ROLE -f coordinator.sql …
-- service: the role that the service connects as. It connects with the schema `shards` in front:
--   FASHION_STUDIO_DATABASE_URL='postgresql+psycopg://…/catalog?options=-csearch_path%3Dshards,public'
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SCHEMA shards;
CREATE TABLE shards.garment (LIKE public.garment) PARTITION BY RANGE (id);

-- As a standby says it: the service answers 503
CREATE FUNCTION shards.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'garments are written on their shards' USING ERRCODE = 'read_only_sql_transaction';
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON shards.garment EXECUTE FUNCTION shards.refuse();
-- To write as well, so that it is told where. A schema that a role may not use is passed over in silence, and
-- `garment` would be the coordinator's own table, which is empty
GRANT USAGE ON SCHEMA shards TO :"service";
GRANT SELECT, INSERT, UPDATE, DELETE ON shards.garment TO :"service";
COMMIT;
