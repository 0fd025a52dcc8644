#!/bin/bash
# usage: build-image.sh NAME:TAG DOCKERFILE CONTEXT [buildah's arguments]
# Build a Dockerfile on the local Debian + Python base and push it to the node's registry; NO_PUSH=1 only builds.
# The machine's CA bundle, pip settings and wheels (PIP_FIND_LINKS) are mounted in RUN steps and not in the image.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
name=$1 dockerfile=$2 context=$3
shift 3

lent=()
lend() { # FILE [PLACE]
    [ ! -e "$1" ] || lent+=(--volume "$1:${2:-$1}:ro")
}
lend /etc/ssl/certs/ca-certificates.crt
lend /etc/pip.conf
wheels=$(realpath -m "${PIP_FIND_LINKS:-/nonexistent}")
lend "$wheels" /wheels
[ ! -d "$wheels" ] || lent+=(--build-arg PIP_FIND_LINKS=/wheels)
# The Dockerfile's default, unless npm has a mirror configured here. Without npm there is nothing to ask.
registry=${NPM_REGISTRY-$(npm config get registry 2>/dev/null || true)}
if [ "$(basename "$(dirname "$dockerfile")")" = jobs ] && [ -n "${NPM_REGISTRY+set}$registry" ]; then
    lent+=(--build-arg "NPM_REGISTRY=$registry")
fi

nice -n "$KNICE" buildah --root "$IMG_HOME/storage" --runroot "$IMG_HOME/run" --storage-driver overlay \
    bud --isolation chroot --layers -q -t "$REGISTRY/$name" --build-arg "BASE=$BASE_IMAGE" "${lent[@]}" "$@" -f "$dockerfile" "$context" >/dev/null
[ -n "${NO_PUSH:-}" ] || push_ "$name"
