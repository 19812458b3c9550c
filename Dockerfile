# The serving image: what requirements/image.txt locks, which is what serves and the extra `s3`, and the package. No
# TensorFlow, pip, compiler or root.
#
#     docker build --tag fashion-studio --build-arg VERSION=X.Y.Z --build-arg REVISION=$(git rev-parse HEAD) .
#
# BASE: any image with Python 3.11 to 3.13. pip's own configuration (another index, a proxy) comes as a secret,
# `--secret id=pip,src=pip.conf`, and leaves no trace in the image.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/fashion-studio
WORKDIR /src
COPY requirements/image.txt requirements/build.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /build/bin/pip --python /opt/fashion-studio/bin/python install --require-hashes -r requirements/image.txt \
    && /build/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY licences licences
COPY migrations migrations
COPY service service
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheel . \
    && /build/bin/pip --python /opt/fashion-studio/bin/python install --no-deps --no-index /wheel/*.whl
# A fifth of the bytes is for nobody here: tests, headers, Arrow's RPC, OpenVINO for processors a container has not,
# and four hundred services of Amazon's beside S3 and those that keys come from
RUN cd /opt/fashion-studio/lib/python3*/site-packages \
    && find . -depth -type d -name tests -exec rm -r {} + \
    && rm -rf pyarrow/include pyarrow/*flight* openvino/include \
        openvino/libs/libopenvino_intel_gpu_plugin.so openvino/libs/libopenvino_intel_npu_plugin.so openvino/libs/cache.json \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} +

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Fashion Studio" \
      org.opencontainers.image.description="More like this, on your own Postgres: garment photos labelled, embedded and searched with pgvector" \
      org.opencontainers.image.licenses="MIT AND Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Ids are fixed, so that a folder of the host can be given to the user
RUN groupadd --gid 10001 studio \
    && useradd --uid 10001 --gid studio --home-dir /var/lib/fashion-studio --create-home --shell /usr/sbin/nologin studio
COPY --from=build /opt/fashion-studio /opt/fashion-studio
ENV PATH=/opt/fashion-studio/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    FASHION_STUDIO_HOME=/var/lib/fashion-studio
USER 10001:10001
WORKDIR /var/lib/fashion-studio
VOLUME /var/lib/fashion-studio
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# It listens for others, so it needs an API key, or FASHION_STUDIO_ACCESS=open where somebody else asks for one.
# Its first process reaps no others' children: start it with `docker run --init`, as compose does.
CMD ["fashion-studio", "serve", "--host", "0.0.0.0"]
