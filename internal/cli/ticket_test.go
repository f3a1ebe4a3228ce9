package cli

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestTicketsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	for name, start := range arrangements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"KV_URL": start(t).url, "KV_API_KEY": "secret"}
			for _, step := range []struct {
				line string
				want wants
			}{
				{"ticket a", wants{out: `kvt_[0-9A-Za-z_-]{60,}\n`}},
				{"ticket --prefix a/ --ttl 1h", wants{out: `kvt_[0-9A-Za-z_-]{60,}\n`}},
				{"ticket --prefix a/ -o json", wants{out: `\{"ticket":"kvt_[0-9A-Za-z_-]{60,}","expireTime":"20\S+Z"\}\n`}},
				{"ticket", wants{2, "", `kv: nothing to watch: want either KEY or --prefix PREFIX .*\n`}},
				{"ticket a --prefix b", wants{2, "", `kv: more than one thing to watch: want either KEY or --prefix PREFIX\n`}},
				{"ticket a b", wants{2, "", `kv: accepts at most 1 arg\(s\), received 2: want kv ticket .*\n`}},
				{"ticket a --ttl x", wants{2, "", `kv: invalid argument "x" for "--ttl" flag: want a duration, such as .*\n`}},
				{"ticket a --ttl 0", wants{2, "", `kv: invalid argument "0" for "--ttl" flag: want more than 0 and at most 1h\n`}},
				{"ticket a --ttl=-1s", wants{2, "", `kv: invalid argument "-1s" for "--ttl" flag: want more than 0 and at most 1h\n`}},
				{"ticket a --ttl 1d", wants{2, "", `kv: invalid argument "1d" for "--ttl" flag: want more than 0 and at most 1h\n`}},
			} {
				check(t, env, "", step.line, step.want)
			}
		})
	}
}

// A ticket is in URLs, so it must be in nothing that is written about requests.
func TestATicketIsNeverRecorded(t *testing.T) {
	c := collect(t)
	service := startObserved(t, c.with(map[string]string{"KV_SERVICE_TOKEN": "token"}), "kvservice", "--log-level", "debug")
	gateway := startObserved(t, c.with(map[string]string{
		"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url,
	}), "gateway", "--log-level", "debug")
	env := map[string]string{"KV_URL": gateway.url, "KV_API_KEY": "secret"}
	ticket := strings.TrimSpace(kv(t, env, "", "ticket", "--prefix", "").out)
	if !strings.HasPrefix(ticket, "kvt_") {
		t.Fatalf("kv ticket printed %q", ticket)
	}
	secret := ticket[len(ticket)-20:] // of the signature, which also ends parts of the ticket
	watch, err := http.Get(gateway.url + "/v1/values:watch?ticket=" + ticket)
	if err != nil || watch.StatusCode != http.StatusOK {
		t.Fatalf("the watch = %v, %v", watch, err)
	}
	if line, err := bufio.NewReader(watch.Body).ReadString('\n'); err != nil || line == "" {
		t.Fatal(err)
	}
	watch.Body.Close()
	for _, path := range []string{
		"/v1/values:watch?ticket=x" + ticket, "/v1/values:watch?ticket=" + ticket + "&prefix=", "/v1/values:watch?ticket=" + ticket + "&ticket=" + ticket,
		"/v1/values:watch?ticket=" + ticket + "&%zz", "/v1/values:watch?ticket=" + ticket + ";a", "/v1/values:watch?Ticket=" + ticket,
		"/v1/values?ticket=" + ticket, "/v1/nowhere?ticket=" + ticket, "/health?ticket=" + ticket, "/nowhere?ticket=" + ticket,
		"/?ticket=" + ticket, "/keyvalue.v1.KeyValueService/Get?ticket=" + ticket, "//v1/values:watch?ticket=" + ticket,
	} {
		if status, body := fetch(t, gateway.url+path); strings.Contains(body, secret) {
			t.Errorf("GET %s = %d, with the ticket in its body: %s", path, status, body)
		}
	}
	form := url.Values{"ticket": {ticket}}.Encode()
	if res, err := http.Post(gateway.url+"/v1/values:watch?"+form, "text/plain", strings.NewReader("x")); err == nil {
		res.Body.Close()
	}
	for _, server := range []observed{gateway, service} {
		if _, metrics := fetch(t, server.admin+"/metrics"); strings.Contains(metrics, secret) || !strings.Contains(metrics, "kv_") {
			t.Error("the metrics contain the ticket, or nothing")
		}
		server.stop()
		<-server.code // all spans have been sent by then
		if log := server.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "msg=") {
			t.Errorf("the log contains the ticket, or nothing: %s", log)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	watched := false
	for _, s := range c.spans {
		watched = watched || strings.Contains(s.name, ":watch")
		if strings.Contains(s.attributes, secret) {
			t.Errorf("a span contains the ticket: %s", s.attributes)
		}
	}
	if !watched {
		t.Errorf("no watch was traced: %v", c.spans)
	}
}
