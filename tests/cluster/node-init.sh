#!/bin/bash
# PID 1 of the node's mount, network, pid, uts and ipc namespaces, started by node-up.sh. No set -e: PID 1 must not exit.
set -u
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
[ $$ = 1 ] || { echo "must be pid 1 of its own pid namespace"; exit 2; }

log() { echo "$(date +%T.%3N) $*"; }

mounts() { # nothing below is seen by the host: unshare --mount made everything private
    local path state
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/containerd /run/netns /run/lock
    for path in /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers /var/lib/kube-proxy; do
        state=$KB/fs$path
        mkdir -p "$path" "$state"
        mount --bind "$state" "$path"
    done
    mkdir -p "$KB/etc/empty"
    [ ! -d /etc/cni ] || mount --bind "$KB/etc/empty" /etc/cni

    # A sysfs of the new network namespace, with the host's cgroup mounts. Mounts are still private here: if they were shared,
    # the umount would propagate and remove /sys/fs/cgroup/*.
    mkdir -p /run/cg
    mount --rbind /sys/fs/cgroup /run/cg && mount -t sysfs sysfs /sys && mount --rbind /run/cg /sys/fs/cgroup && umount -R -l /run/cg

    # kubelet would change these global settings of the host to fixed values, so it sees files that contain them already.
    mkdir -p /run/fakesys
    pretend vm/overcommit_memory 1
    pretend vm/panic_on_oom 0
    pretend kernel/panic 10
    pretend kernel/panic_on_oops 1
    pretend kernel/keys/root_maxkeys 1000000
    pretend kernel/keys/root_maxbytes 25000000

    hostname "$NODE"
    printf '127.0.0.1 localhost\n%s %s\n' "$NODE_IP" "$NODE" >/run/hosts
    mount --bind /run/hosts /etc/hosts
    [ ! -f /etc/resolv.conf ] || mount --bind "$KB/etc/resolv.conf" /etc/resolv.conf
    mount --make-rshared / # last: kubelet and containerd want propagation between themselves
}

pretend() { # SYSCTL VALUE
    local file=/run/fakesys/${1//\//_}
    printf '%s\n' "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}

network() { # no way out of the node: a pull from outside fails at once
    ip link set lo up
    # A veth pair has the node's address, since the kernel may lack the dummy device.
    ip link add node0 type veth peer name node0p
    ip addr add "$NODE_IP/32" dev node0
    ip link set node0 up
    ip link set node0p up
    ip addr add "$DNS_IP/32" dev node0
    ip route add "$SVC_CIDR" dev node0 # so that a ClusterIP passes the routing decision before DNAT
    ip route add unreachable default
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || log "no br_netfilter"
}

cgroups() { # the root of all pods, one per controller
    local controller file
    for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
        [ -d "/sys/fs/cgroup/$controller" ] || continue
        mkdir -p "/sys/fs/cgroup/$controller/$CGROOT"
    done
    for file in cpuset.cpus cpuset.mems; do
        cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$CGROOT/$file"
    done
    [ ! -d /sys/fs/cgroup/unified ] || mkdir -p "/sys/fs/cgroup/unified/$CGROOT"
}

declare -A NAME
start() { # NAME COMMAND...; the command line is kept for node-start.sh
    local name=$1
    shift
    printf 'exec %s\n' "$(printf '%q ' "$@")" >"$KB/cmd/$name"
    "$@" >>"$LOGS/$name.log" 2>&1 &
    NAME[$!]=$name
    echo $! >"$KB/pids/$name"
    log "start $name pid $!"
}

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { log "TIMEOUT: $*"; return 1; }
        sleep 0.1
    done
}

as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }

containerd_has_recovered() { tail -n "+$((before + 1))" "$LOGS/containerd.log" | grep -q "Start streaming server"; }

node_is_ready() {
    "$KBIN/kubectl" --kubeconfig "$KC/admin.conf" get node "$NODE" \
        -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}

control_plane() {
    local etcd=http://127.0.0.1:2379 peers=http://127.0.0.1:2380
    # etcd 3.5.8 or newer, or every controller on client-go 0.33 or newer lags by 10 to 45 s: older ones lack RequestWatchProgress.
    # shellcheck disable=SC2086
    start etcd "$ETCD" --name "$NODE" --data-dir "$KB/etcd" --listen-client-urls $etcd --advertise-client-urls $etcd \
        --listen-peer-urls $peers --initial-advertise-peer-urls $peers --initial-cluster "$NODE=$peers" \
        --unsafe-no-fsync --auto-compaction-retention=5m --auto-compaction-mode=periodic $ETCD_EXTRA
    wait_for 30 curl -sf $etcd/health || exit 3
    # shellcheck disable=SC2086
    start apiserver "$KBIN/kube-apiserver" --etcd-servers=$etcd \
        --advertise-address="$NODE_IP" --bind-address=0.0.0.0 --secure-port=6443 \
        --anonymous-auth=false --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
        --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
        --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
        --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
        --service-cluster-ip-range="$SVC_CIDR" --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-signing-key-file="$PKI/sa.key" --service-account-key-file="$PKI/sa.pub" \
        --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
        --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
        --requestheader-username-headers=X-Remote-User \
        --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key" \
        --profiling=false --event-ttl=1h $APISERVER_EXTRA
    wait_for 120 "$KBIN/kubectl" --kubeconfig "$KC/admin.conf" get --raw /readyz || exit 4
    log "apiserver ready"
    start controller-manager "$KBIN/kube-controller-manager" --kubeconfig="$KC/controller-manager.conf" \
        --authentication-kubeconfig="$KC/controller-manager.conf" --authorization-kubeconfig="$KC/controller-manager.conf" \
        --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
        --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" --client-ca-file="$PKI/ca.crt" \
        --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" \
        --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
        --allocate-node-cidrs=true --cluster-cidr="$CLUSTER_CIDR" --service-cluster-ip-range="$SVC_CIDR" --profiling=false
    start scheduler "$KBIN/kube-scheduler" --kubeconfig="$KC/scheduler.conf" --authentication-kubeconfig="$KC/scheduler.conf" \
        --authorization-kubeconfig="$KC/scheduler.conf" --bind-address=127.0.0.1 --leader-elect=false --profiling=false
}

outside() { # what a production cluster finds outside itself: an image registry, an S3 store, a PostgreSQL server
    mkdir -p "$KB/registry" "$KB/s3" "$KB/s3-users"
    start registry "$KBIN/registry" serve "$KB/etc/registry.yml"
    start s3 env ROOT_ACCESS_KEY="$S3_ACCESS_KEY" ROOT_SECRET_KEY="$S3_SECRET_KEY" \
        "$KBIN/versitygw" --port 0.0.0.0:9000 --quiet --iam-dir "$KB/s3-users" posix "$KB/s3"
    [ -n "$PG_BIN" ] || return 0
    mkdir -p /run/postgresql
    chown postgres /run/postgresql
    if [ ! -e "$KB/pg/PG_VERSION" ]; then
        # Created next to its final path, then renamed: a killed initdb leaves nothing that looks like a database.
        rm -rf "$KB/pg.new"
        mkdir -p "$KB/pg.new"
        chown postgres "$KB/pg.new"
        (umask 022 && printf %s "$PG_PASSWORD" >/run/pgpass)
        as_postgres "$PG_BIN/initdb" -D "$KB/pg.new" -U telecine -A scram-sha-256 --pwfile /run/pgpass -E UTF8 --locale C.UTF-8 \
            >"$LOGS/initdb.log" 2>&1 || { log "initdb failed, see initdb.log"; exit 6; }
        echo "host all all all scram-sha-256" >>"$KB/pg.new/pg_hba.conf"
        mv "$KB/pg.new" "$KB/pg"
    fi
    start postgres setpriv --reuid postgres --regid postgres --clear-groups "$PG_BIN/postgres" -D "$KB/pg" -c listen_addresses='*' \
        -c fsync=off -c shared_buffers=256MB -c unix_socket_directories=/run/postgresql
}

workers() {
    # shellcheck disable=SC2086
    start kubelet "$KBIN/kubelet" --config="$KB/etc/kubelet.yaml" --kubeconfig="$KC/kubelet.conf" --hostname-override="$NODE" \
        --node-ip="$NODE_IP" --v=2 $KUBELET_EXTRA
    start proxy "$KBIN/kube-proxy" --config="$KB/etc/proxy.yaml" --v=2
    start dns env KUBECONFIG="$KC/admin.conf" PYTHONDONTWRITEBYTECODE=1 python3 "$CLUSTER_SRC/cluster_dns.py" "$DNS_IP" 53
}

supervise() { # bash as PID 1 reaps everything; a daemon that ends is only noted: nothing is restarted behind the tests' back
    local pid status
    trap 'log "stopping"; exit 0' TERM INT
    while :; do
        pid=
        wait -n -p pid
        status=$?
        if [ -n "${pid:-}" ]; then
            log "ENDED ${NAME[$pid]:-?} pid $pid rc $status"
        else
            sleep 1
        fi
    done
}

mounts
network
cgroups
mkdir -p "$LOGS" "$KB/pids" "$KB/cmd"
rm -f "$KB/pids"/* "$KB/cmd"/*
before=$(cat "$LOGS/containerd.log" 2>/dev/null | wc -l)
start containerd containerd --config "$KB/etc/containerd.toml"
control_plane
wait_for 30 ctr --address /run/containerd/containerd.sock version || exit 5
# It answers before it has recovered its pods, and kubelet ends at once if it has not.
wait_for 60 containerd_has_recovered || exit 5
for archive in "$KB"/images/*.tar; do
    [ ! -e "$archive" ] || ctr -a /run/containerd/containerd.sock -n k8s.io images import "$archive" >>"$LOGS/import.log" 2>&1
done
outside
workers
wait_for 120 node_is_ready || exit 7
wait_for 30 curl -so /dev/null "http://$NODE_IP:5000/v2/" || exit 8
wait_for 30 curl -so /dev/null "http://$NODE_IP:9000/" || exit 9
[ -z "$PG_BIN" ] || wait_for 60 "$PG_BIN/pg_isready" -qh "$NODE_IP" || exit 10
log "node ready"
touch "$KB/ready"
supervise
