package cli

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// shows reports whether terminals show r, as a character or a space. They obey control characters, reorder the text around
// bidirectional ones and hide others. What they do with private and unassigned ones is not known.
func shows(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// escape returns text with escapes, such as \x1b or \u202e, in place of what terminals do not show: everything that kv
// prints on one is either escaped or part of its own layout. Invalid UTF-8 is escaped byte by byte.
func escape(text string) string { return escapeUnless(text, func(string) bool { return false }) }

// escapeLines is [escape] for text of several lines: it keeps line breaks and tabs.
func escapeLines(text string) string {
	return escapeUnless(text, func(rest string) bool {
		return rest[0] == '\n' || rest[0] == '\t' || strings.HasPrefix(rest, "\r\n")
	})
}

// escapeUnless keeps a character if keep reports true for the text that begins with it.
func escapeUnless(text string, keep func(rest string) bool) string {
	var out strings.Builder
	copied := 0 // bytes of text that are in out
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if invalid := r == utf8.RuneError && size == 1; (invalid || !shows(r)) && !keep(text[i:]) {
			quoted := strconv.QuoteToASCII(text[i : i+size])
			out.WriteString(text[copied:i])
			out.WriteString(quoted[1 : len(quoted)-1])
			copied = i + size
		}
		i += size
	}
	if copied == 0 {
		return text
	}
	out.WriteString(text[copied:])
	return out.String()
}

// escapeJSON returns JSON with escapes, such as \u202e, in place of what terminals do not show. It means the same.
func escapeJSON(text []byte) []byte {
	var out []byte
	copied := 0 // bytes of text that are in out
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if !shows(r) { // only strings have such characters
			out = append(out, text[copied:i]...)
			for _, unit := range utf16.AppendRune(nil, r) {
				out = append(out, `\u`...)
				out = append(out, strconv.FormatUint(1<<16|uint64(unit), 16)[1:]...)
			}
			copied = i + size
		}
		i += size
	}
	if copied == 0 {
		return text
	}
	return append(out, text[copied:]...)
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// shellWord quotes text so that a shell reads it as one word, and a terminal shows all of it.
func shellWord(text string) string {
	switch {
	case plainWord.MatchString(text):
		return text
	case escape(text) != text:
		return "$'" + escape(strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text)) + "'"
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// commandLine returns a command with an argument, unless it is "", and flags, as a shell reads it.
func commandLine(command, argument string, flags ...string) string {
	words := append([]string{command}, flags...)
	switch {
	case strings.HasPrefix(argument, "-"):
		words = append(words, "--", shellWord(argument))
	case argument != "":
		words = slices.Insert(words, 1, shellWord(argument))
	}
	return strings.Join(words, " ")
}

// quoted returns text as a string in double quotes.
func quoted(text string) string {
	return `"` + escape(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)) + `"`
}

// keyOn returns a key as out gets it: unchanged, or as a word of a shell if out is a terminal that does not show all of it.
func keyOn(out io.Writer, key string) string {
	if isTerminal(out) && escape(key) != key {
		return shellWord(key)
	}
	return key
}

// terminal is an output stream that is a terminal. It escapes what the terminal does not show, whichever command wrote it.
type terminal struct {
	io.Writer

	mu   sync.Mutex
	rest []byte // the incomplete character or line break at the end of the last write; guarded by mu
}

// onTerminal returns the stream to write to in place of out.
func onTerminal(out io.Writer) io.Writer {
	if isTerminal(out) {
		return &terminal{Writer: out}
	}
	return out
}

// Write writes text, and keeps the beginning of a character or line break at its end for the next call.
func (t *terminal) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append(t.rest, text...)
	end := complete(all)
	t.rest = append([]byte(nil), all[end:]...)
	if _, err := io.WriteString(t.Writer, escapeLines(string(all[:end]))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// complete returns how many bytes of text do not depend on what follows.
func complete(text []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(text)); back++ {
		last := text[len(text)-back:]
		if utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) || last[0] == '\r' {
				return len(text) - back
			}
			break
		}
	}
	return len(text)
}
