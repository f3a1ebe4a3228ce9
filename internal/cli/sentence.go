package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// sentence returns the message of err with sentences in place of what Go's packages say.
func sentence(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return strings.ReplaceAll(text, e.Error(), networkSentence(e))
	}
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		return strings.ReplaceAll(text, e.Error(), numberSentence(e))
	}
	for words, plain := range map[string]string{
		http.ErrSchemeMismatch.Error(): "the server does not use TLS: use http://",
		"call canceled":                "interrupted",
		errNotHTTP:                     "the server does not speak HTTP",
		"http2: client conn could not be established": "the server closed the connection without an answer",
	} {
		text = strings.ReplaceAll(text, words, plain)
	}
	return text
}

// networkSentence describes an error of a connection or listener. What it does not know it leaves in Go's words.
func networkSentence(e *net.OpError) string {
	where := "cannot connect"
	switch {
	case e.Op == "listen":
		where = "cannot listen"
	case e.Op != "dial":
		return e.Error()
	}
	if e.Addr != nil {
		where += map[string]string{"listen": " on ", "dial": " to "}[e.Op] + e.Addr.String()
	}
	return where + ": " + networkCause(e)
}

func networkCause(e *net.OpError) string {
	if dns, ok := errors.AsType[*net.DNSError](e); ok && dns.IsNotFound {
		return fmt.Sprintf("there is no host %q", dns.Name)
	}
	switch {
	case errors.Is(e, syscall.EADDRINUSE):
		return "another program uses this port"
	case errors.Is(e, syscall.EADDRNOTAVAIL):
		return "this machine does not have this address"
	case errors.Is(e, syscall.EACCES):
		return "this user may not use this port"
	case errors.Is(e, syscall.ECONNREFUSED):
		return "connection refused: no server listens there"
	case e.Timeout():
		return "no answer in time"
	}
	return e.Err.Error()
}

// numberSentence describes the error of a flag or variable that is not the number or the word that it should be.
func numberSentence(e *strconv.NumError) string {
	switch {
	case errors.Is(e, strconv.ErrRange):
		return "the number is out of range"
	case e.Func == "ParseBool":
		return "want true or false"
	case e.Func == "ParseFloat":
		return "want a number"
	}
	return "want a whole number"
}

// serviceURL parses the URL of a service. Without a scheme, host:port is one at http://.
func serviceURL(text string) (*url.URL, error) {
	full := text
	if _, port, err := net.SplitHostPort(text); err == nil && port != "" && !strings.Contains(text, "://") {
		full = "http://" + text
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Errorf("invalid service URL %q: want http://host:port", text)}
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return nil, usageError{fmt.Errorf("invalid service URL %q: want a port from 1 to 65535", text)}
	}
	return u, nil
}
