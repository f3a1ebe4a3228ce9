package rest

import (
	"iter"
	"strings"
)

// listElements returns the elements of a comma-separated header that are not empty. A comma inside a quoted
// string separates nothing.
func listElements(header string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for header != "" {
			end := endOf(header, ',')
			if element := strings.Trim(header[:end], " \t"); element != "" && !yield(element) {
				return
			}
			header = header[min(end+1, len(header)):]
		}
	}
}

// endOf returns the index of the first separator that is not inside a quoted string, or len(s).
func endOf(s string, separator byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == separator && !quoted:
			return i
		}
	}
	return len(s)
}
