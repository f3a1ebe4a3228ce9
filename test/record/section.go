package record

import (
	"fmt"
	"os"
	"strings"
)

// Replace replaces the section of file that a command writes, such as "task bench". The section is between two comments,
// which stay.
func Replace(file, command, section string) error {
	before, _, after, err := cut(file, command)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+"\n"+section+"\n"+after), 0o644)
}

// Section returns the section of file that a command writes.
func Section(file, command string) (string, error) {
	_, section, _, err := cut(file, command)
	return strings.Trim(section, "\n") + "\n", err
}

// cut splits the text of file. The comments belong to what is before and after the section.
func cut(file, command string) (before, section, after string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "", "", err
	}
	begin, end := "<!-- "+command+" writes this -->\n", "<!-- end of what "+command+" writes -->\n"
	before, rest, begins := strings.Cut(string(text), begin)
	section, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return "", "", "", fmt.Errorf("%s: no lines %q and %q", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin, section, end + after, nil
}
