# Every image of the system:
#
#     docker build --build-arg FEATURES=orders --tag erp-orders .
#
# FEATURES is a module (auth, billing, inventory, orders, purchasing, sales), `gateway`, or
# `all`. PROFILE is cargo's: `release` is faster and larger, `dev` builds in a quarter of the
# time. `infra/images/build.sh` builds the same where there is no Docker.

# Debian with the Rust of rust-toolchain.toml and a C compiler.
ARG BUILDER=docker.io/library/rust:1.95.0-slim-bookworm

# The manifests and empty sources: the next stage is built anew when a dependency changes, and
# not when the sources do.
FROM ${BUILDER} AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' \
        ! -path '*/src/lib.rs' ! -name main.rs ! -name build.rs -delete \
    && find . -type d -empty -delete \
    && find . -name lib.rs -exec truncate --size 0 {} + \
    && find . -name main.rs -o -name build.rs | while read -r file; do echo 'fn main() {}' > "$file"; done

# The dependencies of all modules, so that the images share this layer.
FROM ${BUILDER} AS dependencies
WORKDIR /src
ENV CARGO_HOME=/cargo
ARG CARGO_NET_OFFLINE=false
ARG JOBS=default
ARG PROFILE=image
# Linked to no library. With a target named, these are not for what builds at build time.
# Packed relocations are half a megabyte less.
ENV RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
    CARGO_PROFILE_DEV_DEBUG=none CARGO_INCREMENTAL=0
COPY --from=manifests /src .
RUN rustc -vV | sed -n 's/^host: //p' > /target \
    && cargo build --locked --profile "$PROFILE" --target "$(cat /target)" --jobs "$JOBS"

# The executable, and a root file system of it and what it reads.
FROM dependencies AS build
ARG CARGO_NET_OFFLINE=false
ARG JOBS=default
ARG PROFILE=image
ARG FEATURES=all
COPY openapi openapi
COPY migrations migrations
COPY modules modules
COPY build.rs build.rs
COPY src src
# Cargo compares times, and the sources may be older than the empty ones were. The mount is a
# lock: linking takes gigabytes, and Compose builds all images at once. Rust's own linker, which
# is the default on this one architecture, folds functions that are the same.
RUN --mount=type=cache,id=erp-build,target=/run/erp-build,sharing=locked \
    find build.rs src modules -name '*.rs' -exec touch {} + \
    && if [ "$FEATURES" = all ]; then set --; else set -- --no-default-features --features "$FEATURES"; fi \
    && if [ "$(uname -m)" = x86_64 ]; then fold=-Clink-arg=-Wl,--icf=all; else fold=; fi \
    && cargo rustc --locked --profile "$PROFILE" --target "$(cat /target)" --jobs "$JOBS" "$@" --bin erp -- $fold \
    && mkdir -p /image/etc/ssl/certs /data \
    && cp target/*/*/erp /image/ \
    && cp --dereference /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'erp:x:65532:65532:erp:/data:/nonexistent' > /image/etc/passwd \
    && echo 'erp:x:65532:' > /image/etc/group \
    && echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM scratch
ARG FEATURES=all
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="erp (${FEATURES})" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${COMMIT}" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /image /
# All that is written: databases of modules that have no connection string, and the first
# administrator's password. The rest may be mounted read-only.
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
# Where `erp service-keys` may write to a volume, and a service finds its file.
COPY --from=build --chown=65532:65532 /data /keys
USER 65532:65532
ENV ERP__SERVER__BIND=0.0.0.0:8080 ERP__DATA__DIR=/data ERP__TELEMETRY__FORMAT=json
# The API, and calls between services where `internal.bind` says so.
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["/erp", "health"]
ENTRYPOINT ["/erp"]
CMD ["serve"]
