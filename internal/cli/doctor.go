package cli

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// severity says how bad a finding is. A greater one is worse.
type severity int

const (
	fine severity = iota
	warning
	failing
)

// MarshalText implements [encoding.TextMarshaler].
func (s severity) MarshalText() ([]byte, error) {
	return []byte([...]string{"ok", "warning", "error"}[s]), nil
}

// finding is what a check has found.
type finding struct {
	ID       string   `json:"id"` // of the check
	Severity severity `json:"severity"`
	Is       string   `json:"finding"`         // what is so, with its value
	Do       string   `json:"action,omitzero"` // what to do; "" if all is well
}

// checkup is one check of a subject. Look returns nil if the check does not apply, or if what it needs cannot be known.
type checkup[T any] struct {
	id   string
	look func(T) *finding
}

func ok(format string, args ...any) *finding { return &finding{Is: fmt.Sprintf(format, args...)} }

func warn(do, format string, args ...any) *finding {
	return &finding{Severity: warning, Do: do, Is: fmt.Sprintf(format, args...)}
}

func fail(do, format string, args ...any) *finding {
	return &finding{Severity: failing, Do: do, Is: fmt.Sprintf(format, args...)}
}

// examine makes all checks of subject, and returns what they have found, the worst first.
func examine[T any](checks []checkup[T], subject T) []finding {
	var found []finding
	for _, c := range checks {
		if f := c.look(subject); f != nil {
			f.ID = c.id
			found = append(found, *f)
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return found
}

// findingsError is the error of a command that has found something to mend.
type findingsError struct{ errors, warnings int }

// Error implements error.
func (f findingsError) Error() string {
	return fmt.Sprintf("errors: %d, warnings: %d", f.errors, f.warnings)
}

// report prints found, and returns an error if there is anything to mend.
func report(out io.Writer, o *output, found []finding) error {
	var sum findingsError
	for _, f := range found {
		switch f.Severity {
		case warning:
			sum.warnings++
		case failing:
			sum.errors++
		}
		if err := printFinding(out, o, f); err != nil {
			return err
		}
	}
	if sum == (findingsError{}) {
		return nil
	}
	return sum
}

func printFinding(out io.Writer, o *output, f finding) error {
	if o.format == outputJSON {
		return printJSON(out, f)
	}
	word, _ := f.Severity.MarshalText()
	text := fmt.Sprintf("%-7s  %s: %s", word, f.ID, escape(f.Is))
	if f.Do != "" {
		text += "\n" + strings.Repeat(" ", 9) + "→ " + escape(f.Do)
	}
	return printLine(out, text)
}

func newDoctor(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what will hurt in a store or in settings, and what to do",
		Long: `Say what will hurt in a running store, and what to do: whether it is ready, its
certificate, its clock, its memory, what its engine promises, and the API key in
use. Subcommands look at settings instead, before a server is started with them.

The exit code is 1 if there are errors, 7 if there are only warnings, and 4 or 5
if the store cannot be examined.`,
		Example: `  kv doctor
  kv doctor serve --data-dir /var/lib/kv --grace-period 30s
  kv doctor -o json`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd, o) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	o.flags(cmd, outputTable, outputJSON)
	for _, server := range []func(func(string) string) (*cobra.Command, settings){serveCommand, kvserviceCommand, gatewayCommand} {
		cmd.AddCommand(newDoctorOf(getenv, server))
	}
	return cmd
}

// newDoctorOf returns the command that examines the settings of a server command. It has the flags and the variables of that.
func newDoctorOf(getenv func(string) string, server func(func(string) string) (*cobra.Command, settings)) *cobra.Command {
	cmd, s := server(getenv)
	p, o := &plan{settings: s}, &output{}
	readEnvironment(cmd, getenv)
	name := cmd.Name()
	cmd.Short = "Examine the settings of kv " + name
	cmd.Long = `Say what will hurt if kv ` + name + ` runs with these flags and variables, as this
user and on this machine or in this container. Nothing is started or written.
kv help ` + name + ` says more about the flags and their defaults.

The exit code is 1 if there are errors, and 7 if there are only warnings.`
	cmd.Example = "  kv doctor " + name + " --max-connections 4096 --grace-period 30s"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd, o) }
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	durationVar(cmd.Flags(), &p.grace, "grace-period", 0, "how long the process manager waits before it kills; 0: not known")
	if s.hop != nil {
		cmd.Flags().StringVar(&p.kvserviceEnv, "kvservice-env", "", "`file` with the variables of the kvservice, as NAME=VALUE lines, to compare with")
	}
	o.flags(cmd, outputTable, outputJSON)
	return cmd
}

// validity returns what is to be said of a certificate that peers see. It is to be renewed when less than two weeks are left,
// or a quarter of its life if that is shorter.
func validity(name string, cert *x509.Certificate, now time.Time) *finding {
	const renew = "renew it: peers reject it outside that time, and the server reads new files by itself"
	left, life := cert.NotAfter.Sub(now), cert.NotAfter.Sub(cert.NotBefore)
	until := cert.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case left <= 0:
		return fail(renew, "%s expired on %s", name, until)
	case now.Before(cert.NotBefore):
		return fail("set the clock of this machine, or wait", "%s is not valid before %s", name, cert.NotBefore.UTC().Format(time.RFC3339))
	case left < min(14*day, life/4):
		return warn(renew, "%s expires on %s, in %v", name, until, left.Round(time.Minute))
	}
	return ok("%s is valid until %s", name, until)
}
