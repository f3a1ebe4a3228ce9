package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// line is a command of a document and its output.
type line struct {
	place   string // its place, as file:line
	command string
	output  string
	running bool // it does not return: the reader leaves it running, and continues in another terminal
}

// fence is a code block that is not a console.
type fence struct {
	place  string
	source string // the file that it quotes; empty: none
	text   string
}

// document is the commands of a document in order, and its other code.
type document struct {
	lines  []line
	fences []fence
}

// readDocument parses a Markdown file. In a block that begins with ```console, "$ " begins a command, ">" continues it
// as in a shell, and what follows is its output. A block that begins with ```console running has commands that do not
// return. Any other block whose first line names a file quotes that file.
func readDocument(t *testing.T, path string) document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	info, inside := "", false
	for number, text := range strings.Split(string(text), "\n") {
		place := path + ":" + strconv.Itoa(number+1)
		if rest, ok := strings.CutPrefix(text, "```"); ok {
			if inside = !inside; inside {
				info = rest
				if language, source, _ := strings.Cut(info, " "); language != "console" {
					doc.fences = append(doc.fences, fence{place: place, source: source})
				}
			}
			continue
		}
		command, isCommand := strings.CutPrefix(text, "$ ")
		more, continues := strings.CutPrefix(text, ">")
		switch last := len(doc.lines) - 1; {
		case !inside:
		case !strings.HasPrefix(info, "console"):
			doc.fences[len(doc.fences)-1].text += text + "\n"
		case continues && last >= 0 && doc.lines[last].output == "":
			doc.lines[last].command += "\n" + strings.TrimPrefix(more, " ")
		case isCommand:
			doc.lines = append(doc.lines, line{place: place, command: command, running: info == "console running"})
		case last < 0:
			t.Fatalf("%s: output without a command: %s", place, text)
		default:
			doc.lines[last].output += text + "\n"
		}
	}
	if inside {
		t.Fatalf("%s: a code block has no end", path)
	}
	return doc
}

func (d document) has(command string) bool {
	for _, line := range d.lines {
		if line.command == command {
			return true
		}
	}
	return false
}

// alike reports whether got matches want, in which … stands for anything within a line, and a line of only … for any
// lines. White space in JSON and at the end is ignored.
func alike(want, got string) bool {
	return regexp.MustCompile(pattern(normal(want)) + `\z`).MatchString("\n" + normal(got) + "\n")
}

// beginsAlike reports whether got begins with what alike would accept.
func beginsAlike(want, got string) bool {
	return regexp.MustCompile(pattern(strings.TrimRight(want, " \n"))).MatchString("\n" + got + "\n")
}

// pattern matches whole lines, with a line break on either side.
func pattern(want string) string {
	p := regexp.QuoteMeta("\n" + want + "\n")
	p = strings.ReplaceAll(p, "\n…\n", `\n(?s:.*\n)?`)
	return `\A` + strings.ReplaceAll(p, "…", `[^\n]*?`)
}

func normal(s string) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(s)); err == nil {
		return compact.String()
	}
	return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), " \n")
}
