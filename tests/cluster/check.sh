#!/bin/bash
# Print in one line what the test cluster is missing on this machine and exit 3; print nothing if it can run.
set -euo pipefail

lack() { echo "$1"; exit 3; }

# shellcheck source=/dev/null
. /etc/os-release 2>/dev/null || true
[ "${ID:-}${VERSION_ID:-}" = debian12 ] || lack "the test cluster needs Debian 12: its packages and paths are what it was made for"
[ "$(id -u)" = 0 ] || lack "the test cluster needs root: namespaces, cgroups and mounts"
[ -d /sys/fs/cgroup/memory ] || lack "the test cluster needs cgroup v1, one folder per controller under /sys/fs/cgroup: boot with systemd.unified_cgroup_hierarchy=0"
command -v go >/dev/null || lack "the test cluster needs Go 1.26 or newer on PATH: it builds Kubernetes, Argo and KubeRay from Go modules"
version=$(go env GOVERSION | sed 's/^go//')
[ "$(printf '%s\n' 1.26 "$version" | sort -V | head -1)" = 1.26 ] || lack "the test cluster needs Go 1.26 or newer, found $version"
if command -v dockerd >/dev/null; then
    lack "the test cluster needs Debian's containerd, which would replace Docker's: run it on a machine without Docker"
fi
