package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"key-value/test/hostile"
)

// patience is how long a response may take.
const patience = 10 * time.Second

// conn sends HTTP/1.1 requests one after the other. It does as little as possible with the responses, because it shares
// the machine with the server.
type conn struct {
	net.Conn
	reader *bufio.Reader
}

func dial(addr string) (*conn, error) {
	tcp, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &conn{tcp, bufio.NewReaderSize(tcp, 64<<10)}, nil
}

// do sends a request and returns the status of the response.
func (c *conn) do(request []byte) (int, error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("no status: %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	return status, c.skip()
}

// skip reads the rest of a response.
func (c *conn) skip() error {
	length := -1
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("a response without a length")
	}
	_, err := io.CopyN(io.Discard, c.reader, int64(length))
	return err
}

// fill writes the entries that the requests list.
func fill(addr string, valueBytes int) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var operations []string
	for i := range 1000 {
		operations = append(operations, fmt.Sprintf(`{"set":{"key":"overload/%04d","value":"%0*d"}}`, i, valueBytes, i))
	}
	status, err := c.do(hostile.Request("POST", "/v1/values:batch", `{"operations":[`+strings.Join(operations, ",")+`]}`))
	if err == nil && status != 200 {
		err = fmt.Errorf("fill the store: status %d", status)
	}
	return err
}
