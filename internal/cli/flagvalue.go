package cli

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"key-value/internal/contract"
	"key-value/internal/server/forwarded"
)

// byteSize is a flag value in bytes, such as 1048576, 1MiB or 2GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	shift  int
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}

// String returns the size in the largest unit that divides it.
func (s *byteSize) String() string {
	n, unit := int64(*s), ""
	for _, u := range byteUnits {
		if n == 0 || n%(1<<u.shift) != 0 {
			break
		}
		unit = u.suffix
	}
	for _, u := range byteUnits {
		if u.suffix == unit {
			n >>= u.shift
		}
	}
	return strconv.FormatInt(n, 10) + unit
}

// Set implements [pflag.Value].
func (s *byteSize) Set(text string) error {
	number, shift := text, 0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			number, shift = rest, u.shift
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return errors.New("want a number of bytes, such as 1048576, 512MiB or 2GiB")
	}
	*s = byteSize(n << shift)
	return nil
}

// Type implements [pflag.Value].
func (s *byteSize) Type() string { return "bytes" }

// networks is a flag value of comma-separated networks, such as 10.0.0.0/8,192.0.2.1.
type networks struct{ forwarded.Proxies }

// Set implements [pflag.Value]. Several values add up.
func (n *networks) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		network, err := forwarded.ParseNetwork(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		n.Proxies = append(n.Proxies, network)
	}
	return nil
}

// String implements [pflag.Value].
func (n *networks) String() string {
	all := make([]string, len(n.Proxies))
	for i, network := range n.Proxies {
		all[i] = network.String()
	}
	return strings.Join(all, ",")
}

// Type implements [pflag.Value].
func (n *networks) Type() string { return "networks" }

// duration is a flag value in the syntax of [parseDuration].
type duration time.Duration

// durationVar adds a flag for a duration.
func durationVar(flags *pflag.FlagSet, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	flags.Var((*duration)(d), name, usage)
}

// Set implements [pflag.Value].
func (d *duration) Set(text string) error {
	parsed, err := parseDuration(text)
	if err == nil {
		*d = duration(parsed)
	}
	return err
}

// String implements [pflag.Value].
func (d *duration) String() string {
	if *d == 0 {
		return "0"
	}
	return time.Duration(*d).String()
}

// Type implements [pflag.Value].
func (d *duration) Type() string { return "duration" }

// bounded is a [duration] that must be in a range.
type bounded struct {
	*duration
	least, most time.Duration
	want        string // the range
}

// Set implements [pflag.Value].
func (b bounded) Set(text string) error {
	d, err := parseDuration(text)
	if err == nil && (d < b.least || d > b.most) {
		err = errors.New("want " + b.want)
	}
	*b.duration = duration(d)
	return err
}

// optionalTTLVar adds a flag for the TTL of an entry, which is zero for an entry that never expires.
func optionalTTLVar(flags *pflag.FlagSet, d *time.Duration, usage string) {
	flags.Var(bounded{(*duration)(d), 0, contract.MaxTTL, "at most 87600h, or 0 for no expiry"}, "ttl", usage)
}

// ttlVar adds a flag for a TTL of more than zero. MostText is how to write most.
func ttlVar(flags *pflag.FlagSet, d *time.Duration, value, most time.Duration, mostText, usage string) {
	*d = value
	flags.Var(bounded{(*duration)(d), 1, most, "more than 0 and at most " + mostText}, "ttl", usage)
}

const day = 24 * time.Hour

var (
	durationSyntax = regexp.MustCompile(`^[-+]?((\d+\.?\d*|\.\d+)\pL+)+$`)
	daysOrWeeks    = regexp.MustCompile(`(\d+\.?\d*|\.\d+)[dw]`)
)

// parseDuration parses a duration in Go's syntax, which may also have days of 24 hours and weeks, such as 90s, 7d or 1w12h.
func parseDuration(text string) (time.Duration, error) {
	inHours := daysOrWeeks.ReplaceAllStringFunc(text, func(part string) string {
		hours := 24.0
		if strings.HasSuffix(part, "w") {
			hours *= 7
		}
		n, _ := strconv.ParseFloat(part[:len(part)-1], 64) // which the expression has checked
		return strconv.FormatFloat(n*hours, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(inHours)
	if err != nil || text != "0" && !durationSyntax.MatchString(text) {
		return 0, errors.New("want a duration, such as 90s, 5m, 24h, 7d or 2w")
	}
	return d, nil
}

// period is a flag value for a duration of days, such as 90d or 12h.
type period time.Duration

// Set implements [pflag.Value].
func (p *period) Set(text string) error {
	const maxDays = 36500
	d, err := parseDuration(text)
	if err != nil || d < 0 || d > maxDays*day {
		return fmt.Errorf("want a period of at most %d days, such as 90d, 2w or 12h", maxDays)
	}
	*p = period(d)
	return nil
}

// String implements [pflag.Value].
func (p *period) String() string {
	if *p == 0 {
		return ""
	}
	return time.Duration(*p).String()
}

// Type implements [pflag.Value].
func (p *period) Type() string { return "period" }

// after returns the time when a period that starts now ends, in whole seconds, or the zero time for no period.
func (p *period) after(now time.Time) time.Time {
	if *p == 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(*p)).UTC().Truncate(time.Second)
}
