-- On each shard, a catalog of its own, after `fashion-studio migrate` and before its first garment:
--   psql -v number=0 -f shard.sql …          the first shard is 0
-- No two shards give the same id: shard N has those from N * 10^12 + 1.
\set ON_ERROR_STOP on
SELECT format('ALTER TABLE garment ALTER id SET MINVALUE %1$s SET START %1$s SET MAXVALUE %2$s RESTART %1$s',
              :number * 1000000000000 + 1, (:number + 1) * 1000000000000) \gexec
