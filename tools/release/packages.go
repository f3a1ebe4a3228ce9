package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// formats are those of packages, for Debian and Ubuntu and for Fedora, Red Hat and SUSE.
var formats = []struct {
	name     string
	packager nfpm.Packager
}{{"deb", deb.Default}, {"rpm", rpm.DefaultRPM}}

// packages makes the packages of a binary for Linux and the extras.
func (r *release) packages(platform, binary, extras string) error {
	_, arch, _ := strings.Cut(platform, "/")
	pages, err := r.compressPages(filepath.Join(extras, "man"))
	if err != nil {
		return err
	}
	for _, format := range formats {
		info := r.about(format.name, arch)
		// GitHub stores an asset with "~" in its name under another name, which SHA256SUMS would not have.
		name := filepath.Join(r.out, strings.ReplaceAll(format.packager.ConventionalFileName(info), "~", "-"))
		info.Contents = append(r.contents(format.name, binary, extras), pages...)
		var data bytes.Buffer
		if err := format.packager.Package(info, &data); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := os.WriteFile(name, data.Bytes(), 0o644); err != nil {
			return err
		}
		r.files = append(r.files, name)
	}
	return nil
}

// about describes a package.
func (r *release) about(format, arch string) *nfpm.Info {
	depends := []string{"init-system-helpers", "passwd"}
	if format == "rpm" {
		depends = []string{"/bin/sh", "/usr/bin/getent", "/usr/sbin/groupadd"}
	}
	return nfpm.WithDefaults(&nfpm.Info{
		Name: "key-value", Arch: arch, Platform: "linux", Version: r.version, MTime: r.date,
		Section: "database", Priority: "optional", License: "Apache-2.0",
		Maintainer: "The key-value authors", Vendor: "The key-value authors",
		Description: "In-memory key-value store for REST, Connect, gRPC and gRPC-Web\n" +
			"One process that keeps text and bytes with TTLs, conditional writes, ordered\n" +
			"listings, atomic batches, counters and watches, with a log on disk. The command\n" +
			"kv is the server and its client.",
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Depends:    depends,
			Recommends: []string{"ca-certificates"},
			Scripts: nfpm.Scripts{
				PostInstall: r.deployed("postinst.sh"), PreRemove: r.deployed("prerm.sh"), PostRemove: r.deployed("postrm.sh"),
			},
			RPM: nfpm.RPM{BuildHost: "localhost", Group: "Applications/Databases"},
		},
	})
}

// deployed returns a file that packages have for the service.
func (r *release) deployed(name string) string {
	return filepath.Join(r.root, "deploy", "packages", name)
}

// contents returns the files of a package, apart from manual pages. Formats differ in where they have licences and scripts for
// zsh.
func (r *release) contents(format, binary, extras string) files.Contents {
	licence, zsh := "/usr/share/doc/key-value/copyright", "/usr/share/zsh/vendor-completions/_kv"
	if format == "rpm" {
		licence, zsh = "/usr/share/licenses/key-value/LICENSE", "/usr/share/zsh/site-functions/_kv"
	}
	settings := r.packed(r.deployed("kv.env"), "/etc/key-value/kv.env", 0o640)
	settings.Type = files.TypeConfigNoReplace
	completions := filepath.Join(extras, "completions")
	return files.Contents{
		settings,
		r.packed(binary, "/usr/bin/kv", 0o755),
		r.packed(r.deployed("key-value.service"), "/usr/lib/systemd/system/key-value.service", 0o644),
		r.packed(filepath.Join(extras, "LICENSE"), licence, 0o644),
		r.packed(filepath.Join(completions, "kv.bash"), "/usr/share/bash-completion/completions/kv", 0o644),
		r.packed(filepath.Join(completions, "_kv"), zsh, 0o644),
		r.packed(filepath.Join(completions, "kv.fish"), "/usr/share/fish/vendor_completions.d/kv.fish", 0o644),
	}
}

// packed returns a file of root in a package.
func (r *release) packed(source, destination string, mode os.FileMode) *files.Content {
	return &files.Content{
		Source: source, Destination: destination,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.date},
	}
}

// compressPages compresses the manual pages in dir, as packages have them.
func (r *release) compressPages(dir string) (files.Contents, error) {
	pages, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var contents files.Contents
	for _, page := range pages {
		packed := filepath.Join(r.work, page.Name()+".gz")
		if err := compress(filepath.Join(dir, page.Name()), packed); err != nil {
			return nil, err
		}
		contents = append(contents, r.packed(packed, "/usr/share/man/man1/"+filepath.Base(packed), 0o644))
	}
	return contents, nil
}

// compress compresses the file at source as gzip -9n does.
func compress(source, destination string) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return errors.Join(err, w.Close(), os.WriteFile(destination, packed.Bytes(), 0o644))
}
