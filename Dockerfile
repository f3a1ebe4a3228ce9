# A static binary in an empty image. It uses no BuildKit syntax, so that the docker.io package of Debian can build it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /kv ./cmd/kv && mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kv /kv
# For --data-dir: a volume that is mounted there gets its owner.
COPY --from=build --chown=65532:65532 /data /data
# A number, because the image has no /etc/passwd, and because Kubernetes can check runAsNonRoot only for a number.
USER 65532:65532
EXPOSE 8888 50051
ENTRYPOINT ["/kv"]
CMD ["--help"]
