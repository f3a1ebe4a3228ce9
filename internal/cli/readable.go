package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// readable writes n with a comma before each three digits.
func readable(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// readableBytes writes n in the largest unit of which there is one.
func readableBytes(n int64) string {
	for i := len(byteUnits) - 1; i >= 0; i-- {
		if unit := byteUnits[i]; n >= 1<<unit.shift {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(int64(1)<<unit.shift), unit.suffix)
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// shellWord writes text so that a shell reads it as one word, for command lines to paste.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
