# Stands in for pgvector/pgvector:…-pg17: Postgres 17 with pgvector 0.8.0, under the official image's names: the user
# postgres with id 999, /var/lib/postgresql/data, POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE.
ARG BASE
FROM ${BASE}
RUN groupadd --system --gid 999 postgres \
    && useradd --system --gid postgres --uid 999 --home-dir /var/lib/postgresql postgres \
    && apt-get update \
    && mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get install --yes --no-install-recommends postgresql-17 postgresql-17-pgvector \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && install --directory --owner=postgres --group=postgres --mode=1777 \
        /var/lib/postgresql/data /var/run/postgresql
ENV PATH=$PATH:/usr/lib/postgresql/17/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY --chmod=755 postgres.sh /usr/local/bin/
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres.sh"]
CMD ["postgres"]
