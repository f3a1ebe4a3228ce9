package rest

import (
	"context"
	"net/http"
	"strings"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/observe/requestid"
)

// keyPrefix is what the path of a key's own route begins with; all the rest is the key.
const keyPrefix = "/v1/values/"

// Route is one thing that can be asked for.
type Route struct {
	Method string
	Path   string // "{key}" stands for a key, which may hold slashes
}

// Public reports whether the route is for everyone. All others are for callers with an API key.
func (r Route) Public() bool { return public(r.Path) }

// public reports whether a path is outside /v1.
func public(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1")
	return !ok || rest != "" && rest[0] != '/'
}

// route is a path and what can be done there.
type route struct {
	path     string // the escaped path; keyPrefix stands for every path that begins with it
	template string // as in Route.Path
	methods  []method
	allow    []string // the Allow header
}

type method struct {
	name  string
	serve func(*api, http.ResponseWriter, request) error
	query []string // the query parameters that it knows

	procedure string // the procedure whose calls it counts as, for the checks
}

func routeTable() []route {
	listParameters := []string{"prefix", "pageSize", "pageToken", "view"}
	routes := []route{
		{path: keyPrefix, methods: []method{
			{name: http.MethodGet, serve: (*api).getValue, procedure: keyvaluev1connect.KeyValueServiceGetProcedure},
			{name: http.MethodHead, serve: (*api).getValue, procedure: keyvaluev1connect.KeyValueServiceGetProcedure},
			{name: http.MethodPut, serve: (*api).putValue, procedure: keyvaluev1connect.KeyValueServiceSetProcedure, query: []string{"ttl"}},
			{name: http.MethodPatch, serve: (*api).patchValue, procedure: keyvaluev1connect.KeyValueServiceTouchProcedure},
			{name: http.MethodDelete, serve: (*api).deleteValue, procedure: keyvaluev1connect.KeyValueServiceDeleteProcedure},
		}},
		{path: "/v1/values", methods: []method{
			{name: http.MethodGet, serve: (*api).listValues, procedure: keyvaluev1connect.KeyValueServiceListProcedure, query: listParameters},
			{name: http.MethodHead, serve: (*api).listValues, procedure: keyvaluev1connect.KeyValueServiceListProcedure, query: listParameters},
			{name: http.MethodPut, serve: (*api).putEntry, procedure: keyvaluev1connect.KeyValueServiceSetProcedure},
		}},
		{path: "/v1/values:batch", methods: []method{
			{name: http.MethodPost, serve: (*api).batch, procedure: keyvaluev1connect.KeyValueServiceBatchProcedure},
		}},
		{path: "/v1/values:increment", methods: []method{
			{name: http.MethodPost, serve: (*api).increment, procedure: keyvaluev1connect.KeyValueServiceIncrementProcedure},
		}},
		{path: "/v1/values:watch", methods: []method{
			{name: http.MethodGet, serve: (*api).watchValues, procedure: keyvaluev1connect.KeyValueServiceWatchProcedure, query: []string{"key", "prefix", "resumeToken", "snapshot"}},
		}},
		{path: "/v1/stats", methods: []method{
			{name: http.MethodGet, serve: (*api).getStats, procedure: keyvaluev1connect.KeyValueServiceGetStatsProcedure},
			{name: http.MethodHead, serve: (*api).getStats, procedure: keyvaluev1connect.KeyValueServiceGetStatsProcedure},
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

// Routes returns every route with every method that it has, except OPTIONS, which all of them have.
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
	ctx := requestid.Accept(r.Context(), r.Header, w.Header())
	if a.observer != nil {
		a.observed(ctx, w, r)
		return
	}
	_, _ = a.serve(ctx, w, r) // the failure was answered
}

// serve answers r and returns its route, nil if it has none, and the failure that was answered, nil if there was none.
func (a *api) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) (*route, error) {
	route, err := a.dispatch(ctx, w, r)
	if err != nil {
		WriteError(w, r, err)
	}
	return route, err
}

func (a *api) dispatch(ctx context.Context, w http.ResponseWriter, r *http.Request) (*route, error) {
	route, key, err := a.find(r.URL.EscapedPath())
	m, ok := route.method(r.Method)
	ctx, refusal := a.admit(ctx, r, m.procedure)
	switch {
	case refusal != nil:
		return route, refusal
	case err != nil:
		return route, err
	case r.Method == http.MethodOptions:
		return route, options(w, route)
	case !ok:
		return route, route.refuse(w, r)
	}
	query, err := parseQuery(r.URL.RawQuery, m.query)
	if err != nil {
		return route, err
	}
	return route, m.serve(a, w, request{Request: r, ctx: ctx, key: key, query: query})
}

// admit makes the checks, unless r is public. It does so whether or not there is a route, so that callers without a key
// do not learn which there are.
func (a *api) admit(ctx context.Context, r *http.Request, procedure string) (context.Context, error) {
	if public(r.URL.Path) {
		return ctx, nil
	}
	return a.checks.Admit(ctx, admission.Request{Procedure: procedure, Header: r.Header, Peer: r.RemoteAddr})
}

// find returns the route for an escaped path, and the key in it if the route has one.
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

// method returns the method of the given name. A nil route has none.
func (r *route) method(name string) (method, bool) {
	if r == nil {
		return method{}, false
	}
	for _, m := range r.methods {
		if m.name == name {
			return m, true
		}
	}
	return method{}, false
}

func (r *route) allowed() string {
	names := make([]string, 0, len(r.methods)+1)
	for _, m := range r.methods {
		names = append(names, m.name)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// refuse returns why r's method is not answered, and says which are.
func (r *route) refuse(w http.ResponseWriter, req *http.Request) error {
	w.Header()["Allow"] = r.allow
	return methodNotAllowed.Errorf("method %q is not allowed: use %s", req.Method, r.allow[0])
}

// options answers OPTIONS.
func options(w http.ResponseWriter, route *route) error {
	setCommonHeaders(w.Header())
	w.Header()["Allow"] = route.allow
	if _, ok := route.method(http.MethodPatch); ok {
		w.Header()["Accept-Patch"] = acceptPatch
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
