package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"key-value/client"
)

// hidden are characters that a terminal obeys, hides or reorders text after, by the Unicode category or property that they
// stand for. Each has the escape for terminals and that in JSON.
var hidden = map[string][3]string{
	"Cc, escape":                     {"\x1b", `\x1b`, `\u001b`},
	"Cc, null":                       {"\x00", `\x00`, `\u0000`},
	"Cc, delete":                     {"\x7f", `\x7f`, `\u007f`},
	"Cc, C1, CSI":                    {"\u009b", `\u009b`, `\u009b`},
	"Cc, C1, next line":              {"\u0085", `\u0085`, `\u0085`},
	"Cf, soft hyphen":                {"\u00ad", `\u00ad`, `\u00ad`},
	"Cf, zero width space":           {"\u200b", `\u200b`, `\u200b`},
	"Cf, zero width joiner":          {"\u200d", `\u200d`, `\u200d`},
	"Cf, word joiner":                {"\u2060", `\u2060`, `\u2060`},
	"Cf, byte order mark":            {"\ufeff", `\ufeff`, `\ufeff`},
	"Cf, tag":                        {"\U000e0041", `\U000e0041`, `\udb40\udc41`},
	"Cf, Arabic letter mark":         {"\u061c", `\u061c`, `\u061c`},
	"bidi, left-to-right mark":       {"\u200e", `\u200e`, `\u200e`},
	"bidi, right-to-left override":   {"\u202e", `\u202e`, `\u202e`},
	"bidi, right-to-left isolate":    {"\u2067", `\u2067`, `\u2067`},
	"bidi, pop directional isolate":  {"\u2069", `\u2069`, `\u2069`},
	"Zl, line separator":             {"\u2028", `\u2028`, `\u2028`},
	"Zp, paragraph separator":        {"\u2029", `\u2029`, `\u2029`},
	"Co, private":                    {"\ue000", `\ue000`, `\ue000`},
	"Co, private, plane 16":          {"\U0010fffd", `\U0010fffd`, `\udbff\udffd`},
	"Cn, unassigned":                 {"\u0378", `\u0378`, `\u0378`},
	"Cn, noncharacter":               {"\uffff", `\uffff`, `\uffff`},
	"ignorable, Hangul filler":       {"\u3164", `\u3164`, `\u3164`},
	"ignorable, grapheme joiner":     {"\u034f", `\u034f`, `\u034f`},
	"ignorable, variation selector":  {"\ufe0f", `\ufe0f`, `\ufe0f`},
	"ignorable, variation, plane 14": {"\U000e0100", `\U000e0100`, `\udb40\udd00`},
}

func TestWhatATerminalDoesNotShowIsEscaped(t *testing.T) {
	t.Parallel()
	for name, test := range hidden {
		text := "a" + test[0] + "é"
		if got, want := escape(text), "a"+test[1]+"é"; got != want || escapeLines(text) != want {
			t.Errorf("%s: escape(%+q) = %q, escapeLines %q, want %q", name, text, got, escapeLines(text), want)
		}
		if got := quoted(text); got != `"a`+test[1]+`é"` {
			t.Errorf("%s: quoted(%+q) = %s", name, text, got)
		}
		if got := shellWord(text); got != "$'a"+test[1]+"é'" {
			t.Errorf("%s: shellWord(%+q) = %s", name, text, got)
		}
		var out bytes.Buffer
		if err := printJSON(&out, map[string]string{text: text}); err != nil || out.String() != `{"a`+test[2]+`é":"a`+test[2]+"é\"}\n" {
			t.Errorf("%s: printJSON(%+q) = %s, %v", name, text, out.String(), err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[text] != text {
			t.Errorf("%s: the JSON %s means %+q, %v", name, out.String(), back, err)
		}
	}
	for text, want := range map[string]string{ // surrogates have no UTF-8: their bytes are not valid
		"a\xffb": `a\xffb`, "\xed\xa0\x80": `\xed\xa0\x80`, "\xc3": `\xc3`, "\xe2\x80": `\xe2\x80`, "\ufffd": "\ufffd", "": "",
		"日本語 の　値": "日本語 の　値", "naïve, Ω, עברית, 😀": "naïve, Ω, עברית, 😀", "e\u0301": "e\u0301", "10\u00a0€": "10\u00a0€", `\u202e`: `\u202e`,
	} {
		if got := escape(text); got != want {
			t.Errorf("escape(%+q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"a\n\tb\r\nc": "a\n\tb\r\nc", "a\rb": `a\rb`, "a\r": `a\r`, "\r\r\n": "\\r\r\n", "\v\f": `\v\f`} {
		if got := escapeLines(text); got != want {
			t.Errorf("escapeLines(%q) = %q, want %q", text, got, want)
		}
	}
}

// Of all characters, exactly those of the categories L, M, N, P, S and Zs are shown, apart from invisible ones.
func TestEveryCharacterIsShownOrEscaped(t *testing.T) {
	t.Parallel()
	safe := []*unicode.RangeTable{unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs}
	never := []*unicode.RangeTable{unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Join_Control, unicode.Noncharacter_Code_Point}
	for r := range rune(unicode.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		got := escape(string(r)) == string(r)
		if got && (!unicode.In(r, safe...) || unicode.In(r, never...)) || !got && r > ' ' && unicode.In(r, unicode.L, unicode.N, unicode.P) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point) {
			t.Errorf("%U is shown: %v", r, got)
		}
		if inJSON := string(escapeJSON([]byte(string(r)))) == string(r); inJSON != got {
			t.Errorf("%U is shown: %v, in JSON: %v", r, got, inJSON)
		}
	}
}

// A shell reads a quoted word as what it was.
func TestShellsReadQuotedWords(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	words := []string{"", "a b", "it's", `\`, `\u202e`, "\u202e'\\", "\x1b[31m", "\xff0", "\u009bä", "\U000e0041e", "$'a'", "a\nb", "\u200b1\u200ba"}
	for _, word := range words {
		cmd := exec.CommandContext(t.Context(), bash, "-c", "printf %s "+shellWord(word))
		cmd.Env = []string{"LC_ALL=C.UTF-8"}
		if got, err := cmd.Output(); err != nil || string(got) != word {
			t.Errorf("bash reads %s as %q, %v; want %q", shellWord(word), got, err, word)
		}
	}
}

// A command that kv prints to be copied reads its argument as an argument.
func TestPrintedCommandsKeepTheirArguments(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{
		"": "kv get -o json", "a": "kv get a -o json", "a b": "kv get 'a b' -o json", "-x": "kv get -o json -- -x", "-- y": "kv get -o json -- '-- y'",
	} {
		if got := commandLine("kv get", argument, "-o", "json"); got != want {
			t.Errorf("commandLine(%q) = %s, want %s", argument, got, want)
		}
	}
	var log bytes.Buffer
	if err := printValue(&terminal{Writer: &bytes.Buffer{}}, &log, client.Entry{Key: "-x", Value: []byte("\x1b")}, []string{"--context", "a"}); err != nil || !strings.HasSuffix(log.String(), ": kv get --context a -- -x > FILE\n") {
		t.Errorf("the hint is %q, %v", log.String(), err)
	}
}

// However text is divided into writes, a terminal gets the same.
func TestATerminalGetsTheSameInAnyPieces(t *testing.T) {
	t.Parallel()
	text := "ä\u202e\r\n\r😀\U000e0041\xff\xe2\x80x日\u2028\n"
	want := "ä\\u202e\r\n\\r😀\\U000e0041\\xff\\xe2\\x80x日\\u2028\n"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		term := &terminal{Writer: &out}
		for piece := range slices.Chunk([]byte(text), size) {
			if n, err := term.Write(piece); n != len(piece) || err != nil {
				t.Errorf("Write = %d, %v; want %d", n, err, len(piece))
			}
		}
		if out.String() != want {
			t.Errorf("in pieces of %d bytes, the terminal gets %q, want %q", size, out.String(), want)
		}
	}
}

// A key with escapes is not taken for one that has a backslash, because it is printed as a word of a shell.
func TestKeysOnATerminalAreUnambiguous(t *testing.T) {
	t.Parallel()
	term := &terminal{Writer: &bytes.Buffer{}}
	for key, want := range map[string]string{
		"a b": "a b", `a\u202eb`: `a\u202eb`, "a\u202eb": `$'a\u202eb'`, "a\\\u202eb": `$'a\\\u202eb'`, "ключ": "ключ",
	} {
		if got := keyOn(term, key); got != want {
			t.Errorf("the key %+q on a terminal is %s, want %s", key, got, want)
		}
		if got := keyOn(&bytes.Buffer{}, key); got != key {
			t.Errorf("the key %+q in a pipe is %+q", key, got)
		}
	}
}

// Messages for people are escaped wherever standard error leads.
func TestMessagesAreEscaped(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, test := range hidden {
		if strings.ContainsFunc(test[0], unicode.IsControl) {
			continue // which no key can have
		}
		got := kv(t, env, "", "get", "a"+test[0]+"b")
		if want := fmt.Sprintf("kv: there is no key \"a%sb\"\n", test[1]); got.err != want {
			t.Errorf("kv get of a missing key = %+v, want %q", got, want)
		}
	}
	got := kv(t, env, "", "get", "a\x1b[31mb")
	if got.code != 1 || strings.ContainsFunc(got.err, func(r rune) bool { return r != '\n' && !shows(r) }) {
		t.Errorf("kv get of an invalid key = %+v", got)
	}
	if got := kv(t, env, "", "fr\u202eob"); got.code != 2 || !strings.Contains(got.err, `"fr\u202eob"`) {
		t.Errorf("an unknown command = %+v", got)
	}
}

// A server may answer with anything.
func TestAnswersOfAServerAreEscaped(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":"invalid_argument","message":"\u001b]0;title\u0007 \u202e \u009b1m"}`)
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	env := map[string]string{"KV_URL": server.URL, "KV_API_KEY": "x"}
	for _, args := range [][]string{{"get", "a"}, {"ls"}, {"stats"}, {"watch", "a"}, {"export"}, {"import"}, {"batch"}, {"bench"}} {
		got := kv(t, env, `{"get":{"key":"a"}}`, args...)
		if !strings.Contains(got.err, `\x1b]0;title\a \u202e \u009b1m`) || strings.ContainsFunc(got.err, func(r rune) bool { return r != '\n' && !shows(r) }) {
			t.Errorf("kv %v = %+v", args, got)
		}
	}
}

// Completion offers no keys that a terminal does not show: they would become part of the command line.
func TestHiddenCharactersAreNotCompleted(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, name := range []string{"a\u202eb", "ab", "a\u200bb"} {
		kv(t, env, "", "set", name, "x")
	}
	completes(t, env, []string{"get", "a"}, "ab\n:4\n")
}
