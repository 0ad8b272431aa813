# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin pointsman && cp target/release/pointsman /pointsman

FROM debian:bookworm-slim
# git: `pointsman agent` makes its checkouts with it.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /data pointsman
COPY --from=build /pointsman /usr/local/bin/pointsman
# Numbers, so that Kubernetes can see that it is not root.
USER 10001:10001
# SQLite, the default, keeps its file in the working folder.
WORKDIR /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["pointsman", "health"]
CMD ["pointsman", "serve"]
