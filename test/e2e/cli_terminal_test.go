package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// hostile is a key that a terminal would obey, hide or reorder. The others are how a terminal and JSON show it.
const (
	hostile       = "a\u202eb\u2067c\u2028d\u200be\U000e0041f"
	hostileWord   = `$'a\u202eb\u2067c\u2028d\u200be\U000e0041f'`
	hostileInJSON = `"a\u202eb\u2067c\u2028d\u200be\udb40\udc41f"`
)

// onTerminal are commands, with a part of what a terminal shows of each. IN is a file to import.
var onTerminal = map[string]string{
	"kv ls":                                               "  " + hostileWord + "\n",
	"kv ls --keys":                                        hostileWord + "\n",
	"kv ls -l":                                            "  " + hostileWord + "\n",
	"kv ls -o json":                                       `{"key":` + hostileInJSON,
	"kv get $HOSTILE":                                     `\U000e0041f\u009b31m` + "\n",
	"kv get $HOSTILE -o json":                             `{"key":` + hostileInJSON,
	"kv get $HOSTILE -o table":                            "  " + hostileWord + "\n",
	"kv get x$HOSTILE":                                    `there is no key "xa\u202e`,
	"kv get ../$HOSTILE":                                  "kv: ",
	"kv set $HOSTILE x --if-match 1":                      "kv: ",
	"kv set $HOSTILE/x x -o json":                         `{"entry":{"key":"a\u202e`,
	"kv del $HOSTILE/x -o json":                           `{"key":"a\u202e`,
	"kv del --prefix $HOSTILE --dry-run":                  ` with the prefix "a\u202e`,
	"kv touch $HOSTILE --persist -o json":                 `{"entry":{"key":` + hostileInJSON,
	"kv incr $HOSTILE":                                    "kv: ",
	"kv $HOSTILE":                                         "kv: unknown command",
	"kv get a b$HOSTILE c":                                "kv: ",
	"kv export":                                           `{"key":` + hostileInJSON,
	"kv export $HOSTILE --file /$HOSTILE/x":               "kv: open ",
	"kv import $IN":                                       "kv: line 2: ",
	"kv import /$HOSTILE":                                 "kv: open ",
	"kv keys list --file /$HOSTILE":                       "kv: open ",
	"kv healthcheck http://127.0.0.1:1/$HOSTILE":          "kv: http://",
	"kv ls --url http://$HOSTILE:1":                       "kv: ",
	"kv serve --store $HOSTILE":                           "kv: ",
	"kv serve --log-level $HOSTILE":                       "kv: ",
	`printf '{"get":{"key":"%s"}}' $HOSTILE | kv batch`:   `{"get":{"entry":{"key":` + hostileInJSON,
	`printf '{"%s":1}' $HOSTILE | kv batch`:               "kv: line 1 ",
	untilInterrupted + "$HOSTILE --snapshot":              "put     " + hostileWord + `  "a\u202e`,
	untilInterrupted + "--prefix $HOSTILE --snapshot":     "to resume: kv watch --prefix " + hostileWord + " --resume",
	untilInterrupted + "$HOSTILE --snapshot -o json":      `{"type":"put","entry":{"key":` + hostileInJSON,
	"kv get $HOSTILE --timeout 1ns --url http://$HOSTILE": "kv: ",
}

const untilInterrupted = "timeout --foreground -s INT 1 kv watch "

func TestATerminalShowsAllCharacters(t *testing.T) {
	d := oneProcess(t)
	lines := filepath.Join(t.TempDir(), "in.ndjson")
	if err := os.WriteFile(lines, []byte(`{"key":"`+hostile+`/../x","value":"x"}`+"\n"+`{"`+hostile+`":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey, "HOSTILE=" + hostile, "IN=" + lines, "LC_ALL=C.UTF-8"}
	client(t, env, hostile+"\u009b31m", "set", hostile)
	for command, want := range onTerminal {
		got := script(t, env, command)
		if !strings.Contains(got, want) {
			t.Errorf("%s shows %q, want %q", command, got, want)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && r != '\r' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s shows raw characters: %q", command, got[i:])
		}
	}
	client(t, env, "", "del", hostile+"/x")
	for args, want := range map[string]string{
		"ls --keys":          hostile + "\n",
		"get " + hostile:     hostile + "\u009b31m",
		"ls":                 hostile + "\n",
		"ls --keys a\u202eb": hostile + "\n",
	} {
		if got := client(t, env, "", strings.Split(args, " ")...); !strings.HasSuffix(got.Out, want) {
			t.Errorf("kv %s in a pipe = %+v, want %q", args, got, want)
		}
	}
}
