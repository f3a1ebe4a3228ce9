package rest

import (
	"context"
	"net/http"
	"strings"

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
	work  work
}

// work is how much there is to do for a request.
type work uint8

const (
	unbounded work = iota // nothing, or nothing that ends: it is not counted as a call
	small
	large
)

func routeTable() []route {
	listParameters := []string{"prefix", "pageSize", "pageToken", "view"}
	routes := []route{
		{path: keyPrefix, methods: []method{
			{name: http.MethodGet, serve: (*api).getValue, work: small},
			{name: http.MethodHead, serve: (*api).getValue, work: small},
			{name: http.MethodPut, serve: (*api).putValue, work: small, query: []string{"ttl"}},
			{name: http.MethodPatch, serve: (*api).patchValue, work: small},
			{name: http.MethodDelete, serve: (*api).deleteValue, work: small},
		}},
		{path: "/v1/values", methods: []method{
			{name: http.MethodGet, serve: (*api).listValues, work: large, query: listParameters},
			{name: http.MethodHead, serve: (*api).listValues, work: large, query: listParameters},
			{name: http.MethodPut, serve: (*api).putEntry, work: small},
		}},
		{path: "/v1/values:batch", methods: []method{
			{name: http.MethodPost, serve: (*api).batch, work: large},
		}},
		{path: "/v1/values:increment", methods: []method{
			{name: http.MethodPost, serve: (*api).increment, work: small},
		}},
		{path: "/v1/values:watch", methods: []method{
			{name: http.MethodGet, serve: (*api).watchValues, query: []string{"key", "prefix", "resumeToken", "snapshot"}},
		}},
		{path: "/v1/stats", methods: []method{
			{name: http.MethodGet, serve: (*api).getStats},
			{name: http.MethodHead, serve: (*api).getStats},
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
	a.serve(ctx, w, r)
}

// serve answers r and returns its route, nil if it has none.
func (a *api) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) *route {
	route, err := a.dispatch(ctx, w, r)
	if err != nil {
		WriteError(w, r, err)
	}
	return route
}

func (a *api) dispatch(ctx context.Context, w http.ResponseWriter, r *http.Request) (*route, error) {
	if !public(r.URL.Path) {
		var err error
		if ctx, err = a.letIn(ctx, r); err != nil {
			return nil, err
		}
	}
	route, key, err := a.find(r.URL.EscapedPath())
	if err != nil {
		return route, err
	}
	if r.Method == http.MethodOptions {
		return route, options(w, route)
	}
	m, ok := route.method(r.Method)
	if !ok {
		return route, route.refuse(w, r)
	}
	if m.work != unbounded && a.limiter.Full(m.work == large) {
		writeOverloaded(w, r)
		return route, nil
	}
	query, err := parseQuery(r.URL.RawQuery, m.query)
	if err != nil {
		return route, err
	}
	return route, m.serve(a, w, request{Request: r, ctx: ctx, key: key, query: query})
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
	return nil, "", routeNotFound.Errorf("there is nothing at %s", path)
}

func (r *route) method(name string) (method, bool) {
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
	return methodNotAllowed.Errorf("%q is not one of %s", req.Method, r.allow[0])
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
