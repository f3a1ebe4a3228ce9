package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"key-value/client"
)

// Values of the flag --output.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputRaw   = "raw"
	outputNone  = "none"
)

// output is the value of the flag --output: the format of a result.
type output struct {
	format  string
	formats []string
}

// flags adds the flag to cmd. The first format is its default.
func (o *output) flags(cmd *cobra.Command, formats ...string) {
	o.format, o.formats = formats[0], formats
	cmd.Flags().VarP(o, "output", "o", "output format: "+oneOf(formats))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// unset leaves the format empty if the flag is not given, and describes what that means in the help.
func (o *output) unset(cmd *cobra.Command, means string) {
	o.format = ""
	f := cmd.Flags().Lookup("output")
	f.DefValue, f.Usage = "", f.Usage+"; default: "+means
}

// Set implements [pflag.Value].
func (o *output) Set(text string) error {
	if !slices.Contains(o.formats, text) {
		return fmt.Errorf("want %s", oneOf(o.formats))
	}
	o.format = text
	return nil
}

// String implements [pflag.Value].
func (o *output) String() string { return o.format }

// Type implements [pflag.Value].
func (o *output) Type() string { return "format" }

// oneOf joins words as in "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// entryJSON is an entry as commands print it and as import reads it, in the JSON of the message Entry.
type entryJSON struct {
	Key        string    `json:"key"`
	Value      *string   `json:"value,omitzero"` // the content, if it is UTF-8
	Data       []byte    `json:"data,omitzero"`  // the content otherwise
	ETag       string    `json:"etag,omitzero"`
	Revision   uint64    `json:"revision,string,omitzero"`
	UpdateTime time.Time `json:"updateTime,omitzero"`
	ExpireTime time.Time `json:"expireTime,omitzero"`
	TTL        seconds   `json:"ttl,omitzero"` // left when the entry was read
}

// seconds is a duration, in JSON in the form of the message Duration, such as "1.5s". Whatever parseDuration takes is read.
type seconds time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (s seconds) MarshalText() ([]byte, error) {
	return append(strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), 's'), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *seconds) UnmarshalText(text []byte) error {
	d, err := parseDuration(string(text))
	if err == nil && d <= 0 {
		err = fmt.Errorf("invalid TTL %q: want a positive duration, such as 60s", text)
	}
	*s = seconds(d)
	return err
}

func newEntryJSON(e client.Entry) entryJSON {
	entry := entryJSON{Key: e.Key, ETag: e.ETag, Revision: e.Revision, UpdateTime: e.UpdateTime, ExpireTime: e.ExpireTime, TTL: seconds(e.TTL)}
	switch text := string(e.Value); {
	case e.Value == nil:
	case utf8.ValidString(text):
		entry.Value = &text
	default:
		entry.Data = e.Value
	}
	return entry
}

// withoutValue returns the entry as a write answers it.
func withoutValue(e client.Entry) *entryJSON {
	e.Value = nil
	entry := newEntryJSON(e)
	return &entry
}

// printJSON writes v as one line of JSON, with escapes in place of what terminals do not show.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(escapeJSON(text), '\n'))
	return err
}

// The key is the last column, which needs no width: rows are printed before later ones are known.
func printHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%9s  %11s  %-26s  %s\n", "BYTES", "EXPIRES IN", "ETAG", "KEY")
	return err
}

func printRow(w io.Writer, e client.Entry, key string) error {
	if e.IsPrefix {
		_, err := fmt.Fprintf(w, "%9s  %11s  %-26s  %s\n", "-", "-", "-", key)
		return err
	}
	_, err := fmt.Fprintf(w, "%9d  %11s  %-26s  %s\n", len(e.Value), ttlLeft(e.TTL), e.ETag, key)
	return err
}

// The short table has what a listing has without its values.
func printShortHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%11s  %-20s  %s\n", "EXPIRES IN", "UPDATED", "KEY")
	return err
}

func printShortRow(w io.Writer, e client.Entry, key string) error {
	if e.IsPrefix {
		_, err := fmt.Fprintf(w, "%11s  %-20s  %s\n", "-", "-", key)
		return err
	}
	_, err := fmt.Fprintf(w, "%11s  %-20s  %s\n", ttlLeft(e.TTL), e.UpdateTime.UTC().Format(time.RFC3339), key)
	return err
}

// ttlLeft returns the time left until something expires, rounded for a person. Zero means that it never does.
func ttlLeft(left time.Duration) string {
	switch {
	case left == 0:
		return "never"
	case left < time.Second:
		return "<1s"
	case left < day:
		return left.Round(time.Second).String()
	default:
		return fmt.Sprintf("%dd%dh", left/day, left%day/time.Hour)
	}
}

// readable formats n with commas between groups of three digits.
func readable(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted returns n with the word for one or for several.
func counted(n int64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return readable(n) + " " + several
}

// entriesOf returns the number of n entries in words.
func entriesOf(n int64) string { return counted(n, "entry", "entries") }

// readableBytes formats n in the largest unit that it reaches.
func readableBytes(n int64) string {
	for i := len(byteUnits) - 1; i >= 0; i-- {
		if unit := byteUnits[i]; n >= 1<<unit.shift {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(int64(1)<<unit.shift), unit.suffix)
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

// failures counts operations and those that failed. The zero value is ready to use.
type failures struct {
	all, failed int
	first       error
}

// add counts an operation with its error, or nil.
func (f *failures) add(err error) {
	f.all++
	if err == nil {
		return
	}
	f.failed++
	if f.first == nil {
		f.first = err
	}
}

// err returns an error for all failures, or nil. It wraps the first, which determines the exit code.
func (f *failures) err() error {
	if f.failed == 0 || f.all == 1 {
		return f.first
	}
	return fmt.Errorf("%d of %d operations failed; first error: %w", f.failed, f.all, f.first)
}

func (f *failures) merge(other failures) {
	f.all += other.all
	f.failed += other.failed
	if f.first == nil {
		f.first = other.first
	}
}
