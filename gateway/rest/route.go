package rest

import (
	"context"
	"net/http"
	"strings"

	"key-value/internal/admission"
	"key-value/internal/contract"
)

// keyPrefix is the path of a key's own route up to the key. The rest of the path is the key.
const keyPrefix = "/v1/values/"

// Route is a method of a path.
type Route struct {
	Method string
	Path   string // "{key}" stands for a key, which may contain slashes
}

// Public reports whether the route is served to callers without an API key.
func (r Route) Public() bool { return public(r.Path) }

// public reports whether a path is outside /v1, and so needs no API key.
func public(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1")
	return !ok || rest != "" && rest[0] != '/'
}

// route is a path and its methods.
type route struct {
	path     string // the escaped path; keyPrefix matches every path that begins with it
	template string // as in Route.Path
	methods  []method
	allow    []string // the Allow header
}

type method struct {
	name  string
	serve func(*api, http.ResponseWriter, request) error
	query []string // the query parameters it accepts

	procedure string // the procedure that it counts as in the checks; empty: none
	tickets   bool   // whether it admits callers with a ticket in place of an API key
}

func routeTable() []route {
	listParameters := []string{"prefix", "start", "end", "reverse", "delimiter", "pageSize", "pageToken", "view"}
	routes := []route{
		{path: keyPrefix, methods: []method{
			{name: http.MethodGet, serve: (*api).getValue, procedure: contract.Get.Procedure},
			{name: http.MethodHead, serve: (*api).getValue, procedure: contract.Get.Procedure},
			{name: http.MethodPut, serve: (*api).putValue, procedure: contract.Set.Procedure, query: []string{"ttl"}},
			{name: http.MethodPatch, serve: (*api).patchValue, procedure: contract.Touch.Procedure},
			{name: http.MethodDelete, serve: (*api).deleteValue, procedure: contract.Delete.Procedure},
		}},
		{path: "/v1/values", methods: []method{
			{name: http.MethodGet, serve: (*api).listValues, procedure: contract.List.Procedure, query: listParameters},
			{name: http.MethodHead, serve: (*api).listValues, procedure: contract.List.Procedure, query: listParameters},
			{name: http.MethodPut, serve: (*api).putEntry, procedure: contract.Set.Procedure, query: []string{"ttl"}},
			{
				name: http.MethodDelete, serve: (*api).deleteValues, procedure: contract.DeleteRange.Procedure,
				query: []string{"prefix", "start", "end", "all", "dryRun", "pageToken"},
			},
		}},
		{path: "/v1/values:batch", methods: []method{
			{name: http.MethodPost, serve: (*api).batch, procedure: contract.Batch.Procedure},
		}},
		{path: "/v1/values:increment", methods: []method{
			{name: http.MethodPost, serve: (*api).increment, procedure: contract.Increment.Procedure},
		}},
		{path: "/v1/values:watch", methods: []method{
			{
				name: http.MethodGet, serve: (*api).watchValues, procedure: contract.Watch.Procedure, tickets: true,
				query: []string{"key", "prefix", "resumeToken", "snapshot", "lastEventId", ticketParameter},
			},
		}},
		{path: "/v1/tickets", methods: []method{
			{name: http.MethodPost, serve: (*api).createTicket, procedure: contract.CreateTicket.Procedure},
		}},
		{path: "/v1/stats", methods: []method{
			{name: http.MethodGet, serve: (*api).getStats, procedure: contract.GetStats.Procedure, query: []string{"history"}},
			{name: http.MethodHead, serve: (*api).getStats, procedure: contract.GetStats.Procedure, query: []string{"history"}},
		}},
		{path: "/v1/stats/keys", methods: []method{
			{name: http.MethodGet, serve: (*api).getKeyStats, procedure: contract.GetKeyStats.Procedure, query: []string{"limit", "delimiter"}},
			{name: http.MethodHead, serve: (*api).getKeyStats, procedure: contract.GetKeyStats.Procedure, query: []string{"limit", "delimiter"}},
		}},
		{path: "/v1/caller", methods: []method{
			{name: http.MethodGet, serve: (*api).getCaller, procedure: contract.GetCaller.Procedure},
			{name: http.MethodHead, serve: (*api).getCaller, procedure: contract.GetCaller.Procedure},
		}},
		{path: "/openapi.json", methods: []method{
			{name: http.MethodGet, serve: (*api).getOpenAPI},
			{name: http.MethodHead, serve: (*api).getOpenAPI},
		}},
	}
	for i := range routes {
		if routes[i].template = routes[i].path; routes[i].path == keyPrefix {
			routes[i].template += "{key}"
		}
		routes[i].allow = []string{routes[i].allowed()}
	}
	return routes
}

// Routes returns every route with each of its methods, except OPTIONS, which all routes have.
func Routes() []Route {
	var all []Route
	for _, route := range routeTable() {
		for _, m := range route.methods {
			all = append(all, Route{Method: m.name, Path: route.template})
		}
	}
	return all
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &serving{}
	s.id.Accept(r.Context(), r.Header, w.Header())
	if a.observer != nil {
		a.serveObserved(s, w, r)
		return
	}
	_, _ = a.serve(&s.id, s, w, r) // the response reports the error
}

// serve writes the response to r. It returns the route, or nil if no route matches, and the error that the response
// reports.
func (a *api) serve(ctx context.Context, s *serving, w http.ResponseWriter, r *http.Request) (*route, error) {
	route, err := a.dispatch(ctx, s, w, r)
	if err != nil {
		WriteError(w, r, err)
	}
	return route, err
}

func (a *api) dispatch(ctx context.Context, s *serving, w http.ResponseWriter, r *http.Request) (*route, error) {
	route, key, err := a.find(r.URL.EscapedPath())
	m, ok := route.method(r.Method)
	ctx, account, rejected := a.admit(ctx, s, w, r, m)
	defer account.End()
	switch {
	case rejected != nil:
		return route, rejected
	case err != nil:
		return route, err
	case r.Method == http.MethodOptions:
		return route, options(w, route)
	case !ok:
		return route, route.wrongMethod(w, r)
	}
	query, err := parseQuery(r.URL.RawQuery, m.query)
	if err != nil {
		return route, err
	}
	return route, m.serve(a, w, request{
		Request: r, Body: account.Body(r.Body, r.ContentLength, int64(a.maxBody)), account: account, ctx: ctx, key: key, query: query,
		serving: s,
	})
}

// admit makes the checks, unless r is public. It makes them even if no route matches, so that callers without an API key
// do not learn which routes exist.
func (a *api) admit(
	ctx context.Context, s *serving, w http.ResponseWriter, r *http.Request, m *method,
) (context.Context, *admission.Account, error) {
	if public(r.URL.Path) {
		return ctx, nil, nil
	}
	asked := admission.Request{Procedure: m.procedure, Header: r.Header, Peer: r.RemoteAddr, Account: &s.account}
	if m.tickets {
		asked.Ticket = ticketOf(w, r)
	}
	return a.checks.Admit(ctx, asked)
}

// find returns the route of an escaped path, and the key in the path if the route has one.
func (a *api) find(path string) (*route, string, error) {
	key, err := "", error(nil)
	if escaped, ok := strings.CutPrefix(path, keyPrefix); ok {
		path = keyPrefix
		key, err = decodeKey(escaped)
	}
	for i := range a.routes {
		if a.routes[i].path == path {
			return &a.routes[i], key, err
		}
	}
	return nil, "", routeNotFound.Errorf("no route for %q", path)
}

// noMethod is a method that a route lacks.
var noMethod method

// method returns the method called name. A nil route has no methods.
func (r *route) method(name string) (m *method, ok bool) {
	if r == nil {
		return &noMethod, false
	}
	for i := range r.methods {
		if r.methods[i].name == name {
			return &r.methods[i], true
		}
	}
	return &noMethod, false
}

func (r *route) allowed() string {
	names := make([]string, 0, len(r.methods)+1)
	for _, m := range r.methods {
		names = append(names, m.name)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// wrongMethod returns the error for a method that the route lacks, and sets the Allow header.
func (r *route) wrongMethod(w http.ResponseWriter, req *http.Request) error {
	w.Header()["Allow"] = r.allow
	return methodNotAllowed.Errorf("method %q is not allowed: use %s", req.Method, r.allow[0])
}

// options serves OPTIONS.
func options(w http.ResponseWriter, route *route) error {
	setCommonHeaders(w.Header())
	w.Header()["Allow"] = route.allow
	if _, ok := route.method(http.MethodPatch); ok {
		w.Header()["Accept-Patch"] = acceptPatch
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
