#!/bin/bash
# usage: images.sh [base|platform]...   images that need no registry account; default: both.
#   base       Debian and Python 3.11, a substitute for python:3.11-slim
#   platform   pause, and the Go programs built by build.sh
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
mkdir -p "$IMG_HOME/context" "$KB/images"
cd "$IMG_HOME/context"

have() { buildah_ inspect --type image "$1" >/dev/null 2>&1; }

base() {
    local sources path
    have "$BASE_IMAGE" && return
    # The apt sources of this machine.
    for path in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        [ -e "$path" ] && sources=$path && break
    done
    # Written under a temporary name first, so that an interrupted run leaves no partial archive.
    rm -f base.new.tar
    [ -e base.tar ] || nice -n "$KNICE" mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv \
        --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        bookworm base.new.tar "$sources"
    [ -e base.tar ] || mv base.new.tar base.tar
    cat >Containerfile <<'C'
FROM scratch
ADD base.tar /
RUN ln -s python3 /usr/bin/python
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1
CMD ["python3"]
C
    buildah_ bud --isolation chroot -q -t "$BASE_IMAGE" -f Containerfile . >/dev/null
    rm base.tar
}

pause() {
    local container
    if ! have "$PAUSE_IMAGE"; then
        gcc -Os -static -s -o pause "$CLUSTER_SRC/pause.c"
        container=$(buildah_ from scratch)
        buildah_ copy -q "$container" pause /pause >/dev/null
        buildah_ config --entrypoint '["/pause"]' --user 65535:65535 "$container"
        buildah_ commit -q --rm "$container" "$PAUSE_IMAGE" >/dev/null
    fi
    # containerd imports it from a file: the registry itself runs on the node.
    rm -f "$KB/images/pause.new.tar"
    if [ ! -e "$KB/images/pause.tar" ]; then
        buildah_ push -q "$PAUSE_IMAGE" "docker-archive:$KB/images/pause.new.tar:$PAUSE_IMAGE"
        mv "$KB/images/pause.new.tar" "$KB/images/pause.tar"
    fi
}

go_image() { # PROGRAM NAME:TAG UID
    local stamp container
    stamp=$({ cat "$KBIN/$1"; declare -f go_image; } | sha256sum | cut -c1-16)
    if [ "$(buildah_ inspect --type image --format '{{index .OCIv1.Config.Labels "stamp"}}' "$REGISTRY/$2" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    mkdir -p tmp
    chmod 1777 tmp
    container=$(buildah_ from scratch)
    buildah_ copy -q "$container" "$KBIN/$1" "/bin/$1" >/dev/null
    buildah_ copy -q "$container" tmp /tmp >/dev/null
    buildah_ copy -q "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
    # CronWorkflows have a time zone.
    buildah_ copy -q "$container" /usr/share/zoneinfo /usr/share/zoneinfo >/dev/null
    buildah_ config --entrypoint "[\"/bin/$1\"]" --env PATH=/bin --user "$3" --label "stamp=$stamp" "$container"
    buildah_ commit -q --rm "$container" "$REGISTRY/$2" >/dev/null
}

platform() {
    pause
    go_image workflow-controller "workflow-controller:$ARGO_VERSION" 8737
    go_image argoexec "argoexec:$ARGO_VERSION" 8737
    go_image argo "argocli:$ARGO_VERSION" 8737
    go_image ray-operator "kuberay:$KUBERAY_VERSION" 65532
}

[ $# -gt 0 ] || set -- base platform
for part; do "$part"; done
