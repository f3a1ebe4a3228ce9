package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"key-value/client"
)

// column is a column of a list. Its cells are aligned to the right if they are numbers.
type column struct {
	head    string
	width   int  // in cells of a terminal; zero for a column that shares what the others leave
	left    bool // alignment
	atLeast int  // width of the list from which on the column is shown
}

// topSection is one list of kv top: a line of heads, and rows.
type topSection struct {
	columns []column
	total   string     // shown at the end of the line of heads, if there is room
	rows    [][]string // cells of each row, escaped
	none    string     // shown if there are no rows
}

// topSections returns the lists of stats.
func topSections(s client.KeyStats) []topSection {
	return []topSection{trafficSection("READS/S", s.Reads), trafficSection("WRITES/S", s.Writes), sizeSection(s.Sizes), slowSection(s.SlowCalls)}
}

func trafficSection(head string, t client.KeyTraffic) topSection {
	s := topSection{
		columns: []column{{head: head, width: 9}, {head: "SHARE", width: 6}, {head: "KEY", left: true}},
		total:   rate(t.PerSecond) + "/s in all",
		none:    "none in the last minutes",
	}
	for _, k := range t.Keys {
		s.rows = append(s.rows, []string{rate(k.PerSecond), rate(100*k.Share) + " %", shellSafe(k.Key)})
	}
	return s
}

func sizeSection(sizes client.PrefixSizes) topSection {
	s := topSection{
		columns: []column{{head: "MEMORY", width: 9}, {head: "ENTRIES", width: 11}, {head: "PREFIX", left: true}},
		total:   fmt.Sprintf("%s in %s", readableBytes(sizes.Bytes), entriesOf(sizes.Entries)),
		none:    `no key contains "/"`,
	}
	about := "" // before a number that is an estimate
	if !sizes.Exact {
		about = "~"
	}
	if !sizes.Known {
		s.total, s.none = "", "not known: "+escape(sizes.UnknownReason)
	}
	prefixes := slices.SortedStableFunc(slices.Values(sizes.Prefixes), func(a, b client.PrefixSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	for _, p := range prefixes {
		s.rows = append(s.rows, []string{about + readableBytes(p.Bytes), about + readable(p.Entries), shellSafe(p.Prefix)})
	}
	return s
}

func slowSection(calls []client.SlowCall) topSection {
	s := topSection{
		columns: []column{
			{head: "SLOWEST", width: 9}, {head: "AGO", width: 5}, {head: "METHOD", width: 11, left: true},
			{head: "CODE", width: 18, left: true, atLeast: 96}, {head: "KEY", left: true}, {head: "REQUEST ID", width: 16, left: true, atLeast: 64},
		},
		none: "none in the last minutes",
	}
	for _, c := range calls {
		method := escape(c.Method)
		if c.Operations > 1 {
			method += fmt.Sprintf("(%d)", c.Operations)
		}
		s.rows = append(s.rows, []string{
			brief(c.Duration), ago(c.Age), method, escape(c.Code), shellSafe(c.Key), cmp.Or(escape(c.RequestID), "-"),
		})
	}
	return s
}

// lines returns the section as at most height lines of width cells, the first of which has the heads. A width of zero means
// that there is no limit, and all columns are whole.
func (s topSection) lines(width, height int) []string {
	columns, widths := s.layout(width)
	heads := make([]string, len(s.columns))
	for i, c := range s.columns {
		heads[i] = c.head
	}
	lines := []string{s.line(columns, widths, heads)}
	if room := width - cells(lines[0]); width > 0 && room > cells(s.total)+1 {
		lines[0] += strings.Repeat(" ", room-cells(s.total)) + s.total
	} else if width == 0 && s.total != "" {
		lines[0] += "   (" + s.total + ")"
	}
	for _, row := range s.rows {
		lines = append(lines, s.line(columns, widths, row))
	}
	if len(s.rows) == 0 {
		lines = append(lines, fitted("  "+s.none, width))
	}
	return lines[:min(len(lines), max(0, height))]
}

// layout returns the indices of the columns that are shown, and their widths, where zero means no limit.
func (s topSection) layout(width int) (shown, widths []int) {
	rest, sharing := width, 0
	for i, c := range s.columns {
		if width == 0 || width >= c.atLeast {
			shown = append(shown, i)
			rest -= c.width + len(columnGap)
			if c.width == 0 {
				sharing++
			}
		}
	}
	rest += len(columnGap)
	for _, i := range shown {
		w := s.columns[i].width
		switch {
		case width == 0 && s.columns[i].left:
			w = s.widest(i)
		case w == 0:
			w = max(1, rest/sharing)
		}
		widths = append(widths, w)
	}
	return shown, widths
}

// widest returns the width of a column in which everything is whole.
func (s topSection) widest(column int) int {
	w := cells(s.columns[column].head)
	for _, row := range s.rows {
		w = max(w, cells(row[column]))
	}
	return w
}

const columnGap = "  "

// line returns a line of the cells of the columns that are shown.
func (s topSection) line(columns, widths []int, row []string) string {
	var b strings.Builder
	for n, i := range columns {
		text := fitted(row[i], widths[n])
		pad := strings.Repeat(" ", max(0, widths[n]-cells(text)))
		if n > 0 {
			b.WriteString(columnGap)
		}
		if s.columns[i].left {
			b.WriteString(text + pad)
		} else {
			b.WriteString(pad + text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// fitted returns text, or its beginning if it takes more than width cells. Zero means no limit.
func fitted(text string, width int) string {
	if width == 0 || cells(text) <= width {
		return text
	}
	taken := 0
	for i, r := range text {
		if taken += runeCells(r); taken > width-1 {
			return text[:i] + "…"
		}
	}
	return text
}

// cells returns how many cells of a terminal text takes. What terminals do not show is escaped before.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

// wideScripts are those whose characters take two cells.
var wideScripts = []*unicode.RangeTable{unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi}

func runeCells(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, wideScripts...), 0x3000 <= r && r < 0x3040, 0xff00 <= r && r < 0xff61, 0xffe0 <= r && r < 0xffe7, 0x1f000 <= r && r < 0x20000:
		return 2
	}
	return 1
}

// shellSafe returns a key unchanged, or quoted for a shell if it has characters that terminals do not show.
func shellSafe(key string) string {
	if escape(key) != key {
		return shellWord(key)
	}
	return key
}

// rate formats a number of operations per second, or of percent.
func rate(n float64) string {
	if n > 0 && n < 10 {
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return readable(int64(n + 0.5))
}

// brief formats a duration with three digits, such as 1.23ms.
func brief(d time.Duration) string {
	unit := time.Duration(1)
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

// ago formats the time since something happened, in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}
