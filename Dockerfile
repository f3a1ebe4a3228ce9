# A static binary in an empty image. tools/release builds the same image for a release, without a container engine.
#
# The compiler runs on the builder's own architecture and builds for that of --platform, so nothing is emulated. Without BuildKit,
# as in the docker.io package of Debian, which sets neither variable, that is the builder's own too.
FROM --platform=${BUILDPLATFORM:-linux} golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG TARGETARCH
RUN CGO_ENABLED=0 GOARCH=$TARGETARCH go build -trimpath -tags grpcnotrace -ldflags="-s -w -X main.version=$VERSION" -o /kv ./cmd/kv && mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kv /kv
# For --data-dir: a volume that is mounted there gets its owner.
COPY --from=build --chown=65532:65532 /data /data
# A number, because the image has no /etc/passwd, and because Kubernetes can check runAsNonRoot only for a number.
USER 65532:65532
EXPOSE 8888 50051
# At another port, or with TLS, set KV_URL.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["/kv", "healthcheck", "--local"]
ENTRYPOINT ["/kv"]
CMD ["--help"]
