-- Once on the coordinator, a catalog without garments, after `fashion-studio migrate`; by a superuser.
-- Its service connects with the schema `shards` in front:
--   FASHION_STUDIO_DATABASE_URL='postgresql+psycopg://…/catalog?options=-csearch_path%3Dshards,public'
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SCHEMA shards;
CREATE TABLE shards.garment (LIKE public.garment) PARTITION BY RANGE (id);
COMMIT;
