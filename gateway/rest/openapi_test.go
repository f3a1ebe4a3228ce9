package rest_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"key-value/gateway/rest"
)

// probes are in the document but not served by this package.
var probes = []string{"GET /health", "GET /livez", "GET /readyz"}

// described is an operation in the document.
type described struct {
	rest.Route
	operation  map[string]any
	parameters []any // of the path and of the operation
}

func readOpenAPI(t *testing.T) document {
	t.Helper()
	e := exchange{request: "GET /openapi.json", status: 200, wants: []string{"Content-Type: application/json"}}
	got := send(t, start(t, newFake(), rest.Config{}), e)
	e.check(t, got)
	var d document
	if err := json.Unmarshal([]byte(got.text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d document) operations() (all []described) {
	for path, item := range d["paths"].(map[string]any) {
		shared, _ := item.(map[string]any)["parameters"].([]any)
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			o := operation.(map[string]any)
			own, _ := o["parameters"].([]any)
			route := rest.Route{Method: strings.ToUpper(method), Path: path}
			all = append(all, described{route, o, slices.Concat(shared, own)})
		}
	}
	return all
}

func TestEveryRouteIsDescribedAndNothingElse(t *testing.T) {
	t.Parallel()
	want := slices.Clone(probes)
	for _, route := range rest.Routes() {
		want = append(want, route.Method+" "+route.Path)
	}
	var got []string
	ids := map[any]bool{}
	for _, o := range readOpenAPI(t).operations() {
		got = append(got, o.Method+" "+o.Path)
		if security, ok := o.operation["security"].([]any); o.Public() != (ok && len(security) == 0) {
			t.Errorf("%s %s is described with security %v", o.Method, o.Path, o.operation["security"])
		}
		if id := o.operation["operationId"]; id == nil || ids[id] {
			t.Errorf("%s %s has the operationId %v, want one of its own", o.Method, o.Path, id)
		} else {
			ids[id] = true
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("described are %q, want %q", got, want)
	}
}

func TestEveryQueryParameterIsDescribedAndNothingElse(t *testing.T) {
	t.Parallel()
	d := readOpenAPI(t)
	for _, o := range d.operations() {
		var got []string
		for _, p := range o.parameters {
			parameter, err := d.resolve(p)
			if err != nil {
				t.Error(err)
			}
			if parameter["in"] == "query" {
				got = append(got, parameter["name"].(string))
			}
		}
		want := slices.Sorted(slices.Values(rest.Parameters(o.Route)))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s is described with %q, want %q", o.Method, o.Path, got, want)
		}
	}
}

func TestEveryReasonIsDescribedAndNothingElse(t *testing.T) {
	t.Parallel()
	statuses := rest.Statuses()
	delete(statuses, "CANCELED") // only for the log: the caller has disconnected
	for _, name := range contractReasons(t) {
		if _, ok := statuses[name]; !ok {
			t.Errorf("the reason %s has no status", name)
		}
	}
	d := readOpenAPI(t)
	enum, err := d.at("#/components/schemas/Reason")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range enum["enum"].([]any) {
		if _, ok := statuses[name.(string)]; !ok {
			t.Errorf("%s is described but is not a reason", name)
		}
	}
	examples := d.problems(t)
	for name, status := range statuses {
		p, ok := examples[name]
		if !ok || p.Status != status.Code || p.Title != status.Title || !slices.Contains(enum["enum"].([]any), any(name)) {
			t.Errorf("the example of %s is %+v, want %+v", name, p, status)
		}
	}
}

// contractReasons returns the declared reasons of the contract.
func contractReasons(t *testing.T) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/contract/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Reason" {
				name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				all = append(all, name)
			}
		}
		return true
	})
	if len(all) < 20 {
		t.Fatalf("found only the reasons %q", all)
	}
	return all
}

// problems returns the examples of problems, :: reason → problem.
func (d document) problems(t *testing.T) map[string]problem {
	t.Helper()
	all := map[string]problem{}
	responses, err := d.at("#/components/responses")
	if err != nil {
		t.Fatal(err)
	}
	for _, response := range responses {
		for name, p := range d.problemsOf(t, response) {
			all[name] = p
		}
	}
	return all
}

func (d document) problemsOf(t *testing.T, response any) map[string]problem {
	t.Helper()
	resolved, err := d.resolve(response)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(resolved)
	var r struct {
		Content map[string]struct {
			Examples map[string]struct{ Value problem }
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	all := map[string]problem{}
	for name, example := range r.Content["application/problem+json"].Examples {
		all[name] = example.Value
		if example.Value.Reason != name && name != "SLOW_BODY" { // the second status of DEADLINE_EXCEEDED
			t.Errorf("the example %s has the reason %s", name, example.Value.Reason)
		}
	}
	return all
}

func TestDescribedStatusesMatchTheirReasons(t *testing.T) {
	t.Parallel()
	d := readOpenAPI(t)
	for _, o := range d.operations() {
		responses := o.operation["responses"].(map[string]any)
		for status, response := range responses {
			for name, p := range d.problemsOf(t, response) {
				if strconv.Itoa(p.Status) != status {
					t.Errorf("%s %s answers %s with %s, whose status is %d", o.Method, o.Path, status, name, p.Status)
				}
			}
		}
		for _, status := range []string{"401", "403", "429", "500", "503", "504"} {
			if _, ok := responses[status]; !ok && !o.Public() {
				t.Errorf("%s %s is described without %s", o.Method, o.Path, status)
			}
		}
	}
}

// Every example in the document conforms to its schema.
func TestExamplesConformToTheirSchemas(t *testing.T) {
	t.Parallel()
	d := readOpenAPI(t)
	checked := d.checkExamples(t, "#", map[string]any(d))
	if checked < 50 {
		t.Errorf("only %d examples were found", checked)
	}
}

func (d document) checkExamples(t *testing.T, where string, v any) (checked int) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			checked += d.checkExamples(t, where+"/"+strconv.Itoa(i), item)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if _, err := d.at(ref); err != nil {
				t.Errorf("%s: %v", where, err)
			}
		}
		for _, example := range examplesOf(v) {
			schema := v["schema"]
			if schema == nil {
				schema = v
			}
			if err := d.fits(schema, example); err != nil {
				t.Errorf("%s: the example %v: %v", where, example, err)
			}
			checked++
		}
		for name, member := range v {
			if name != "example" && name != "examples" {
				checked += d.checkExamples(t, where+"/"+name, member)
			}
		}
	}
	return checked
}

// examplesOf returns the examples of a schema, or of an object with a schema.
func examplesOf(v map[string]any) (all []any) {
	if example, ok := v["example"]; ok {
		all = append(all, example)
	}
	switch examples := v["examples"].(type) {
	case []any:
		all = append(all, examples...)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			all = append(all, examples[name].(map[string]any)["value"])
		}
	}
	return all
}
