# Settings of the test cluster; sourced by every script in this folder. Each can be overridden from the environment.
# shellcheck shell=bash disable=SC2034
CLUSTER_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# State. Not below /root: PostgreSQL runs as another user and must reach its data.
: "${CLUSTER_HOME:=/var/cache/telecine/cluster}"
: "${KBIN:=$CLUSTER_HOME/bin}"        # binaries built by build.sh
: "${KB:=$CLUSTER_HOME/node}"         # the node: etcd data, containerd and kubelet roots, registry, S3, PostgreSQL, logs
: "${IMG_HOME:=$CLUSTER_HOME/images}" # buildah's storage, the Debian base
ETCD=$KBIN/etcd PKI=$KB/pki LOGS=$KB/logs KC=$KB/kubeconfig

# Versions are defined in go.mod only.
version_() { sed -n "s#^[[:space:]]*\(require \)\{0,1\}$2 \(v[^ ]*\).*#\2#p" "$CLUSTER_SRC/go/$1/go.mod" | head -1; }
KUBE_VERSION=$(version_ kube k8s.io/kubernetes)
ARGO_VERSION=$(version_ argo github.com/argoproj/argo-workflows/v4)
KUBERAY_VERSION=$(version_ ray github.com/ray-project/kuberay/ray-operator)

# Network. The node's address is on a veth stub inside its network namespace; a second pair connects host and node.
: "${NODE:=node1}"
: "${NODE_IP:=10.88.0.1}"
: "${HOST_IP:=10.88.1.1}"
: "${NODE_VETH_IP:=10.88.1.2}"
: "${NODE_VETH=telecine0}" # empty: the host has no way into the node
: "${POD_CIDR:=10.244.0.0/24}"
: "${CLUSTER_CIDR:=10.244.0.0/16}"
: "${SVC_CIDR:=10.96.0.0/16}"
: "${API_SVC_IP:=10.96.0.1}"
: "${DNS_IP:=10.96.0.10}"
: "${CNI_BIN:=/usr/lib/cni}"
: "${PROXY_MODE:=iptables}"

# All pod cgroups are under /sys/fs/cgroup/<controller>/$CGROOT.
: "${CGROOT:=telecine}"

# Images. The node pulls from $REGISTRY, the host pushes to $NODE_IP:5000: the same server.
REGISTRY=localhost:5000
BASE_IMAGE=localhost/python:3.11
: "${PAUSE_IMAGE:=localhost/pause:1}"

# Services that are outside a production cluster: S3 on :9000, PostgreSQL on :5432.
: "${S3_ACCESS_KEY:=telecine}"
: "${S3_SECRET_KEY:=telecine-secret}"
# A user whom the tests give rights on one bucket.
: "${S3_UPLOAD_ACCESS_KEY:=telecine-upload}"
: "${S3_UPLOAD_SECRET_KEY:=telecine-upload-secret}"
: "${PG_PASSWORD:=telecine-secret}"
: "${PG_BIN:=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)}"

: "${KNICE:=0}" # niceness of builds and of the whole node
: "${ETCD_EXTRA:=}"
: "${APISERVER_EXTRA:=}"
: "${KUBELET_EXTRA:=}"

# The pid of the node's PID 1, if it runs. After a reboot, the pid in the file may belong to another process.
node_pid() {
    local pid
    pid=$(cat "$KB/pid" 2>/dev/null) && grep -qa node-init.sh "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

buildah_() { buildah --root "$IMG_HOME/storage" --runroot "$IMG_HOME/run" --storage-driver overlay "$@"; }

push_() {
    buildah_ push -q --tls-verify=false --compression-format zstd --compression-level 1 "$REGISTRY/$1" "docker://$NODE_IP:5000/$1"
}

# The digest of an image, so that a node pulls a rebuilt tag even if it has the old one.
digest_() {
    curl -sfI -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$NODE_IP:5000/v2/${1%:*}/manifests/${1##*:}" \
        | tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p'
}
