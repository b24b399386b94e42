#!/usr/bin/env bash
# Starts the split system on this machine, without containers: a gateway and six services, each
# a process of the same executable, with HTTP between them.
#
#     infra/dev/split.sh [--port 8080] [--data-dir data] [-- COMMAND...]
#
# The gateway listens on the port and the services on those after it, all on loopback. The data
# are those of `cargo run`: files in the data directory, or wherever the environment says
# (ERP__SQL__CONNECTION_STRINGS__ORDERS_DB); each service opens its own alone. Logs go to `split`
# in that directory. Ctrl-C stops everything; so does the end of COMMAND, whose status is then
# the script's. ERP names the executable, if it is not to be built.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
port=8080
data=data

fail() {
    echo "split: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --port) port=${2:?--port needs a number} && shift 2 ;;
        --data-dir) data=${2:?--data-dir needs a directory} && shift 2 ;;
        --) shift && break ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
done

erp=${ERP:-}
if [ -z "$erp" ]; then
    cargo build --manifest-path "$root/Cargo.toml"
    erp=${CARGO_TARGET_DIR:-$root/target}/debug/erp
fi
mkdir -p "$data/split"

# In the order in which they start: the gateway is the last, and stops first.
names=(auth billing inventory orders purchasing sales gateway)
last=$((${#names[@]} - 1))
pids=()

api() { echo "127.0.0.1:$((port + ($1 + 1) % ${#names[@]}))"; }

internal() { [ "$1" = "$last" ] || echo "127.0.0.1:$((port + 11 + $1))"; }

mounted() { [ "$1" = "$last" ] && echo '[]' || echo "[\"${names[$1]}\"]"; }

upper() { echo "$1" | tr '[:lower:]' '[:upper:]'; }

for ((i = 0; i < last; i++)); do
    remote=ERP__REMOTE__$(upper "${names[$i]}")
    export "${remote}__URL=http://$(api "$i")" "${remote}__INTERNAL_URL=http://$(internal "$i")"
done
# Each signs its calls with a key of its own and knows the others'.
"$erp" service-keys --dir "$data/split/keys" > /dev/null
key() { sed -n 's/^key = "\(.*\)"/\1/p' "$data/split/keys/$1.toml"; }
for name in "${names[@]}"; do
    known_by=$(sed -n "s/^$name = \"\(.*\)\"/\1/p" "$data/split/keys/gateway.toml")
    export "ERP__INTERNAL__CALLERS__$(upper "$name")=$known_by"
done

stop() {
    trap - EXIT INT TERM
    # The gateway lets running requests finish, for which the services must still be there.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[$i]}" 2> /dev/null || true
        [ "$i" != "$last" ] || wait "${pids[$i]}" || true
    done
    wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Fails if one of the processes has ended.
check() {
    local i
    for i in "${!pids[@]}"; do
        kill -0 "${pids[$i]}" 2> /dev/null || give_up "$i" "has ended"
    done
}

give_up() {
    tail -n 5 "$data/split/${names[$1]}.log" >&2
    fail "${names[$1]} $2; its log is $data/split/${names[$1]}.log"
}

for i in "${!names[@]}"; do
    # In a process group of its own, or Ctrl-C would reach all at once.
    set -m
    # The services believe what the gateway says of its callers' addresses, and count nothing
    # again that it has counted.
    gateways=$([ "$i" = "$last" ] && echo '[]' || echo '["127.0.0.1"]')
    ERP__MODULES=$(mounted "$i") ERP__INTERNAL__BIND=$(internal "$i") \
        ERP__INTERNAL__KEY=$(key "${names[$i]}") \
        ERP__RATE_LIMIT__TRUSTED_PROXIES=$gateways ERP__RATE_LIMIT__GATEWAYS=$gateways \
        "$erp" serve --bind "$(api "$i")" --data-dir "$data" \
        > "$data/split/${names[$i]}.log" 2>&1 < /dev/null &
    pids[i]=$!
    set +m
done
for i in "${!names[@]}"; do
    deadline=$((SECONDS + 60))
    until "$erp" health --bind "$(api "$i")" > /dev/null 2>&1; do
        check
        [ "$SECONDS" -lt "$deadline" ] || give_up "$i" "is not ready"
        sleep 0.1
    done
done
# Who could not listen has ended by now, and somebody else has answered for it.
check

url=http://$(api "$last")
password=$(sed -n 's/^erp is running.*, password /, password /p' "$data/split/auth.log")
echo "erp is running at $url, docs at $url/docs - sign in as admin$password"
echo "a gateway and $last services; their logs are in $data/split"

if [ $# -gt 0 ]; then
    "$@"
else
    while sleep 1; do check; done
fi
