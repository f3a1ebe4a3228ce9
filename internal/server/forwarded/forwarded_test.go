package forwarded_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"key-value/internal/server/forwarded"
)

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, want string // want begins with ! if it is a part of an error
	}{
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"::ffff:192.0.2.1", "192.0.2.1/32"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"::1", "::1/128"},
		{"", `!"" is neither an address nor a network`},
		{"nginx", `!"nginx" is neither an address nor a network: want 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32`},
		{"10.0.0.0/33", "!neither"},
		{"::ffff:10.0.0.0/104", "!neither"},
		{"fe80::1%eth0", "!neither"},
		{"192.0.2.1:80", "!neither"},
		{"10.0.0.1/8", `!"10.0.0.1/8" is an address within a network: want 10.0.0.0/8 or 10.0.0.1`},
		{"0.0.0.0/0", `!"0.0.0.0/0" includes every address`},
		{"::/0", "!includes every address"},
	} {
		got, err := forwarded.ParseNetwork(test.text)
		part, fails := strings.CutPrefix(test.want, "!")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), part)):
			t.Errorf("ParseNetwork(%q) = %v, %v; want an error with %s", test.text, got, err, part)
		case !fails && (err != nil || got.String() != test.want):
			t.Errorf("ParseNetwork(%q) = %v, %v; want %s", test.text, got, err, test.want)
		}
	}
}

// trusted are the proxies of the tests.
var trusted = forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}

func TestCaller(t *testing.T) {
	t.Parallel()
	const list, standard = "X-Forwarded-For", "Forwarded"
	for name, test := range map[string]struct {
		header http.Header
		want   string // empty: it is not known
	}{
		"no header":                         {nil, ""},
		"one address":                       {http.Header{list: {"192.0.2.1"}}, "192.0.2.1"},
		"what the caller sent before it":    {http.Header{list: {"198.51.100.9, 192.0.2.1"}}, "192.0.2.1"},
		"what the caller sent on a line":    {http.Header{list: {"198.51.100.9", "192.0.2.1"}}, "192.0.2.1"},
		"proxies in a row":                  {http.Header{list: {"198.51.100.9, 192.0.2.1, 10.0.0.2", "10.1.1.1"}}, "192.0.2.1"},
		"a caller in the proxies' network":  {http.Header{list: {"10.0.0.9, 10.0.0.2"}}, "10.0.0.9"},
		"an address with a port":            {http.Header{list: {"192.0.2.1:4711"}}, "192.0.2.1"},
		"an IPv6 address":                   {http.Header{list: {"2001:DB9::1"}}, "2001:db9::1"},
		"an IPv6 address with a port":       {http.Header{list: {"[2001:db9::1]:4711"}}, "2001:db9::1"},
		"an IPv6 address in brackets":       {http.Header{list: {"[2001:db9::1]"}}, "2001:db9::1"},
		"an IPv4 address as IPv6":           {http.Header{list: {"192.0.2.1, ::ffff:10.0.0.1"}}, "192.0.2.1"},
		"empty elements":                    {http.Header{list: {"192.0.2.1,, ,"}}, "192.0.2.1"},
		"no address":                        {http.Header{list: {"unknown"}}, ""},
		"no address before a proxy":         {http.Header{list: {"192.0.2.1, unknown, 10.0.0.2"}}, "10.0.0.2"},
		"a name":                            {http.Header{list: {"localhost"}}, ""},
		"an empty header":                   {http.Header{list: {""}}, ""},
		"Forwarded":                         {http.Header{standard: {"for=198.51.100.9, for=192.0.2.1"}}, "192.0.2.1"},
		"Forwarded with more":               {http.Header{standard: {`proto=https; FOR="[2001:db9::1]:4711";by=10.0.0.1`}}, "2001:db9::1"},
		"Forwarded through proxies":         {http.Header{standard: {"for=192.0.2.1;proto=https", "for=10.0.0.2"}}, "192.0.2.1"},
		"Forwarded with a quote that opens": {http.Header{standard: {`for="198.51.100.9, for=192.0.2.1`}}, "192.0.2.1"},
		"Forwarded with a hidden name":      {http.Header{standard: {"for=_hidden"}}, ""},
		"Forwarded without an address":      {http.Header{standard: {"proto=https"}}, ""},
		"both, which agree":                 {http.Header{list: {"192.0.2.1"}, standard: {"for=192.0.2.1"}}, "192.0.2.1"},
		"both, which differ":                {http.Header{list: {"192.0.2.1"}, standard: {"for=198.51.100.9"}}, ""},
		"both, one without an address":      {http.Header{list: {"unknown"}, standard: {"for=198.51.100.9"}}, ""},
	} {
		got, ok := trusted.Caller(test.header.Values)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: Caller(%v) = %q, %v; want %q", name, test.header, got, ok, test.want)
		}
	}
}

// Whatever a caller sends, the address that the trusted proxy appends to it is found.
func FuzzCaller(f *testing.F) {
	f.Add("198.51.100.9", "for=198.51.100.9")
	f.Add(`"`, `for="`)
	f.Add("[::1", `for="[::1]:99999, for=`)
	f.Fuzz(func(t *testing.T, list, elements string) {
		for header, sent := range map[string][]string{
			"X-Forwarded-For": {list + ", 192.0.2.1", list + ",192.0.2.1"},
			"Forwarded":       {elements + ", for=192.0.2.1", elements + `,for="192.0.2.1:80";proto=https`},
		} {
			for _, value := range sent {
				got, ok := trusted.Caller(http.Header{header: {value}}.Values)
				if !ok || got != "192.0.2.1" {
					t.Errorf("Caller(%s: %s) = %q, %v; want 192.0.2.1", header, value, got, ok)
				}
			}
		}
		both := http.Header{"X-Forwarded-For": {list}, "Forwarded": {elements}}
		if got, ok := trusted.Caller(both.Values); ok {
			if _, err := netip.ParseAddr(got); err != nil {
				t.Errorf("Caller(%v) = %q, which is not an address", both, got)
			}
		}
	})
}
