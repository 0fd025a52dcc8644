#!/bin/bash
# Debian packages that the node and the image builds need.
set -euo pipefail
packages=(
    buildah busybox-static ca-certificates containerd containernetworking-plugins curl gcc iproute2 iptables libc6-dev
    mmdebstrap nftables openssl postgresql procps python3 runc tzdata util-linux
)
if dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    exit 0
fi
# Only the binaries are needed, not a server on this machine.
if [ ! -d /etc/postgresql-common ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
