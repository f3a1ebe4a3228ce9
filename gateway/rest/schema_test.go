package rest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// document is a JSON document with schemas that refer to each other.
type document map[string]any

// at returns the target of a reference such as "#/components/schemas/Key".
func (d document) at(ref string) (map[string]any, error) {
	var here any = map[string]any(d)
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		parent, _ := here.(map[string]any)
		here = parent[step]
	}
	if found, ok := here.(map[string]any); ok {
		return found, nil
	}
	return nil, fmt.Errorf("%s leads nowhere", ref)
}

// resolve returns the target of v if v is a reference, otherwise v.
func (d document) resolve(v any) (map[string]any, error) {
	object, _ := v.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.at(ref)
	}
	return object, nil
}

// fits returns an error unless v conforms to the schema. It implements the part of JSON Schema that the document uses, and
// fails on any other keyword.
func (d document) fits(schema, v any) error {
	s, err := d.resolve(schema)
	if err != nil {
		return err
	}
	known := keywords()
	for keyword, want := range s {
		check, ok := known[keyword]
		if !ok {
			return fmt.Errorf("the schema has %q, which this test does not know", keyword)
		}
		if err := check(d, s, want, v); err != nil {
			return fmt.Errorf("%s: %w", keyword, err)
		}
	}
	return nil
}

type keyword func(d document, schema map[string]any, want, v any) error

// keywords is a function because a variable would refer to itself.
func keywords() map[string]keyword {
	return map[string]keyword{
		"type": hasType, "format": hasFormat, "pattern": hasPattern, "properties": hasProperties, "required": hasRequired,
		"additionalProperties": hasAdditional, "items": hasItems, "oneOf": fitsOne, "not": fitsNot,
		"const": equals, "enum": isOneOf,
		"minLength": atLeast, "minItems": atLeast, "minProperties": atLeast, "minimum": atLeast,
		"maxLength": atMost, "maxItems": atMost, "maxProperties": atMost,
		"description": anything, "examples": anything, "default": anything, "contentEncoding": anything,
	}
}

func anything(document, map[string]any, any, any) error { return nil }

func hasType(_ document, _ map[string]any, want, v any) error {
	is := map[string]bool{}
	switch v := v.(type) {
	case nil:
		is["null"] = true
	case bool:
		is["boolean"] = true
	case string:
		is["string"] = true
	case float64:
		is["number"], is["integer"] = true, v == math.Trunc(v)
	case []any:
		is["array"] = true
	case map[string]any:
		is["object"] = true
	}
	return unless(is[want.(string)], "%v is not of type %v", v, want)
}

func hasFormat(_ document, _ map[string]any, want, v any) (err error) {
	s, ok := v.(string)
	switch want {
	case "date-time":
		_, err = time.Parse(time.RFC3339Nano, s)
	case "uri":
		_, err = url.Parse(s)
	case "int64":
		ok = true
	default:
		ok = false
	}
	if err != nil {
		return err
	}
	return unless(ok, "%v is not in format %v", v, want)
}

func hasPattern(_ document, _ map[string]any, want, v any) error {
	s, ok := v.(string)
	return unless(!ok || regexp.MustCompile(want.(string)).MatchString(s), "%v does not match %v", v, want)
}

func hasProperties(d document, _ map[string]any, want, v any) error {
	object, _ := v.(map[string]any)
	for name, value := range object {
		if schema, ok := want.(map[string]any)[name]; ok {
			if err := d.fits(schema, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func hasRequired(_ document, _ map[string]any, want, v any) error {
	object, _ := v.(map[string]any)
	for _, name := range want.([]any) {
		if _, ok := object[name.(string)]; !ok {
			return fmt.Errorf("%v has no %v", v, name)
		}
	}
	return nil
}

func hasAdditional(d document, schema map[string]any, want, v any) error {
	object, _ := v.(map[string]any)
	known, _ := schema["properties"].(map[string]any)
	for name, value := range object {
		if _, ok := known[name]; ok {
			continue
		}
		if want == false {
			return fmt.Errorf("%s is not described", name)
		}
		if err := d.fits(want, value); err != nil {
			return err
		}
	}
	return nil
}

func hasItems(d document, _ map[string]any, want, v any) error {
	items, _ := v.([]any)
	for i, item := range items {
		if err := d.fits(want, item); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func fitsOne(d document, _ map[string]any, want, v any) error {
	var errs []error
	for _, schema := range want.([]any) {
		if err := d.fits(schema, v); err != nil {
			errs = append(errs, err)
		}
	}
	return unless(len(want.([]any))-len(errs) == 1, "%v does not fit just one: %v", v, errs)
}

func fitsNot(d document, _ map[string]any, want, v any) error {
	return unless(d.fits(want, v) != nil, "%v fits", v)
}

func equals(_ document, _ map[string]any, want, v any) error {
	return unless(reflect.DeepEqual(v, want), "%v is not %v", v, want)
}

func isOneOf(_ document, _ map[string]any, want, v any) error {
	return unless(slices.Contains(want.([]any), v), "%v is not one of %v", v, want)
}

func atLeast(_ document, _ map[string]any, want, v any) error {
	return unless(size(v) >= want.(float64), "%v is less than %v", v, want)
}

func atMost(_ document, _ map[string]any, want, v any) error {
	return unless(size(v) <= want.(float64), "%v is more than %v", v, want)
}

func size(v any) float64 {
	switch v := v.(type) {
	case string:
		return float64(len(v))
	case []any:
		return float64(len(v))
	case map[string]any:
		return float64(len(v))
	case float64:
		return v
	}
	return 0
}

func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// parse decodes JSON into maps.
func parse(text string) (v any, err error) {
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}
