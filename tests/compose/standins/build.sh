#!/bin/sh
# Makes stand-ins for the official images where no image registry can be reached: Debian 13 by debootstrap, and on it
# the packages of the same programs. Needs root, debootstrap, docker with buildx, and Debian's packages.
#
#     tests/compose/standins/build.sh [PREFIX]       images PREFIX/python, PREFIX/postgres, PREFIX/nginx, PREFIX/prometheus
set -eu
here=$(dirname "$0")
prefix=${1:-fashion-studio-standin}
base=$prefix/debian

if ! docker image inspect "$base" >/dev/null 2>&1; then
    command -v debootstrap >/dev/null || { echo "build.sh: install debootstrap" >&2; exit 1; }
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates trixie "$root/system" >"$root/log" 2>&1 || {
        tail -5 "$root/log" >&2
        echo "build.sh: debootstrap did not succeed" >&2
        exit 1
    }
    cp /etc/ssl/certs/ca-certificates.crt "$root/system/etc/ssl/certs/"  # it trusts whom this machine trusts
    rm -rf "$root"/system/var/cache/apt/* "$root"/system/var/lib/apt/lists/*
    tar -C "$root/system" -c . | docker import --change 'CMD ["bash"]' - "$base" >/dev/null
fi
for name in python postgres nginx prometheus; do
    docker buildx build --quiet --load --build-arg "BASE=$base" --tag "$prefix/$name" \
        --file "$here/$name.Dockerfile" "$here" >/dev/null
    echo "$prefix/$name"
done
