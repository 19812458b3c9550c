# The serving image: no TensorFlow, no compiler, not root.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 FASHION_STUDIO_HOME=/var/lib/fashion-studio
WORKDIR /srv/fashion-studio
COPY requirements/serve.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY migrations migrations
COPY service service
RUN pip install --no-cache-dir --no-deps . \
    && useradd --system --create-home --home-dir "$FASHION_STUDIO_HOME" studio
USER studio
VOLUME ${FASHION_STUDIO_HOME}
EXPOSE 8000
# It listens for others, so it needs an API key, or FASHION_STUDIO_ACCESS=open where somebody else asks for one
CMD ["fashion-studio", "serve", "--host", "0.0.0.0"]
