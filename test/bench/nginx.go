package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
	"key-value/test/selfsigned"
)

// overTLS is the end of the names of servers that speak TLS.
const overTLS = ", TLS"

// nginxConfig answers every request with the same bytes, and keeps connections open.
const nginxConfig = `daemon off;
worker_processes 2;
pid DIR/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path DIR/nginx-body;
  proxy_temp_path DIR/nginx-proxy;
  fastcgi_temp_path DIR/nginx-fastcgi;
  uwsgi_temp_path DIR/nginx-uwsgi;
  scgi_temp_path DIR/nginx-scgi;
  server {
    listen ADDR;
    default_type application/json;
    location / {
      HEADERS
      return 200 'BODY';
    }
  }
}
`

// startNginx starts nginx with the response of our store in one process to a get, headers included.
func (s *servers) startNginx(ctx context.Context, secure bool) (*proc.Process, error) {
	if err := load.Installed("nginx"); err != nil {
		return nil, err
	}
	url, err := s.url(ctx, oneProcess)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	header, body, err := c.exchange(ours.get(dataset.Key(read)))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "nginx")
	if err != nil {
		return nil, err
	}
	listen := "ADDR"
	if secure {
		cert, key, err := selfsigned.Write(dir)
		if err != nil {
			return nil, err
		}
		listen = fmt.Sprintf("ADDR ssl;\n    ssl_protocols TLSv1.3;\n    ssl_certificate %s;\n    ssl_certificate_key %s", cert, key)
	}
	return s.group.ServeAt(ctx, func(addr string) (proc.Command, error) {
		file := filepath.Join(dir, "nginx.conf")
		config := strings.NewReplacer("listen ADDR", "listen "+strings.ReplaceAll(listen, "ADDR", addr),
			"DIR", dir, "HEADERS", addHeaders(header), "BODY", body).Replace(nginxConfig)
		return proc.Command{Path: "nginx", Args: []string{"-e", "stderr", "-p", dir, "-c", file}}, os.WriteFile(file, []byte(config), 0o600)
	})
}

// addHeaders returns the directives for the headers that nginx does not send by itself.
func addHeaders(header http.Header) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch name {
		case "Content-Type", "Content-Length", "Date", "Connection":
		default:
			all = append(all, fmt.Sprintf("add_header %s '%s';", name, header.Get(name)))
		}
	}
	return strings.Join(all, "\n      ")
}
