package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"time"
)

// settings are what the command line says.
type settings struct {
	operations int           // how many are to be checked, if duration is zero
	duration   time.Duration // how long faults are injected; zero: until operations are checked
	seed       uint64
	faults     []fault
	out        string // a directory; empty: nothing is written
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	s, only := settings{}, ""
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.operations, "operations", 1_000_000, "check at least so many operations")
	flags.DurationVar(&s.duration, "duration", 0, "inject faults for so long, in place of --operations")
	flags.Uint64Var(&s.seed, "seed", rand.Uint64()>>32, "what all choices follow from")
	flags.StringVar(&only, "only", "", "the kinds of fault that match this regular expression")
	flags.StringVar(&s.out, "out", "", "directory for results.txt, results.json and wrong histories")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() != 0 {
		return s, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	for _, f := range kinds {
		if pattern.MatchString(f.name) {
			s.faults = append(s.faults, f)
		}
	}
	if len(s.faults) == 0 {
		return s, errors.New("--only matches no kind of fault")
	}
	return s, nil
}
