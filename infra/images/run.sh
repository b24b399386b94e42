#!/usr/bin/env bash
# Starts the split system from images that build.sh has made, and tries it, without Docker:
#
#     infra/images/run.sh [MODULE...]                        all modules, if none is named
#
# The containers have a network and names of their own, read-only root file systems and no
# capabilities, as in infra/dev/split.yaml. With all modules the trial is `erp demo`; with auth
# and inventory, which is the least, a few requests. Everything is taken away at the end. Ends with
# 3 where PostgreSQL and Redis cannot be run beside them.
set -euo pipefail
cd "$(dirname "$0")/../.."

all=(auth billing inventory orders purchasing sales)
modules=("$@")
[ $# -gt 0 ] || modules=("${all[@]}")
name=erp-images-$$
url=http://127.0.0.1:${PORT:-8080}
servers=localhost/erp-servers
limits=(--ulimit "nofile=$(ulimit -n):$(ulimit -n)" --ulimit nproc=4096:4096)
erp=(--env-file infra/dev/split.env --read-only --cap-drop all --security-opt no-new-privileges)

container() {
    local alias=$1
    shift
    # podman leaves health checks to systemd, which need not be here: see await.
    podman --runtime runc run --name "$name-$alias" --network "$name:alias=$alias" \
        "${limits[@]}" --no-healthcheck "$@"
}

stop() {
    trap - EXIT
    podman rm --force --ignore --time 15 --volumes \
        "$name-gateway" "${modules[@]/#/$name-}" "$name-once" "$name-redis" "$name-postgres" > /dev/null
    podman volume rm --force "$name-auth" "$name-keys" > /dev/null
    podman network rm --force "$name" > /dev/null
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Until the command succeeds in the container; ends with this status if it does not.
await() {
    local status=$1 alias=$2 deadline=$((SECONDS + 60))
    shift 2
    until podman --runtime runc exec "$name-$alias" "$@" > /dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ] ||
            [ "$(podman inspect --format '{{.State.Running}}' "$name-$alias")" != true ]; then
            podman logs --tail 5 "$name-$alias" >&2
            echo "images: $alias is not ready" >&2
            exit "$status"
        fi
        sleep 0.1
    done
}

connection_string() { echo "Sql__ConnectionStrings__${1^}Db=postgres://$1:$1@postgres/erp"; }

if ! podman image exists "$servers"; then
    echo "-- $servers"
    printf '%s\n' "FROM localhost/erp-builder:$(rustc --version | cut -d ' ' -f 2)" \
        'RUN mkdir /etc/postgresql-common && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf' \
        'RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql redis-server' |
        podman build --quiet --isolation chroot --tag "$servers" - > /dev/null || exit 3
fi

podman network create "$name" > /dev/null || exit 3
container redis --detach --user redis "$servers" redis-server --save '' --protected-mode no > /dev/null || exit 3
# shellcheck disable=SC2016 # the container's shell expands it
container postgres --detach --user postgres --workdir /tmp "$servers" sh -c '
    export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
    echo postgres | initdb --pgdata=data --username=postgres --auth=scram-sha-256 --pwfile=/dev/stdin
    echo "host all all all scram-sha-256" >> data/pg_hba.conf
    exec postgres -D data -c listen_addresses="*" -c unix_socket_directories=/tmp' > /dev/null || exit 3
await 3 postgres pg_isready --host=127.0.0.1
await 3 redis redis-cli ping

for module in "${modules[@]}"; do
    container once --rm "${erp[@]}" --env "$(connection_string "$module")" \
        --env ERP__SQL__ADMIN=postgres://postgres:postgres@postgres/postgres \
        "localhost/erp-$module" migrate --create
done

# The keys by which the services know each other; each sees its own file alone.
container once --rm "${erp[@]}" --volume "$name-keys:/keys" localhost/erp-gateway service-keys --dir /keys > /dev/null
keys=$(podman volume inspect --format '{{.Mountpoint}}' "$name-keys")

# Starts a service and prints how it is: it is ready when the image's own health check says so.
start() {
    local alias=$1 began check
    shift
    began=$(date +%s%N)
    container "$alias" --detach "${erp[@]}" "$@" --volume "$keys/$alias.toml:/keys/$alias.toml:ro" \
        "localhost/erp-$alias" serve --config "/keys/$alias.toml" > /dev/null
    read -ra check <<< "$(podman image inspect --format '{{join .HealthCheck.Test " "}}' "localhost/erp-$alias")"
    await 1 "$alias" "${check[@]:1}"
    printf '%-11s ready after %4d ms\n' "$alias" $((($(date +%s%N) - began) / 1000000))
}

for module in "${modules[@]}"; do
    data=()
    [ "$module" != auth ] || data=(--volume "$name-auth:/data")
    start "$module" --env "$(connection_string "$module")" "${data[@]}"
done
start gateway --publish "${url#http://}:8080" --env 'ERP__RATE_LIMIT__TRUSTED_PROXIES=[]' \
    --env 'ERP__RATE_LIMIT__GATEWAYS=[]'

for module in "${modules[@]}" gateway; do
    pid=$(podman inspect --format '{{.State.Pid}}' "$name-$module")
    printf '%-11s %s resident\n' "$module" "$(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$pid/status")"
done

if [ ${#modules[@]} -eq ${#all[@]} ]; then
    container once --rm "${erp[@]}" --volume "$name-auth:/data:ro" localhost/erp-gateway \
        demo --url http://gateway:8080
else
    password=$(cat "$(podman volume inspect --format '{{.Mountpoint}}' "$name-auth")/admin-password")
    # A name of theirs may not be known for a moment.
    patience=(--retry 30 --retry-delay 1)
    token=$(curl --fail-with-body -sS "${patience[@]}" "$url/api/v1/auth/token" -d username=admin --data-urlencode "password=$password" |
        sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    # What a path answers with: the status, and the body for who looks at a failure.
    try() {
        local expected=$1 path=$2 status
        shift 2
        [ "$expected" = 503 ] || set -- "${patience[@]}" "$@"
        status=$(curl -sS --output "$answer" --write-out '%{http_code}' "$url$path" -H "Authorization: Bearer $token" "$@")
        if [ "$status" != "$expected" ]; then
            echo "images: $path answered $status: $(cat "$answer")" >&2
            exit 1
        fi
        echo "$path: $status"
    }
    answer=$(mktemp)
    try 201 /api/v1/inventory/products -H 'Content-Type: application/json' \
        -d '{"sku":"CHAIR-OAK","name":"Oak chair","unit":"pcs","tax_class":"standard"}'
    try 200 '/api/v1/inventory/products?sku=CHAIR-OAK'
    grep --quiet '"sku":"CHAIR-OAK"' "$answer"
    try 200 /api/v1/auth/invariants
    try 200 /api/v1/inventory/invariants
    try 503 /api/v1/orders/orders
    try 200 /docs/
    rm "$answer"
fi
