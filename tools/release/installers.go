package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

var (
	//go:embed install.sh
	script string
	//go:embed kv.rb.tmpl
	formula string
)

// writeInstallers writes what installs the archives: install.sh and kv.rb, a formula for Homebrew. Both have the checksums.
func (r *release) writeInstallers(archives []archive) error {
	var sums strings.Builder
	for _, a := range archives {
		if a.System != "windows" {
			sums.WriteString(a.Sum + " " + a.Name + "\n")
		}
	}
	text := strings.NewReplacer("@VERSION@", r.version, "@URL@", r.url, "@CHECKSUMS@", strings.TrimSpace(sums.String())).Replace(script)
	if err := r.write("install.sh", text, 0o755); err != nil {
		return err
	}
	t, err := template.New("kv.rb").Parse(formula)
	if err != nil {
		return err
	}
	homepage, _, _ := strings.Cut(r.url, "/releases/")
	of := map[string][]archive{} // :: GOOS → archives
	for _, a := range archives {
		of[a.System] = append(of[a.System], a)
	}
	var ruby strings.Builder
	err = t.Execute(&ruby, map[string]any{
		"Version": strings.TrimPrefix(r.version, "v"), "Homepage": homepage, "macOS": of["darwin"], "Linux": of["linux"],
	})
	if err != nil {
		return err
	}
	return r.write("kv.rb", ruby.String(), 0o644)
}

// write writes a file of the release.
func (r *release) write(name, text string, mode os.FileMode) error {
	file := filepath.Join(r.out, name)
	r.files = append(r.files, file)
	return os.WriteFile(file, []byte(text), mode)
}
