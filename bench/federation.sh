#!/bin/bash
# A federation of a server and four clients over a bad network: each in a network namespace, 50 ms of
# delay and 1% of loss each way, TLS, a password for each client. A client is killed in a round and
# starts again, another is cut off for 20 seconds, the server is killed in a round and resumed. The
# model must have the bits of a run over a good network without any of this.
#
#   sudo bench/federation.sh PERMAFROST MODEL DATA VAL FOLDER
#
# DATA is a folder of class folders, whose files are dealt to the clients in turn. FOLDER must not be
# there. It needs iproute2, openssl and go.
set -euo pipefail
lossy=$(mktemp); go build -C "$(dirname "$0")/.." -o "$lossy" ./bench/lossy
permafrost=$(realpath "$1") model=$(realpath "$2") data=$(realpath "$3") val=$(realpath "$4")
mkdir "$5"; cd "$5"
rounds=${ROUNDS:-6}
train=(--thaw last:1,head --rounds "$rounds" --epochs 3 --lr 0.005 --batch 32 --min-clients 4 --compress int8 --keep last)
clients=(c0 c1 c2 c3)

end() {
  kill $(jobs -p) 2>/dev/null || true
  for n in pfs "${clients[@]/#/pf}"; do ip netns del "$n" 2>/dev/null || true; done
  rm -f "$lossy"
}
trap end EXIT

for class in "$data"/*/; do
  i=0
  for file in "$class"*; do
    to=data/${clients[i++ % 4]}/$(basename "$class"); mkdir -p "$to"; ln -s "$file" "$to/"
  done
done
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout key.pem -out cert.pem -subj /CN=federation \
  -addext subjectAltName=IP:10.77.0.1,IP:127.0.0.1 2>/dev/null

# joins NAME RUN [COMMAND...]: starts a client, in the namespace that COMMAND enters.
joins() {
  local name=$1 run=$2; shift 2
  until [ -s "$run/clients/$name.url" ]; do sleep 0.1; done
  PERMAFROST_CACHE=$PWD/cache-$run-$name exec "$@" "$permafrost" federate client --nats "$(cat "$run/clients/$name.url")" \
    --data "data/$name" --threads 1 --tlsca cert.pem >>"$run-$name.log" 2>&1
}

# serves RUN ADDRESS [COMMAND...]: runs the server. MORE are further options.
serves() {
  local run=$1 address=$2; shift 2
  exec "$@" "$permafrost" federate server --model "$model" --val "$val" "${train[@]}" --listen "$address" --tlscert cert.pem --tlskey key.pem \
    "${clients[@]/#/--client=}" --out "$run" ${MORE:-} >>"$run.log" 2>&1
}

# round RUN N: waits until N rounds are made, and a moment more, so that the next one is under way.
round() { until grep -q "^round $2/" "$1.log"; do sleep 0.05; done; sleep "${INTO:-0.5}"; }

echo "without faults"
began=$SECONDS
serves good 127.0.0.1:0 & server=$!
for c in "${clients[@]}"; do joins "$c" good & done
wait "$server"; wait
echo "  $((SECONDS - began)) s"

echo "with faults"
namespaces=(pfs "${clients[@]/#/pf}")
coproc switch { exec "$lossy" -delay 50ms -loss 0.01 "${namespaces[@]/%/-i}"; }
read -r <&"${switch[0]}"
address=1
for n in "${namespaces[@]}"; do
  ip netns add "$n"
  ip link set "$n-i" netns "$n"
  ip -n "$n" addr add "10.77.0.$((address++))/24" dev "$n-i"
  ip -n "$n" link set "$n-i" up; ip -n "$n" link set lo up
done
began=$SECONDS
serves bad 10.77.0.1:4222 ip netns exec pfs & server=$!
declare -A pid
for c in "${clients[@]}"; do joins "$c" bad ip netns exec "pf$c" & pid[$c]=$!; done
round bad 1
kill -9 "${pid[c0]}"; echo "  $((SECONDS - began)) s: client c0 is killed in round 2"
sleep 1; joins c0 bad ip netns exec pfc0 & pid[c0]=$!
round bad 2
ip -n pfc1 link set pfc1-i down; echo "  $((SECONDS - began)) s: client c1 is cut off in round 3"
sleep 20; ip -n pfc1 link set pfc1-i up
round bad 3
kill -9 "$server"; echo "  $((SECONDS - began)) s: the server is killed in round 4"
sleep 2; MORE=--resume serves bad 10.77.0.1:4222 ip netns exec pfs & server=$!
round bad 5
ip netns exec pfs ss -K dst 10.77.0.0/24 >/dev/null 2>&1 || true; echo "  $((SECONDS - began)) s: all connections are broken in round 6"
wait "$server"; wait "${pid[@]}"
echo "  $((SECONDS - began)) s"
grep "^round\|killed\|lost\|refused" bad.log || true

cmp good/model.onnx bad/model.onnx && echo "the models are equal"
