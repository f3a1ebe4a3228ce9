#!/bin/sh
# Joins the nodes at the given addresses into a cluster, half of them primaries with a replica each. If they are a cluster
# already, as when compose.cluster.yaml is brought up again, it only waits until every node reports cluster_state:ok.
set -eu

ask() {
  valkey-cli -h "$1" cluster info
}

nodes=
for node in "$@"; do
  nodes="$nodes $node:6379"
done

if ask "$1" | grep -q '^cluster_known_nodes:1[^0-9]*$'; then
  # shellcheck disable=SC2086 # an address is a word
  valkey-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
fi

for node in "$@"; do
  until ask "$node" | grep -q '^cluster_state:ok'; do
    sleep 0.2
  done
done
