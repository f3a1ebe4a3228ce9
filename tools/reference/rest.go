package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// restPage returns the reference of the REST routes, from the OpenAPI document at path. The tests of package rest check
// that document against the served routes.
func restPage(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if !json.Valid(text) {
		return "", fmt.Errorf("%s is not JSON", path)
	}
	doc := object{text}
	var p page
	p.printf("# REST\n\n%s", generated("[openapi.json](../../gateway/rest/openapi.json), served as `GET /openapi.json`"))
	p.paragraph(doc.get("info").text("description"))
	p.routes(operations(doc))
	for _, o := range operations(doc) {
		p.operation(doc, o)
	}
	p.printf("## Errors\n\n")
	p.errors(doc)
	p.printf("## Schemas\n\n")
	p.schemas(doc)
	return p.String(), nil
}

// operation is one method of one path.
type operation struct {
	object
	path    string
	methods []string // the method, and HEAD if the path has it besides GET
	shared  []object // parameters of the path
}

// operations returns all operations of the document. HEAD is listed together with GET.
func operations(doc object) (all []operation) {
	paths := doc.get("paths")
	for _, path := range paths.keys() {
		item := paths.get(path)
		for _, method := range item.keys() {
			if method == "parameters" || method == "head" {
				continue
			}
			o := operation{item.get(method), path, []string{strings.ToUpper(method)}, item.list("parameters")}
			if method == "get" && item.has("head") {
				o.methods = append(o.methods, "HEAD")
			}
			all = append(all, o)
		}
	}
	return all
}

func (p *page) routes(operations []operation) {
	var rows [][]string
	for _, o := range operations {
		rows = append(rows, []string{
			code(strings.Join(o.methods, ", ") + " " + o.path), link(o.text("summary"), o.text("summary")),
		})
	}
	p.table(rows, "route", "operation")
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// link returns a link to a heading of the same page.
func link(text, heading string) string {
	anchor := notInAnchors.ReplaceAllString(strings.ToLower(heading), "")
	return "[" + text + "](#" + strings.ReplaceAll(anchor, " ", "-") + ")"
}

func (p *page) operation(doc object, o operation) {
	p.printf("## %s\n\n`%s %s`\n\n", o.text("summary"), o.methods[0], o.path)
	p.paragraph(o.text("description"))
	var rows [][]string
	for _, parameter := range slices.Concat(o.shared, o.list("parameters")) {
		parameter = doc.resolve(parameter)
		rows = append(rows, []string{code(parameter.text("name")), parameter.text("in"), parameter.text("description")})
	}
	p.table(rows, "parameter", "in", "meaning")
	p.contents("Body", doc.resolve(o.get("requestBody")))

	responses, failures := o.get("responses"), []string(nil)
	for _, status := range responses.keys() {
		if status >= "400" {
			failures = append(failures, status)
			continue
		}
		response := doc.resolve(responses.get(status))
		p.printf("**%s**: %s", status, response.text("description"))
		if headers := response.get("headers").keys(); len(headers) > 0 {
			p.printf(" Headers: `%s`.", strings.Join(headers, "`, `"))
		}
		p.printf("\n\n")
		p.contents("Response", response)
	}
	if len(failures) > 0 {
		p.paragraph("Fails with " + strings.Join(failures, ", ") + ": see [errors](#errors).")
	}
}

// contents writes the schema and examples of a body, for each of its media types.
func (p *page) contents(what string, body object) {
	content := body.get("content")
	for _, media := range content.keys() {
		p.printf("%s as `%s`", what, media)
		if schema := content.get(media).get("schema"); schema.has("$ref") {
			name := schemaName(schema)
			p.printf(" ([%s](#%s))", name, strings.ToLower(name))
		}
		examples := examples(content.get(media))
		if len(examples) == 0 {
			p.printf("\n\n")
			continue
		}
		language := ""
		if strings.HasSuffix(media, "json") {
			language = "json"
		}
		p.printf(", such as\n\n```%s\n%s\n```\n\n", language, strings.Join(examples, "\n"))
	}
}

func examples(content object) (shown []string) {
	if content.has("example") {
		shown = append(shown, content.get("example").shown())
	}
	for _, name := range content.get("examples").keys() {
		shown = append(shown, content.get("examples").get(name).get("value").shown())
	}
	return shown
}

// errors writes a table of all reasons with their status codes.
func (p *page) errors(doc object) {
	p.paragraph("Every error is `application/problem+json` (RFC 9457). Programs should check `reason`; `detail` is for people.")
	var rows [][]string
	responses := doc.get("components").get("responses")
	for _, name := range responses.keys() {
		problems := responses.get(name).get("content").get("application/problem+json").get("examples")
		for _, why := range problems.keys() {
			problem := problems.get(why).get("value")
			rows = append(rows, []string{
				string(problem.get("status").raw), code(problem.text("reason")), problem.text("title"), problem.text("detail"),
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	p.table(rows, "status", "reason", "title", "example of a detail")
}
