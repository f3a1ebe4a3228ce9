package etag_test

import (
	"testing"

	"key-value/internal/contract/etag"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		lines        []string
		strong, weak bool // whether it matches a-1
	}{
		{"the tag", []string{`"a-1"`}, true, true},
		{"the tag, weak", []string{`W/"a-1"`}, false, true},
		{"another tag", []string{`"b-1"`}, false, false},
		{"a list", []string{`"b-1", "a-1"`}, true, true},
		{"several header lines", []string{`"b-1"`, `"a-1"`}, true, true},
		{"empty list elements, which RFC 9110 allows", []string{`, "a-1",,`}, true, true},
		{"a star", []string{" * "}, true, true},
		{"a comma inside a tag", []string{`"a,1", "a-1"`}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := etag.Parse(test.lines)
			if err != nil {
				t.Fatalf("Parse(%q) = %v", test.lines, err)
			}
			if !c.Present() {
				t.Error("Present() = false")
			}
			if got := c.MatchesStrongly("a-1"); got != test.strong {
				t.Errorf("MatchesStrongly = %v, want %v", got, test.strong)
			}
			if got := c.MatchesWeakly("a-1"); got != test.weak {
				t.Errorf("MatchesWeakly = %v, want %v", got, test.weak)
			}
		})
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"nothing":                          {""},
		"only commas":                      {",,"},
		"a tag without quotes":             {"a-1"},
		"an open quote":                    {`"a-1`},
		"a lower-case w":                   {`w/"a-1"`},
		"a star in a list":                 {`"a-1", *`},
		"a star and a tag on another line": {"*", `"a-1"`},
		"no comma":                         {`"a" "b"`},
		"a space in a tag":                 {`"a b"`},
		"a control character":              {"\"a\x01\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c, err := etag.Parse(lines); err == nil {
				t.Errorf("Parse(%q) = %v, want an error", lines, c)
			}
		})
	}
}

func TestNoHeaderIsNotACondition(t *testing.T) {
	t.Parallel()
	c, err := etag.Parse(nil)
	if err != nil || c.Present() || c.MatchesWeakly("a-1") {
		t.Errorf("Parse(nil) = %+v, %v; want a condition that matches nothing", c, err)
	}
}

func TestSingle(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{`"a-1"`: "a-1", `W/"a-1"`: "", `"a", "b"`: "", `*`: ""} {
		c, err := etag.Parse([]string{header})
		if tag, ok := c.Single(); err != nil || tag != want || ok != (want != "") {
			t.Errorf("Single of %s = %q, %v, %v; want %q", header, tag, ok, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`"a-1"`, `W/"a"`, `*`, `"a", "b"`, `,`, `"`, `W/`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := etag.Parse([]string{header})
		if err == nil && !c.Present() {
			t.Errorf("Parse(%q) succeeded, but the header is not present", header)
		}
		if tag, ok := c.Single(); ok {
			again, err := etag.Parse([]string{etag.Quote(tag)})
			if err != nil || !again.MatchesStrongly(tag) {
				t.Errorf("Parse(Quote(%q)) = %+v, %v; want what was parsed", tag, again, err)
			}
		}
	})
}
