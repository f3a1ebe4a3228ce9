package main

import (
	"slices"
	"strings"
)

// schemas writes the JSON schemas of requests and responses.
func (p *page) schemas(doc object) {
	schemas := doc.get("components").get("schemas")
	for _, name := range schemas.keys() {
		schema := schemas.get(name)
		p.printf("### %s\n\n", name)
		p.paragraph(schema.text("description"))
		properties := schema.get("properties")
		required := schema.list("required")
		var rows [][]string
		for _, member := range properties.keys() {
			must := slices.ContainsFunc(required, func(o object) bool { return o.shown() == member })
			rows = append(rows, []string{
				code(member), typeOf(properties.get(member)), map[bool]string{true: "always"}[must],
				properties.get(member).text("description"),
			})
		}
		p.table(rows, "member", "type", "present", "meaning")
		if len(rows) == 0 {
			p.paragraph("Type: " + typeOf(schema) + ".")
		}
	}
}

// typeOf returns the type of a schema, as a link if it has a name.
func typeOf(schema object) string {
	switch {
	case schema.has("$ref"):
		name := schemaName(schema)
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case schema.has("items"):
		return "list of " + typeOf(schema.get("items"))
	case schema.has("const"):
		return code(schema.get("const").shown())
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		if types := typesOf(schema.list(choice)); len(types) > 0 && !schema.has("type") {
			return strings.Join(types, " or ")
		}
	}
	if members := schema.get("properties").keys(); len(members) > 0 {
		return "object of `" + strings.Join(members, "`, `") + "`"
	}
	if one := schema.text("type"); one != "" {
		return one
	}
	var types []string
	for _, t := range schema.list("type") {
		types = append(types, t.shown())
	}
	return strings.Join(types, " or ")
}

func typesOf(schemas []object) (types []string) {
	for _, schema := range schemas {
		types = append(types, typeOf(schema))
	}
	return types
}

// schemaName returns the last element of a $ref.
func schemaName(schema object) string {
	ref := schema.text("$ref")
	return ref[strings.LastIndex(ref, "/")+1:]
}
