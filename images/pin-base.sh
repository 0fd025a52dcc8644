#!/bin/sh
# Pin the base image of every Dockerfile to the digest that its tag has now: `make base-digest`.
# Needs skopeo, crane or docker, and the registry.
set -eu
cd "$(dirname "$0")"
base=$(sed -n 's/^ARG BASE=\([^@]*\).*/\1/p' ./*/Dockerfile | sort -u)
[ "$(echo "$base" | wc -l)" = 1 ] || { echo "the Dockerfiles have several bases: $base; expected one" >&2; exit 78; }
if command -v skopeo >/dev/null; then
    case ${base%%/*} in *.* | localhost*) name=$base ;; */*) name=docker.io/$base ;; *) name=docker.io/library/$base ;; esac
    # --raw: the digest of the index of all platforms, not of this machine's.
    digest=sha256:$(skopeo inspect --raw "docker://$name" | sha256sum | cut -d ' ' -f 1)
    skopeo inspect --raw "docker://${name%:*}@$digest" >/dev/null
elif command -v crane >/dev/null; then
    digest=$(crane digest "$base")
elif command -v docker >/dev/null; then
    digest=$(docker buildx imagetools inspect "$base" --format '{{.Manifest.Digest}}')
else
    echo "no tool to read a registry; expected skopeo, crane or docker. Install one" >&2
    exit 78
fi
echo "$digest" | grep -Eqx 'sha256:[0-9a-f]{64}' || { echo "'$digest' is not a digest; expected sha256:..." >&2; exit 75; }
sed -i "s|^ARG BASE=.*|ARG BASE=$base@$digest|" ./*/Dockerfile
echo "pinned $base@$digest"
