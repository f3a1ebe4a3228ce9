# One static binary in an empty image. No BuildKit syntax, so that Debian's engine builds it too.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /kv ./cmd/kv

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /kv /kv
# A number, not a name: there is no /etc/passwd here, and a number is what runAsNonRoot can check.
USER 65532:65532
EXPOSE 8888 50051
ENTRYPOINT ["/kv"]
CMD ["--help"]
