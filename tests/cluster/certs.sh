#!/bin/bash
# One EC certificate authority for everything, one for the aggregation layer's front proxy, and an RSA key for tokens.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
mkdir -p "$PKI" "$KC"
cd "$PKI"
[ ! -e complete ] || exit 0

authority() { # NAME
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null
    # `openssl req -x509` adds basicConstraints CA:TRUE on its own (v3_ca in openssl.cnf).
    openssl req -x509 -new -key "$1.key" -days 3650 -subj "/CN=$1" -out "$1.crt" \
        -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
}

leaf() { # NAME AUTHORITY SUBJECT USAGE [NAMES]
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null
    openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
    {
        echo "basicConstraints=critical,CA:FALSE"
        echo "keyUsage=critical,digitalSignature,keyEncipherment"
        echo "extendedKeyUsage=$4"
        [ -z "${5:-}" ] || echo "subjectAltName=$5"
    } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

kubeconfig() { # USER SERVER FILE
    cat >"$3" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
Y
}

authority ca
authority front-proxy-ca
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null

service=kubernetes.default.svc
names="DNS:kubernetes,DNS:kubernetes.default,DNS:$service,DNS:$service.cluster.local,DNS:localhost,DNS:$NODE"
leaf apiserver ca "/CN=kube-apiserver" serverAuth "$names,IP:127.0.0.1,IP:$API_SVC_IP,IP:$NODE_IP,IP:$NODE_VETH_IP"
leaf apiserver-kubelet-client ca "/O=system:masters/CN=kube-apiserver-kubelet-client" clientAuth
leaf front-proxy-client front-proxy-ca "/CN=front-proxy-client" clientAuth
leaf kubelet-server ca "/O=system:nodes/CN=system:node:$NODE" serverAuth "DNS:$NODE,IP:$NODE_IP,IP:127.0.0.1"
leaf kubelet ca "/O=system:nodes/CN=system:node:$NODE" clientAuth
leaf admin ca "/O=system:masters/CN=admin" clientAuth
leaf controller-manager ca "/CN=system:kube-controller-manager" clientAuth
leaf scheduler ca "/CN=system:kube-scheduler" clientAuth
leaf proxy ca "/CN=system:kube-proxy" clientAuth

for user in kubelet admin controller-manager scheduler proxy; do
    kubeconfig "$user" "https://$NODE_IP:6443" "$KC/$user.conf"
done
kubeconfig admin "https://$NODE_VETH_IP:6443" "$KC/admin-host.conf" # for the host, through the veth
chmod 600 ./*.key "$KC"/*
touch complete
