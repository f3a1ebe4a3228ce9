package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestTheImageIsThatOfTheDockerfile compares the settings of the two, and looks at the files of the released image.
func TestTheImageIsThatOfTheDockerfile(t *testing.T) {
	built := whole(t)
	img, err := tarball.ImageFromPath(filepath.Join(built.out, built.name+".image.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if want := "linux/" + built.arch; file.OS+"/"+file.Architecture != want {
		t.Errorf("the image is for %s/%s, want %s", file.OS, file.Architecture, want)
	}
	got, said := file.Config, instructions(t)
	exposed := make([]string, 0, len(got.ExposedPorts))
	for port := range got.ExposedPorts {
		exposed = append(exposed, strings.TrimSuffix(port, "/tcp"))
	}
	health := *got.Healthcheck
	for instruction, values := range map[string][2]string{
		"USER":       {got.User, said["USER"]},
		"ENTRYPOINT": {strings.Join(got.Entrypoint, " "), words(t, said["ENTRYPOINT"])},
		"CMD":        {strings.Join(got.Cmd, " "), words(t, said["CMD"])},
		"EXPOSE":     {strings.Join(slices.Sorted(slices.Values(exposed)), " "), strings.Join(slices.Sorted(slices.Values(strings.Fields(said["EXPOSE"]))), " ")},
		"HEALTHCHECK": {
			strings.Join([]string{
				"--interval=" + health.Interval.String(), "--timeout=" + health.Timeout.String(),
				"--start-period=" + health.StartPeriod.String(), strings.Join(health.Test, " "),
			}, " "),
			words(t, said["HEALTHCHECK"]),
		},
	} {
		if values[0] != values[1] {
			t.Errorf("%s is %q in the released image, and %q in the Dockerfile", instruction, values[0], values[1])
		}
	}
	owners := map[string]int{}
	for file := range filesOf(t, mutate.Extract(img)) {
		owners[strings.TrimSuffix(file.Name, "/")] = file.Uid
	}
	for _, file := range []string{"kv", "etc/ssl/certs/ca-certificates.crt"} {
		if owner, ok := owners[file]; !ok || owner != 0 {
			t.Errorf("%s is in the image: %t, and belongs to %d, want root", file, ok, owner)
		}
	}
	if owners["data"] != nobody {
		t.Errorf("data belongs to %d, want %d", owners["data"], nobody)
	}
	var list sbom
	read(t, filepath.Join(built.out, built.name+".image.cdx.json"), &list)
	for _, part := range []string{"kv", "std", "google.golang.org/grpc", "golang.org/x/crypto/x509roots/fallback"} {
		if list.versions()[part] == "" {
			t.Errorf("the list of the image's parts has no version of %s", part)
		}
	}
}

// instructions returns what each instruction of the last stage of the Dockerfile says.
func instructions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	said := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^([A-Z]+) (.*)$`).FindAllStringSubmatch(last, -1) {
		said[match[1]] = match[2]
	}
	return said
}

// words returns what an instruction with a command in JSON says, in words.
func words(t *testing.T, instruction string) string {
	t.Helper()
	before, command, _ := strings.Cut(instruction, "[")
	var words []string
	if err := json.Unmarshal([]byte("["+command), &words); err != nil {
		t.Fatalf("%q: %v", instruction, err)
	}
	return before + strings.Join(words, " ")
}

// quiet keeps a registry from logging each request.
var quiet = registry.Logger(log.New(io.Discard, "", 0))

// TestPushedImagesAreForBothArchitectures pushes images to a registry in this process and reads them from there.
func TestPushedImagesAreForBothArchitectures(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), quiet))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/key-value"
	r := &release{version: "v9.8.7", date: time.Unix(1e9, 0), out: t.TempDir()}
	// The test itself is a binary with a list of modules, like any other.
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var images []image
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		i, err := r.writeImage(platform, binary)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, i)
		var list sbom
		if read(t, i.sbom, &list); list.Metadata.Component.PURL != "pkg:oci/key-value@"+digest(t, i.image) {
			t.Errorf("the list of parts is of %s, want %s", list.Metadata.Component.PURL, digest(t, i.image))
		}
	}
	if err := r.push(t.Context(), repository, images); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"v9.8.7", "latest"} {
		for _, i := range images {
			ref, err := name.ParseReference(repository + ":" + tag)
			if err != nil {
				t.Fatal(err)
			}
			pulled, err := remote.Image(ref, remote.WithPlatform(i.platform))
			if err != nil {
				t.Fatalf("pull %s for %s: %v", tag, i.platform, err)
			}
			if got, want := digest(t, pulled), digest(t, i.image); got != want {
				t.Errorf("%s for %s is %s, want %s", tag, i.platform, got, want)
			}
			referrers, err := remote.Referrers(ref.Context().Digest(digest(t, i.image)))
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := referrers.IndexManifest()
			if err != nil || len(manifest.Manifests) != 1 || manifest.Manifests[0].ArtifactType != cycloneDX {
				t.Errorf("what refers to %s for %s: %+v, %v; want a list of its parts", tag, i.platform, manifest, err)
			}
		}
	}
}

func TestAPreReleaseIsNotTheLatestImage(t *testing.T) {
	server := httptest.NewServer(registry.New(quiet))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/key-value"
	r := &release{version: "v9.8.7-rc.1"}
	if err := r.push(context.Background(), repository, nil); err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	if tags, err := remote.List(repo); err != nil || !slices.Equal(tags, []string{"v9.8.7-rc.1"}) {
		t.Errorf("tags %v, %v; want only v9.8.7-rc.1", tags, err)
	}
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}
