#!/usr/bin/env bash
# Brings the stack of docker-compose.yml up on a Docker engine, uses it as people do, and takes it away again.
#
#     make compose-test                       with the official images
#     make compose-test ARGS=--stand-ins      where no registry of images is reached: makes them, see standins/build.sh
#
# Needs `make demo`'s environment, docker with buildx and `docker compose`, curl. FASHION_STUDIO_IMAGE takes an image
# that is there instead of building one. Grafana is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
export SECRETS=$work/secrets PHOTOS=$work/photos LISTEN=127.0.0.1
export PORT=${PORT:-8123} NGINX_PORT=${NGINX_PORT:-8124} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9123}
compose() { docker compose --project-name fashion-studio-test --profile nginx "$@"; }
up() { compose up --detach --wait --quiet-pull "$@" 2>>"$work/log" || { tail -20 "$work/log" >&2; exit 1; }; }
inside() { compose exec -T web "$@"; }
say() { echo "compose-test: $*"; }
expect() { # WHAT FOUND WANTED
    [ "$2" = "$3" ] || { say "$1 is '$2', not '$3'" >&2; exit 1; }
    say "$1: $2"
}
end() {
    compose --profile monitoring down --volumes >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT

if [ "${1:-}" = --stand-ins ]; then
    tests/compose/standins/build.sh
    for name in python postgres nginx prometheus; do
        export "${name^^}_IMAGE=fashion-studio-standin/$name"
    done
fi
if [ -z "${FASHION_STUDIO_IMAGE:-}" ]; then
    export FASHION_STUDIO_IMAGE=fashion-studio-test
    compose build --quiet web
fi
deploy/passwords "$SECRETS"
.venv/bin/fashion-studio render "$PHOTOS" --garments 33 --size 200
chmod 755 "$work"

up
expect "the user of web" "$(inside id -u)" 10001
expect "a file outside the volumes" "$(inside sh -c 'touch /etc/x 2>/dev/null && echo written || echo refused')" refused
expect "TensorFlow" "$(inside python -c 'import importlib.util as u; print(u.find_spec("tensorflow"))')" None
expect "S3" "$(inside python -c 'import botocore.session as b; print(b.get_session().create_client("s3", region_name="x").meta.service_model.service_name)')" s3
bytes=$(docker image inspect --format '{{.Size}}' "$FASHION_STUDIO_IMAGE")
expect "an image of at most 900 MB ($((bytes / 1000000)) MB)" "$((bytes <= 900000000))" 1

inside fashion-studio ingest /photos/garments.csv
answer() { curl --fail --silent "http://127.0.0.1:$PORT/api/v1/garments/$1/similar?n=2"; }
by_photo() { curl --fail --silent -F "image=@$(ls "$PHOTOS"/images/*.jpg | head -1)" "http://127.0.0.1:$1/api/v1/similar?label=any"; }
before=$(answer 5)
photo=$(by_photo "$PORT")
expect "a photo's matches through nginx" "$(by_photo "$NGINX_PORT")" "$photo" >/dev/null
say "33 garments in, the same answer through nginx"
expect "/metrics through nginx" "$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$NGINX_PORT/metrics")" 404

for service in database web worker nginx; do
    compose restart "$service" 2>>"$work/log"
    up
    expect "the answer after $service was restarted" "$(answer 5)" "$before" >/dev/null
    say "$service restarted, the same answer"
done

earlier=$(ls migrations/versions/[0-9]*.py | sort | tail -2 | head -1 | xargs basename | cut -d_ -f1)
compose stop web worker nginx 2>>"$work/log"
compose run --rm -T migrate fashion-studio migrate --to "$earlier" 2>>"$work/log"
up --force-recreate migrate web worker nginx
expect "the answer after an upgrade from $earlier" "$(answer 5)" "$before" >/dev/null
say "upgraded from revision $earlier, the same answer"

compose --profile monitoring up --detach --wait prometheus 2>>"$work/log"
garments() { curl --silent --get --data-urlencode 'query=sum(fashion_studio_garments)' "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/query" | grep -o '"33"' || true; }
for _ in $(seq 40); do [ -n "$(garments)" ] && break || sleep 1; done
expect "garments by Prometheus" "$(garments)" '"33"'
say "all of it works"
