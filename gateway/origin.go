package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"

	"key-value/internal/auth"
	"key-value/internal/observe/requestid"
)

const (
	// preflightAge is how long a browser may cache the answer to a preflight request.
	preflightAge = 2 * time.Hour
	// refusalsPerMinute bounds the log lines about refused preflight requests, which need no key.
	refusalsPerMinute = 30
)

// pageMethods and pageHeaders are what pages of other origins may use and send.
var (
	pageMethods = append(connectcors.AllowedMethods(), http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete)
	pageHeaders = append(connectcors.AllowedHeaders(),
		auth.Header, "Authorization", "Accept", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Prefer", requestid.Header,
		"Last-Event-ID", "Cache-Control", // from replacements of EventSource
		"Traceparent", "Tracestate", "Baggage", "Sentry-Trace") // from libraries that trace requests
)

// allowOrigins lets pages of other origins call, over REST and RPC. A preflight request carries no key, so it is answered
// before the checks.
func allowOrigins(origins []string, log *slog.Logger, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	rules := cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: pageMethods,
		AllowedHeaders: pageHeaders,
		ExposedHeaders: slices.Concat(connectcors.ExposedHeaders(),
			[]string{"ETag", "KV-Revision", "Link", "Location", "Preference-Applied", "Retry-After", requestid.Header}),
		MaxAge: int(preflightAge / time.Second),
	})
	handler, refused := rules.Handler(next), newRefusals(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPreflight(r) {
			handler.ServeHTTP(w, r)
			return
		}
		asked := askedHeaders(r)
		r.Header["Access-Control-Request-Headers"] = []string{strings.Join(asked, ",")} // rs/cors demands the order of browsers
		handler.ServeHTTP(w, r)
		if w.Header().Get("Access-Control-Allow-Origin") == "" {
			refused.add(r, rules.OriginAllowed(r), asked)
		}
	})
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// askedHeaders returns the names of the headers that a preflight request asks for, in lower case and sorted.
func askedHeaders(r *http.Request) []string {
	names := strings.Split(strings.ToLower(strings.Join(r.Header["Access-Control-Request-Headers"], ",")), ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// refusals logs refused preflight requests. A browser tells its page no more than that the request failed.
type refusals struct {
	log    *slog.Logger
	recent chan struct{} // has an element for each line of the last minute
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log, make(chan struct{}, refusalsPerMinute)}
}

// add logs why r was refused, unless the log already has enough such lines.
func (l *refusals) add(r *http.Request, originAllowed bool, asked []string) {
	select {
	case l.recent <- struct{}{}:
		time.AfterFunc(time.Minute, func() { <-l.recent })
	default:
		return
	}
	why, method := "", r.Header.Get("Access-Control-Request-Method")
	switch {
	case !originAllowed:
		why = "origin not in --cors-origins"
	case !slices.Contains(pageMethods, method):
		why = "method not allowed"
	default:
		why = "header not allowed: " + strings.Join(refusedHeaders(asked), ", ")
	}
	l.log.InfoContext(r.Context(), "preflight refused", "why", fmt.Sprintf("%.300s", why),
		"origin", fmt.Sprintf("%.100s", r.Header.Get("Origin")), "method", fmt.Sprintf("%.20s", method))
}

func refusedHeaders(asked []string) []string {
	return slices.DeleteFunc(asked, func(name string) bool {
		return slices.ContainsFunc(pageHeaders, func(allowed string) bool { return strings.EqualFold(name, allowed) })
	})
}
