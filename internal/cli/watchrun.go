package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"key-value/client"
)

// maxValueVariable is the longest value that a command finds in its environment, in bytes. Linux takes 128 KiB a variable.
const maxValueVariable = 64 << 10

// commandPatience is how long a command may go on after the watch was interrupted, and how long others may hold its
// standard input open after its end.
const commandPatience = 5 * time.Second

// run runs the command for event and waits for its end.
func (w *watcher) run(ctx context.Context, event client.Event) error {
	return child{
		words: w.command, env: slices.Concat(w.environment, eventVariables(event)), in: bytes.NewReader(event.Entry.Value),
		out: w.out, log: w.log, grace: commandPatience,
	}.run(ctx)
}

// eventVariables returns the variables that describe event to a command. Those that do not apply are empty rather than
// absent, because the environment of kv may have them.
func eventVariables(event client.Event) []string {
	value, expires := string(event.Entry.Value), ""
	if len(value) > maxValueVariable || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		value = ""
	}
	if t := event.Entry.ExpireTime; !t.IsZero() {
		expires = t.Format(time.RFC3339Nano)
	}
	return []string{
		"KV_EVENT_TYPE=" + string(event.Type),
		"KV_EVENT_KEY=" + event.Entry.Key,
		"KV_EVENT_VALUE=" + value,
		"KV_EVENT_ETAG=" + event.Entry.ETag,
		"KV_EVENT_EXPIRE_TIME=" + expires,
		"KV_EVENT_RESUME_TOKEN=" + event.ResumeToken,
	}
}
