-- On each shard, after `fashion-studio migrate`: the role that the coordinator reads as. It sees garments, no keys.
--   SHARD_PASSWORD=… psql -v reader=reader -f reader.sql …
\set ON_ERROR_STOP on
\getenv password SHARD_PASSWORD
BEGIN;
CREATE ROLE :"reader" LOGIN PASSWORD :'password';
GRANT SELECT ON garment, projection TO :"reader";
COMMIT;
