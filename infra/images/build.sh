#!/usr/bin/env bash
# Builds images as the Dockerfile says, without Docker and without any image to begin from:
#
#     infra/images/build.sh [gateway | all | MODULE]...        the gateway and all modules, if none
#
# Needs root and Debian's packages podman, runc and debootstrap. The builder is a Debian made by
# debootstrap with this machine's Rust; crates come from this machine's registry cache. The
# images are podman's, by the names `erp-gateway`, `erp-orders` and so on. JOBS limits cargo's;
# PROFILE=dev builds in a quarter of the time what is too large and too slow to ship. Ends with 3
# where no builder can be made or no container be run.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- gateway auth billing inventory orders purchasing sales
sysroot=$(rustc --print sysroot)
builder=localhost/erp-builder:$(rustc --version | cut -d ' ' -f 2)
version=$(cargo metadata --locked --no-deps --format-version 1 |
    sed 's/.*"name":"erp","version":"\([^"]*\)".*/\1/')
commit=$(git rev-parse HEAD)
git diff --quiet HEAD || commit+=-dirty

log=$(mktemp)
root=
trap 'rm -rf "$log" "$root"' EXIT

if ! podman image exists "$builder"; then
    echo "-- $builder"
    root=$(mktemp -d)
    debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$root" \
        > "$log" || { tail -n 20 "$log" >&2; exit 3; }
    # The layout of Rust's own archives, without what builds nothing here.
    mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/rustlib"
    cp -L "$sysroot/bin/"{cargo,rustc} "$root/usr/local/bin/"
    cp -L "$sysroot/lib/"*.so* "$root/usr/local/lib/"
    cp -rL "$sysroot/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')" "$root/usr/local/lib/rustlib/"
    tar --directory "$root" --create . | podman import --quiet - "$builder"
    rm -rf "$root"
    root=
fi

podman --runtime runc run --rm --ulimit "nofile=$(ulimit -n):$(ulimit -n)" --ulimit nproc=4096:4096 \
    "$builder" true || exit 3
cargo fetch --locked --quiet
too_large=()
for features in "$@"; do
    echo "-- erp-$features"
    # The format is Docker's because the other one has no health check. Labels are given once
    # more because podman 4 would take a build's from the cached layer of another.
    podman build --quiet --format docker --isolation chroot --layers \
        --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/cargo/registry" \
        --build-arg BUILDER="$builder" --build-arg FEATURES="$features" \
        --build-arg VERSION="$version" --build-arg COMMIT="$commit" \
        --build-arg CARGO_NET_OFFLINE=true --build-arg JOBS="${JOBS:-default}" \
        --build-arg PROFILE="${PROFILE:-image}" \
        --label org.opencontainers.image.title="erp ($features)" \
        --label org.opencontainers.image.version="$version" \
        --label org.opencontainers.image.revision="$commit" \
        --tag "localhost/erp-$features" . > "$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }
    mounted=$(podman image mount "localhost/erp-$features")
    infra/images/contents.sh "$features" "$mounted/erp"
    find "$mounted" -type f -printf '   %9s /%P\n'
    size=$(du --summarize --bytes "$mounted" | cut -f 1)
    podman image unmount "localhost/erp-$features" > /dev/null
    echo "   $size bytes in all"
    [ "${PROFILE:-image}" != image ] || [ "$size" -lt 25000000 ] || too_large+=("erp-$features")
done
if [ ${#too_large[@]} -gt 0 ]; then
    echo "images: more than 25 MB: ${too_large[*]}" >&2
    exit 1
fi
