package record_test

import (
	"os"
	"path/filepath"
	"testing"

	"key-value/test/record"
)

func TestOnlyTheSectionOfACommandIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	page := func(section string) string {
		return "Before.\n\n<!-- task a writes this -->\n" + section + "<!-- end of what task a writes -->\n\nAfter.\n"
	}
	if err := os.WriteFile(file, []byte(page("old\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"| a table |\n", "| another |\n\n| table |\n"} {
		if err := record.Replace(file, "task a", section); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if want := page("\n" + section + "\n"); err != nil || string(text) != want {
			t.Errorf("the page is %q, %v; want %q", text, err, want)
		}
		if got, err := record.Section(file, "task a"); err != nil || got != section {
			t.Errorf("Section = %q, %v; want %q", got, err, section)
		}
	}
	if err := record.Replace(file, "task b", "text"); err == nil {
		t.Error("Replace wrote into a page without the command's comments")
	}
}
