package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// object is a value in a JSON document. Unlike a map, it keeps the order of its members.
type object struct{ raw json.RawMessage }

// members returns the members by name.
func (o object) members() map[string]json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(o.raw, &members) // a value that is not an object has none
	return members
}

// get returns a member. A missing one has no members itself.
func (o object) get(name string) object { return object{o.members()[name]} }

func (o object) has(name string) bool { return o.get(name).raw != nil }

// keys returns the names of the members in document order.
func (o object) keys() (keys []string) {
	members := o.members()
	decoder := json.NewDecoder(bytes.NewReader(o.raw))
	_, _ = decoder.Token() // the brace
	for range members {
		key, _ := decoder.Token()
		var value json.RawMessage
		_ = decoder.Decode(&value)
		keys = append(keys, key.(string))
	}
	return keys
}

func (o object) list(name string) (objects []object) {
	var items []json.RawMessage
	_ = json.Unmarshal(o.get(name).raw, &items)
	for _, item := range items {
		objects = append(objects, object{item})
	}
	return objects
}

func (o object) text(name string) string {
	var text string
	_ = json.Unmarshal(o.get(name).raw, &text)
	return text
}

// shown returns an example as it appears on the wire.
func (o object) shown() string {
	var text string
	if json.Unmarshal(o.raw, &text) == nil {
		return strings.TrimSpace(text)
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, o.raw)
	return compact.String()
}

// resolve returns part, or what its $ref refers to in the document o.
func (o object) resolve(part object) object {
	ref := part.text("$ref")
	if ref == "" {
		return part
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		o = o.get(step)
	}
	return o
}
