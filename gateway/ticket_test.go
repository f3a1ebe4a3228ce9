package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/gateway"
	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

var asJSON = []string{"Content-Type", "application/json"}

// ticketFor creates a ticket over REST. Body is that of the request.
func ticketFor(t *testing.T, url, body string, header ...string) string {
	t.Helper()
	got := askAs(t, http.MethodPost, url+"/v1/tickets", body, slices.Concat(asJSON, header)...)
	if got.status != http.StatusOK || got.field("ticket") == "" || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("POST /v1/tickets %s = %d %s, want a ticket that is not to be stored", body, got.status, got.body)
	}
	return got.field("ticket")
}

// events opens an event stream without an API key and returns a function that returns the next event and its id.
func events(t *testing.T, url string, header ...string) (next func() (event, id string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("GET %s = %v, %v", url, res, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() (event, id string) {
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				id = value
			case "event":
				event = value
			case "data":
				return event + " " + value, id
			}
		}
		return "end", ""
	}
}

// wantEvent waits for the next event that is not a sync, and returns its id.
func wantEvent(t *testing.T, next func() (event, id string), want string) string {
	t.Helper()
	event, id := next()
	for strings.HasPrefix(event, "sync ") {
		event, id = next()
	}
	if !strings.HasPrefix(event, want) {
		t.Fatalf("the next event is %q, want %s", event, want)
	}
	return id
}

func TestATicketOpensItsWatch(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			k := newKeyring(t)
			k.add("reader", "in/", read)
			url := k.start(arrangement.transport(t, newEngine(t)))
			put := func(key string) {
				t.Helper()
				if got := ask(t, http.MethodPut, url+"/v1/values/"+key, "x", "Content-Type", "text/plain"); got.status >= 300 {
					t.Fatalf("PUT = %d %s", got.status, got.body)
				}
			}
			tickets := map[string][2]string{
				"REST": {ticketFor(t, url, `{"prefix":"in/a","ttl":"1h"}`, k.header("reader")...), ticketFor(t, url, `{"key":"in/a"}`, k.header("reader")...)},
				// The one key with all rights has no record in the file.
				"the key with all rights": {
					ticketFor(t, url, `{"prefix":"in/a"}`, "x-api-key", apiKey), ticketFor(t, url, `{"key":"in/a"}`, "x-api-key", apiKey),
				},
			}
			for _, wire := range wiretest.Wires() {
				kv := wire.Dial(t, url, k.header("reader")...)
				create := func(req *keyvaluev1.CreateTicketRequest) string {
					before := time.Now()
					res, err := kv.CreateTicket(t.Context(), req)
					if err != nil {
						t.Fatal(err)
					}
					if left := res.GetExpireTime().AsTime().Sub(before); left < contract.DefaultTicketTTL-time.Second {
						t.Errorf("the ticket expires in %v, want 5 minutes unless the request says otherwise", left)
					}
					return res.GetTicket()
				}
				tickets[wire.Name] = [2]string{
					create(&keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Prefix{Prefix: "in/a"}}),
					create(&keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Key{Key: "in/a"}}),
				}
			}
			for by, ticket := range tickets {
				byPrefix, byKey := url+"/v1/values:watch?ticket="+ticket[0], url+"/v1/values:watch?ticket="+ticket[1]
				ofPrefix, ofKey := events(t, byPrefix), events(t, byKey)
				for _, next := range []func() (string, string){ofPrefix, ofKey} {
					if event, _ := next(); !strings.HasPrefix(event, "sync ") {
						t.Errorf("%s: the stream begins with %q, want sync", by, event)
					}
				}
				put("in/")
				put("in/ab")
				put("in/a")
				id := wantEvent(t, ofPrefix, `put {"key":"in/ab"`)
				wantEvent(t, ofPrefix, `put {"key":"in/a"`)
				wantEvent(t, ofKey, `put {"key":"in/a"`)
				wantEvent(t, events(t, byPrefix, "Last-Event-ID", id), `put {"key":"in/a"`)
				wantEvent(t, events(t, byPrefix+"&lastEventId="+id), `put {"key":"in/a"`)
				wantEvent(t, events(t, byPrefix+"&resumeToken="+id), `put {"key":"in/a"`)
				wantEvent(t, events(t, byPrefix+"&snapshot=true"), `put {"key":"in/a"`)
				// A ticket decides alone, even beside a key that is not valid, such as one for a proxy on the way.
				wantEvent(t, events(t, byPrefix+"&snapshot", "Authorization", "Basic Zm9v"), `put {"key":"in/a"`)
				for _, key := range []string{"in/", "in/a", "in/ab"} {
					ask(t, http.MethodDelete, url+"/v1/values/"+key, "")
				}
			}
		})
	}
}

func TestATicketOpensNothingElse(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.add("all", "", read|write)
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	ticket := ticketFor(t, url, `{"prefix":"a/"}`, k.header("all")...)
	for _, route := range append(rest.Routes(), rest.Route{Method: http.MethodHead, Path: "/v1/values:watch"}) {
		path := strings.ReplaceAll(route.Path, "{key}", "a/b")
		if route.Public() || route.Method == http.MethodGet && path == "/v1/values:watch" {
			continue
		}
		for _, header := range [][]string{nil, {"x-api-key", ticket}, {"authorization", "Bearer " + ticket}} {
			if got := askAs(t, route.Method, url+path+"?ticket="+ticket, "", header...); got.status != http.StatusUnauthorized &&
				(got.status != http.StatusMethodNotAllowed || path != "/v1/values:watch") {
				t.Errorf("%s %s with a ticket = %d %s, want 401", route.Method, path, got.status, got.body)
			}
		}
	}
	for _, wire := range wiretest.Wires() {
		for name, call := range calls {
			if err := call(t.Context(), wire.Dial(t, url, "x-api-key", ticket), "a/"); contract.ReasonOf(err) != contract.APIKeyInvalid {
				t.Errorf("%s over %s with a ticket for a key = %v, want API_KEY_INVALID", name, wire.Name, err)
			}
		}
	}
}

func TestBadTickets(t *testing.T) {
	t.Parallel()
	k := ring(t)
	k.add("brief", "", read, func(r *auth.Record) { r.Expires = time.Now().Add(time.Hour) })
	k.add("rotated", "", read)
	k.add("slow", "", read, func(r *auth.Record) { r.RequestsPerSecond = 0.001 })
	k.add("shrunk", "in/", read)
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	create := func(body string, header ...string) answer {
		return askAs(t, http.MethodPost, url+"/v1/tickets", body, slices.Concat(asJSON, header)...)
	}
	for _, test := range []struct {
		name, id, body string
		status         int
		want           contract.Reason
	}{
		{"zero TTL", "reader", `{"prefix":"","ttl":"0s"}`, 400, contract.TTLInvalid},
		{"negative TTL", "reader", `{"prefix":"","ttl":"-1s"}`, 400, contract.TTLInvalid},
		{"more than an hour", "reader", `{"prefix":"","ttl":"1h0m1s"}`, 400, contract.TTLInvalid},
		{"a TTL that overflows", "reader", `{"prefix":"","ttl":"9999999999h"}`, 400, contract.TTLInvalid},
		{"a TTL without a unit", "reader", `{"prefix":"","ttl":"60"}`, 400, contract.TTLInvalid},
		{"a number as the TTL", "reader", `{"prefix":"","ttl":60}`, 400, contract.RequestInvalid},
		{"both a key and a prefix", "reader", `{"prefix":"","key":"a"}`, 400, contract.RequestInvalid},
		{"neither a key nor a prefix", "reader", `{"ttl":"1m"}`, 400, contract.RequestInvalid},
		{"an unknown member", "reader", `{"prefix":"","tll":"1m"}`, 400, contract.RequestInvalid},
		{"no JSON", "reader", `prefix=`, 400, contract.RequestInvalid},
		{"an empty key", "reader", `{"key":""}`, 400, contract.KeyInvalid},
		{"a key that no entry can have", "reader", `{"key":"a/../b"}`, 400, contract.KeyInvalid},
		{"a prefix that no key can have", "reader", `{"prefix":"\u0000"}`, 400, contract.KeyInvalid},
		{"a prefix that is too long", "reader", `{"prefix":"` + strings.Repeat("x", 1025) + `"}`, 400, contract.KeyInvalid},
		{"more than the grants", "inside", `{"prefix":"i"}`, 403, contract.PermissionDenied},
		{"a key outside the grants", "inside", `{"key":"out"}`, 403, contract.PermissionDenied},
		{"a key that may not read", "writer", `{"prefix":"in/"}`, 403, contract.PermissionDenied},
		{"a revoked key", "revoked", `{"prefix":""}`, 401, contract.APIKeyInvalid},
		{"no key", "", `{"prefix":""}`, 401, contract.APIKeyInvalid},
	} {
		if got := create(test.body, k.header(test.id)...); got.status != test.status || got.field("reason") != string(test.want) {
			t.Errorf("creating a ticket with %s = %d %s, want %d %s", test.name, got.status, got.body, test.status, test.want)
		}
	}
	for _, wire := range wiretest.Wires() {
		kv := wire.Dial(t, url, k.header("reader")...)
		for _, ttl := range []*durationpb.Duration{{}, {Seconds: -1}, {Nanos: -1}, {Seconds: 3600, Nanos: 1}, {Seconds: 1 << 60}, {Seconds: 1, Nanos: -1}} {
			_, err := kv.CreateTicket(t.Context(), &keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Key{Key: "a"}, Ttl: ttl})
			// JSON has no form for some of these, so its decoder rejects them.
			if why := contract.ReasonOf(err); why != contract.TTLInvalid && connect.CodeOf(err) != connect.CodeInvalidArgument &&
				connect.CodeOf(err) != connect.CodeInternal {
				t.Errorf("CreateTicket for %v over %s = %v, want TTL_INVALID", ttl, wire.Name, err)
			}
		}
		_, err := kv.CreateTicket(t.Context(), &keyvaluev1.CreateTicketRequest{})
		if contract.ReasonOf(err) != contract.RequestInvalid {
			t.Errorf("CreateTicket for nothing over %s = %v, want REQUEST_INVALID", wire.Name, err)
		}
	}

	good := ticketFor(t, url, `{"prefix":"in/"}`, k.header("reader")...)
	expired := ticketFor(t, url, `{"prefix":"in/","ttl":"1ms"}`, k.header("reader")...)
	made := map[string]string{}
	for _, id := range []string{"brief", "rotated", "slow", "shrunk"} {
		made[id] = ticketFor(t, url, `{"prefix":"in/"}`, k.header(id)...)
	}
	k.edit(func(f *auth.File) {
		f.Find("brief").Expires = time.Now().Add(-time.Second)
		f.Find("rotated").SHA256 = auth.HashOf("another")
		f.Find("shrunk").Grants[0].Prefix = "in/side/"
	})
	await(t, "the keys file is read", func() bool {
		return askAs(t, http.MethodGet, url+"/v1/caller", "", k.header("rotated")...).status == http.StatusUnauthorized
	})
	tests := []struct {
		name, query string
		status      int
		want        contract.Reason
	}{
		{"an empty ticket", "ticket=", 401, contract.TicketInvalid},
		{"no ticket", "prefix=in/", 401, contract.APIKeyInvalid},
		{"an API key as the ticket", "ticket=" + k.key["reader"], 401, contract.TicketInvalid},
		{"a text that is no ticket", "ticket=nope", 401, contract.TicketInvalid},
		{"a long text", "ticket=kvt_" + strings.Repeat("A", 8000), 401, contract.TicketInvalid},
		{"a bad ticket first", "ticket=x&ticket=" + good, 401, contract.TicketInvalid},
		{"two tickets", "ticket=" + good + "&ticket=x", 400, contract.RequestInvalid},
		{"a ticket and a prefix", "ticket=" + good + "&prefix=in/", 400, contract.RequestInvalid},
		{"a ticket and a key", "ticket=" + good + "&key=in/a", 400, contract.RequestInvalid},
		{"an unknown parameter", "ticket=" + good + "&x=1", 400, contract.RequestInvalid},
		{"a malformed query", "ticket=" + good + "&%zz", 400, contract.RequestInvalid},
		{"a damaged resume token", "ticket=" + good + "&resumeToken=x", 400, contract.RequestInvalid},
		{"a resume token of another store", "ticket=" + good + "&resumeToken=1-1-ab1c0c60", 410, contract.ResumeTooOld},
		{"an expired ticket", "ticket=" + expired, 401, contract.TicketInvalid},
		{"a ticket of a key that has expired", "ticket=" + made["brief"], 401, contract.TicketInvalid},
		{"a ticket of a key that was rotated", "ticket=" + made["rotated"], 401, contract.TicketInvalid},
		{"a ticket of a key whose rights shrank", "ticket=" + made["shrunk"], 403, contract.PermissionDenied},
		{"a ticket of a key over its rate", "ticket=" + made["slow"], 429, contract.RateLimited},
	}
	for i := 0; i < len(good); i++ {
		cut, flipped := good[:i], good[:i]+"z"+good[i+1:]
		tests = append(tests, struct {
			name, query string
			status      int
			want        contract.Reason
		}{"a ticket cut after " + strconv.Itoa(i), "ticket=" + cut, 401, contract.TicketInvalid})
		if flipped != good {
			tests = append(tests, struct {
				name, query string
				status      int
				want        contract.Reason
			}{"a ticket with another character at " + strconv.Itoa(i), "ticket=" + flipped, 401, contract.TicketInvalid})
		}
	}
	for _, test := range tests {
		got := askAs(t, http.MethodGet, url+"/v1/values:watch?"+test.query, "")
		if got.status != test.status || got.field("reason") != string(test.want) || strings.Contains(got.body, "kvt_") {
			t.Errorf("%s: %d %s, want %d %s and no ticket in it", test.name, got.status, got.body, test.status, test.want)
		}
		if strings.Contains(test.query, "ticket=") && got.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: the response lets a browser send the URL as a referrer", test.name)
		}
	}
	if got := askAs(t, http.MethodGet, url+"/v1/values:watch?ticket="+expired, ""); !strings.Contains(got.body, "has expired") {
		t.Errorf("an expired ticket gets %s, want it to say so", got.body)
	}
}

// A stream ends when its ticket does, or the key that made it loses the right.
func TestAStreamEndsWithItsTicket(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ttl    string
		change func(*auth.Record)
		want   contract.Reason
		then   int
	}{
		"revoked": {"1h", func(r *auth.Record) { r.Status = auth.Revoked }, contract.TicketInvalid, 401},
		"rotated": {"1h", func(r *auth.Record) { r.SHA256 = auth.HashOf("another") }, contract.TicketInvalid, 401},
		"shrunk":  {"1h", func(r *auth.Record) { r.Grants[0].Prefix = "in/side/" }, contract.PermissionDenied, 403},
		"expired": {"10s", nil, contract.TicketInvalid, 401},
	} {
		for _, arrangement := range arrangements {
			t.Run(name+"/"+arrangement.name, func(t *testing.T) {
				t.Parallel()
				k := newKeyring(t)
				k.add("lost", "in/", read)
				url := k.start(arrangement.transport(t, newEngine(t)))
				target := url + "/v1/values:watch?ticket=" + ticketFor(t, url, `{"prefix":"in/","ttl":"`+test.ttl+`"}`, k.header("lost")...)
				end := watchedOverREST(t, target)
				if test.change != nil {
					k.edit(func(f *auth.File) { test.change(f.Find("lost")) })
				}
				if last := <-end; !strings.Contains(last, string(test.want)) {
					t.Errorf("the event stream ended with %q, want %s", last, test.want)
				}
				if got := askAs(t, http.MethodGet, target, ""); got.status != test.then || got.field("reason") != string(test.want) {
					t.Errorf("opening it again = %d %s, want %d %s", got.status, got.body, test.then, test.want)
				}
			})
		}
	}
}

// The ticket of the key with all rights ends its stream too, although that key is in no file.
func TestATicketOfTheKeyWithAllRightsExpires(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	ticketFor(t, url, `{"prefix":""}`, "x-api-key", apiKey) // the first one takes long
	end := watchedOverREST(t, url+"/v1/values:watch?ticket="+ticketFor(t, url, `{"prefix":"","ttl":"10s"}`, "x-api-key", apiKey))
	if last := <-end; !strings.Contains(last, "TICKET_INVALID") || !strings.Contains(last, "has expired") {
		t.Errorf("the event stream ended with %q, want TICKET_INVALID", last)
	}
}

// Gateways share nothing but their keys.
func TestEveryGatewayWithTheSameKeysAcceptsATicket(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		engine := newEngine(t)
		k := newKeyring(t)
		k.add("reader", "", read)
		k.add("previous", "", read, func(r *auth.Record) {
			old := k.key["previous"]
			r.SHA256, r.Previous = auth.HashOf(auth.Generate("previous")), &auth.Previous{SHA256: auth.HashOf(old), Expires: time.Now().Add(time.Hour)}
		})
		one, two := k.start(arrangement.transport(t, engine)), k.start(arrangement.transport(t, engine))
		other := k.start(arrangement.transport(t, engine), func(c *auth.Config) { c.Secret = "another-key" })
		for name, header := range map[string][]string{
			"a key of the file": k.header("reader"), "a rotated key": k.header("previous"), "the key with all rights": {"x-api-key", apiKey},
		} {
			ticket := ticketFor(t, one, `{"prefix":""}`, header...)
			if event, _ := events(t, two+"/v1/values:watch?ticket="+ticket)(); !strings.HasPrefix(event, "sync ") {
				t.Errorf("%s: a ticket of %s opens a stream that begins with %q", arrangement.name, name, event)
			}
			if name != "the key with all rights" {
				continue
			}
			if got := askAs(t, http.MethodGet, other+"/v1/values:watch?ticket="+ticket, ""); got.field("reason") != "TICKET_INVALID" {
				t.Errorf("%s: a ticket of %s at a gateway with another = %d %s, want TICKET_INVALID", arrangement.name, name, got.status, got.body)
			}
		}
	}
}

// A ticket does not outlive the key that makes it.
func TestATicketExpiresWithItsKey(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	soon := time.Now().Add(10 * time.Minute).Truncate(time.Second).UTC()
	k.add("brief", "", read, func(r *auth.Record) { r.Expires = soon })
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	got := askAs(t, http.MethodPost, url+"/v1/tickets", `{"prefix":"","ttl":"1h"}`, slices.Concat(asJSON, k.header("brief"))...)
	if got.field("expireTime") != soon.Format(time.RFC3339) {
		t.Errorf("the ticket is %s, want it to expire with its key, at %v", got.body, soon)
	}
}

// A watch opened with a ticket counts as one of the key that made it.
func TestTicketsShareTheWatchesOfTheirKey(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		k := newKeyring(t)
		k.add("greedy", "", read)
		k.add("modest", "", read)
		url := k.start(transport(t, stuck{newEngine(t), nil}, admission.New(admission.Config{Watches: 16})))
		ticket := ticketFor(t, url, `{"prefix":""}`, k.header("greedy")...)
		n := 0
		for ; n < 16; n++ {
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/values:watch?ticket="+ticket, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = res.Body.Close() })
			if res.StatusCode == http.StatusServiceUnavailable {
				break
			}
		}
		if n != 12 {
			t.Errorf("%s: tickets of one key opened %d watches, want 12 of 16", where, n)
		}
		if event, _ := events(t, url+"/v1/values:watch?ticket="+ticketFor(t, url, `{"prefix":""}`, k.header("modest")...))(); !strings.HasPrefix(event, "sync ") {
			t.Errorf("%s: a watch of another key begins with %q, want it to open", where, event)
		}
	}
}

// A stream of a page of another origin is allowed where a call with an API key is. EventSource sends no preflight request.
func TestTicketsFollowTheRulesForOrigins(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)), func(c *gateway.Config) { c.Origins = []string{page} })
	ticket := ticketFor(t, url, `{"prefix":""}`, "x-api-key", apiKey)
	for origin, want := range map[string]string{page: page, "https://evil.example": ""} {
		for _, target := range []string{"/v1/values:watch?ticket=" + ticket, "/v1/values:watch?ticket=x"} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("a stream (%d) of a page of %s is allowed for %q, want %q", res.StatusCode, origin, got, want)
			}
		}
	}
}
