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
    docker rm --force fashion-studio-test-squatter >/dev/null 2>&1 || true
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
answer() { curl --fail --silent "http://127.0.0.1:${1:-$PORT}/api/v1/garments/5/similar?n=2" || true; }
settled() { # PORT, where the answer may take its time
    for _ in $(seq 90); do [ "$(answer "$1")" = "$before" ] && break || sleep 1; done
    answer "$1"
}
imported() { # what becomes of an import that is left to the worker
    local imports=http://127.0.0.1:$PORT/api/v1/imports id state=
    id=$(curl --fail --silent --json '{"source": "/photos/garments.csv"}' "$imports" | value id)
    for _ in $(seq 90); do
        state=$(curl --fail --silent "$imports/$id" | value state)
        case $state in queued | running) sleep 1 ;; *) break ;; esac
    done
    echo "$state"
}
value() { inside python -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
by_photo() { curl --fail --silent -F "image=@$(ls "$PHOTOS"/images/*.jpg | head -1)" "http://127.0.0.1:$1/api/v1/similar?label=any"; }
before=$(answer)
expect "an answer" "${before:+there}" there
photo=$(by_photo "$PORT")
expect "a photo's matches through nginx" "$(by_photo "$NGINX_PORT")" "$photo" >/dev/null
say "33 garments in, the same answer through nginx"
expect "/metrics through nginx" "$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$NGINX_PORT/metrics")" 404

for service in database web worker nginx; do
    compose restart "$service" 2>>"$work/log"
    expect "the answer after $service was restarted" "$(settled "$NGINX_PORT")" "$before" >/dev/null
    expect "an import after $service was restarted" "$(imported)" done >/dev/null
    say "$service restarted, the same answer, and the worker works"
done

compose stop 2>>"$work/log"
docker start $(compose ps --all --quiet web worker nginx) >/dev/null
sleep 5
docker start $(compose ps --all --quiet database) >/dev/null
expect "the answer after all of it was started at once" "$(settled "$NGINX_PORT")" "$before" >/dev/null
expect "an import after all of it was started at once" "$(imported)" done >/dev/null
say "started as after a restart of the host, the database last: the same answer, and the worker works"

inside fashion-studio backup catalog.backup
compose cp web:/var/lib/fashion-studio/catalog.backup "$work" 2>>"$work/log"
curl --fail --silent --request DELETE "http://127.0.0.1:$PORT/api/v1/garments/5"
expect "the answer about a garment that was removed" "$(answer)" ""
compose stop web worker 2>>"$work/log"
compose run --rm -T migrate sh -c 'cat > catalog.backup && fashion-studio restore --replace catalog.backup' \
    < "$work/catalog.backup" 2>>"$work/log"

earlier=$(ls migrations/versions/[0-9]*.py | sort | tail -2 | head -1 | xargs basename | cut -d_ -f1)
compose run --rm -T migrate fashion-studio migrate --to "$earlier" 2>>"$work/log"
compose run --rm -T migrate 2>>"$work/log"
# The address that `web` had is another's now, and nginx, which ran all the time, has to find the new one
docker run --detach --rm --name fashion-studio-test-squatter --network fashion-studio-test_default \
    "$FASHION_STUDIO_IMAGE" sleep 600 >/dev/null
up --force-recreate web worker
expect "the answer after a backup, and an upgrade from $earlier" "$(settled "$NGINX_PORT")" "$before" >/dev/null
say "a backup came back, and was upgraded from revision $earlier: the same answer"

for_others() { compose run --rm -T web fashion-studio serve --no-worker --host=0.0.0.0 --published-at=192.0.2.1 2>&1 || true; }
expect "a start for others without a key" "$(for_others | grep --count 'keys create')" 1
code() { curl --silent --output /dev/null --write-out '%{http_code}' "$@" "http://127.0.0.1:$PORT/api/v1/garments/5"; }
key=$(inside fashion-studio keys create --name shop --scope read --json | value key)
sleep 2
expect "an answer once a key was made" "$(code) $(code --header "Authorization: Bearer $key")" "401 200"

FASHION_STUDIO_TRUSTED_PROXIES=1 up web
sleep 2
secure() { # whether the page's key, given through nginx, is kept for HTTPS alone
    curl --silent --output /dev/null --dump-header - --json "{\"key\": \"$key\"}" "$@" "http://127.0.0.1:$NGINX_PORT/session" |
        grep --ignore-case '^set-cookie:' | grep --count --ignore-case '; secure' || true
}
expect "a cookie for HTTPS alone, without and with a proxy before nginx that ends TLS" \
    "$(secure) $(secure --header 'X-Forwarded-Proto: https')" "0 1"

compose --profile monitoring up --detach --wait prometheus 2>>"$work/log"
garments() { curl --silent --get --data-urlencode 'query=sum(fashion_studio_garments)' "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/query" | grep -o '"33"' || true; }
for _ in $(seq 40); do [ -n "$(garments)" ] && break || sleep 1; done
expect "garments by Prometheus" "$(garments)" '"33"'
say "all of it works"
