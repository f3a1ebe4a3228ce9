package cli

import (
	"strings"
	"testing"

	"key-value/internal/contract"
)

func TestABatchPrintsAResultPerLine(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, strings.Join([]string{
		`{"set":{"key":"a","value":"1","ttl":"60s"}}`,
		`{"get":{"key":"a"}}`,
		``,
		`{"get":{"key":"b"}}`,
		`{"increment":{"key":"a","delta":"4"}}`,
		`{"increment":{"key":"n","delta":4,"initial":"-5","ttl":"60s"}}`,
		`{"touch":{"key":"a"}}`,
		`{"set":{"key":"c","data":"/wA=","precondition":{"exists":false}}}`,
		`{"set":{"key":"c","data":"","precondition":{"exists":false}}}`,
		`{"get":{"key":"c"}}`,
		`{"delete":{"key":"a","precondition":{"etag":"x"}}}`,
		`{"delete":{"key":"a","precondition":{"exists":true}}}`,
		`{"touch":{"key":"a","ttl":"-1s"}}`,
	}, "\r\n"), "batch", wants{3, strings.Join([]string{
		`\{"set":\{"entry":\{"key":"a","etag":"\S+","revision":"\d+","updateTime":"\S+","expireTime":"\S+","ttl":"\S+s"\},"created":true\}\}`,
		`\{"get":\{"entry":\{"key":"a","value":"1","etag":"\S+","revision":"\d+","updateTime":"\S+","expireTime":"\S+","ttl":"\S+s"\}\}\}`,
		`\{"error":\{"code":"not_found","message":"there is no key \\"b\\"","reason":"KEY_NOT_FOUND"\}\}`,
		`\{"increment":\{"value":"5","entry":\{"key":"a",\S+\}\}\}`,
		`\{"increment":\{"value":"-1","entry":\{"key":"n",\S+"expireTime":\S+\}\}\}`,
		`\{"touch":\{"entry":\{"key":"a","etag":"[^"]+","revision":"\d+","updateTime":"[^"]+"\}\}\}`,
		`\{"set":\{"entry":\{"key":"c",\S+\},"created":true\}\}`,
		`\{"error":\{"code":"already_exists",.*"reason":"KEY_EXISTS"\}\}`,
		`\{"get":\{"entry":\{"key":"c","data":"/wA=",\S+\}\}\}`,
		`\{"error":\{"code":"aborted",.*"reason":"ETAG_MISMATCH"\}\}`,
		`\{"delete":\{"deleted":true,"revision":"\d+"\}\}`,
		`\{"error":\{"code":"invalid_argument",.*"reason":"TTL_INVALID"\}\}`,
	}, "\n") + "\n", `kv: 4 of 12 operations failed; first error: line 4: there is no key "b"\n`})
}

func TestAnInvalidLineEndsABatchAfterTheLinesBeforeIt(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for line, why := range map[string]string{
		`{"get":`:             `invalid operation: .*; want an object such as .*`,
		`{}`:                  `an operation must set exactly one of get, set, delete, touch, increment; got none`,
		`{"set":{"key":"a"}}`: `invalid set: want value or data`,
		`{"set":{"kye":"a"}}`: `invalid operation: .*unknown field "kye"; want .*`,
		`[1]`:                 `.*`,
		`{"delete":{"key":"a","precondition":{}}}`: `invalid precondition: want etag or exists`,
	} {
		in := `{"set":{"key":"done","value":"1"}}` + "\n\n" + line + "\n" + `{"set":{"key":"not","value":"1"}}`
		check(t, env, in, "batch", wants{1, `\{"set":[^\n]*\n`, `kv: line 3 of standard input: ` + why + `\n`})
		check(t, env, "", "ls --keys", wants{out: "done\n"})
		check(t, env, "", "del done", wants{})
		check(t, env, in, "batch --atomic", wants{1, ``, `kv: line 3 of standard input: ` + why + `\n`})
		check(t, env, "", "ls --keys", wants{})
	}
}

func TestAnAtomicBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, `{"set":{"key":"a","value":"1"}}`+"\n\n"+`{"delete":{"key":"b","precondition":{"exists":true}}}`, "batch --atomic",
		wants{6, "", `kv: nothing was changed; line 3 failed: .*\n`})
	check(t, env, "", "ls --keys", wants{})
	check(t, env, `{"set":{"key":"a","value":"1"}}`+"\n"+`{"get":{"key":"a"}}`, "batch --atomic", wants{out: `\{"set":[^\n]*\n\{"get":[^\n]*\n`})
	check(t, env, `{"set":{"key":"a","value":"1","ttl":"3600s"}}`+"\n"+`{"set":{"key":"a","value":"2","keepTtl":true}}`, "batch --atomic",
		wants{out: `(\{"set":[^\n]*"ttl":[^\n]*\n){2}`})
	check(t, env, `{"get":{"key":"nope","allowMissing":true}}`+"\n"+`{"get":{"key":"a","allowMissing":true}}`, "batch --atomic",
		wants{out: `\{"get":\{\}\}\n\{"get":\{"entry":[^\n]*\n`})
	check(t, env, "", "batch --atomic", wants{})
	check(t, env, strings.Repeat(`{"set":{"key":"b","value":"1"}}`+"\n", 1001), "batch --atomic",
		wants{1, "", `kv: line 1001 exceeds the limit of 1000 operations in an atomic batch: nothing was changed\n`})
	check(t, env, "", "ls --keys", wants{out: "a\n"})
}

func TestABatchTakesTheUnitsOfTTLs(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for ttl, left := range map[string]string{"1d": `24h0m0s|23h59m\d+s`, "90m": `1h30m0s|1h29m\d+s`, "3600s": `1h0m0s|59m\d+s`} {
		check(t, env, `{"set":{"key":"`+ttl+`","value":"\"ttl\":\"1x\"","ttl":"`+ttl+`"}}`, "batch", wants{out: `\{"set":.*\}\n`})
		check(t, env, "", "get "+ttl, wants{out: `"ttl":"1x"`})
		check(t, env, "", "ttl "+ttl, wants{out: "(" + left + `)\n`})
	}
	check(t, env, `{"set":{"key":"a","value":"","ttl":"1y"}}`, "batch", wants{
		1, "", `kv: line 1 .*: field /set/ttl: invalid duration "1y": want a duration, such as 90s, 5m, 24h, 7d or 2w; .*\n`,
	})
	check(t, env, `{"increment":{"key":"n","delta":"1","ttl":"1.5s"}}`, "batch", wants{out: `\{"increment":.*\}\n`})
}

func TestABatchWithoutAStore(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KV_URL": "http://127.0.0.1:1"}
	check(t, env, `{"get":{"key":"a"}}`, "batch", wants{5, "", `kv: outcome of line 1 unknown: .*\n`})
	env = serving(t)
	env["KV_API_KEY"] = "wrong"
	check(t, env, `{"get":{"key":"a"}}`, "batch", wants{4, "", `kv: line 1 did not run: .*\n`})
}

func TestABatchReadsEveryOperationOfTheContract(t *testing.T) {
	t.Parallel()
	for _, m := range contract.Methods() {
		if m.Batchable() && (forms[m].read == nil || forms[m].write == nil) {
			t.Errorf("kv batch does not support %s", m.Name)
		}
	}
}
