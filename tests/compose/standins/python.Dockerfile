# Stands in for python:3.13-slim-trixie: the same Debian, its own Python 3.13.
ARG BASE
FROM ${BASE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && ln -s python3 /usr/bin/python
