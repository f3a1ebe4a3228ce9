package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nobody owns the files that containers may write, and runs the binary.
const nobody = 65532

// image is the container image for a platform.
type image struct {
	platform v1.Platform
	image    v1.Image
	sbom     string // file of its list of parts
}

// newImage returns the image of a Linux binary. It is what the Dockerfile builds, without a container engine, and with the
// same bytes each time. A test compares the settings of the two.
func (r *release) newImage(platform, binary string) (v1.Image, error) {
	content, err := r.imageFiles(binary)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.date}, CreatedBy: "key-value/tools/release",
	}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: r.date}
	config.OS, config.Architecture, _ = strings.Cut(platform, "/")
	config.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", nobody, nobody),
		ExposedPorts: map[string]struct{}{"8888/tcp": {}, "50051/tcp": {}},
		Entrypoint:   []string{"/kv"},
		Cmd:          []string{"--help"},
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", "/kv", "healthcheck", "--local"}, Interval: 10 * time.Second, Timeout: 10 * time.Second,
			StartPeriod: 30 * time.Second,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "key-value",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(img, config)
}

// imageFiles returns the files of the image as a tar: certificates to trust, the binary, and a directory for --data-dir.
func (r *release) imageFiles(binary string) ([]byte, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		// A file cannot say that a root is trusted only for some certificates.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, file := range []struct {
		name  string
		mode  int64
		owner int
		data  []byte
	}{
		{"etc/", 0o755, 0, nil},
		{"etc/ssl/", 0o755, 0, nil},
		{"etc/ssl/certs/", 0o755, 0, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, roots.Bytes()},
		{"kv", 0o755, 0, program},
		{"data/", 0o755, nobody, nil}, // a volume that is mounted there gets its owner
	} {
		header := &tar.Header{
			Name: file.name, Mode: file.mode, Uid: file.owner, Gid: file.owner, Size: int64(len(file.data)), ModTime: r.date,
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.data); err != nil {
			return nil, err
		}
	}
	return content.Bytes(), w.Close()
}

// writeImage makes the image of a Linux binary. It writes a file for `docker load`, and the list of what is in the image.
func (r *release) writeImage(platform, binary string) (image, error) {
	img, err := r.newImage(platform, binary)
	if err != nil {
		return image{}, err
	}
	tag, err := name.NewTag("key-value:" + r.version)
	if err != nil {
		return image{}, err
	}
	file := r.named(platform, ".image.tar")
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		return image{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return image{}, err
	}
	r.files = append(r.files, file)
	list := r.named(platform, ".image.cdx.json")
	err = r.writeSBOM(list, binary, cyclonedx.Component{
		BOMRef: "image", Type: cyclonedx.ComponentTypeContainer, Name: "key-value", Version: r.version,
		PackageURL: "pkg:oci/key-value@" + digest.String(),
	}, r.application(), certificates())
	system, arch, _ := strings.Cut(platform, "/")
	return image{v1.Platform{OS: system, Architecture: arch}, img, list}, err
}

// certificates is the module from which the image's certificates to trust come.
func certificates() cyclonedx.Component {
	const path = "golang.org/x/crypto/x509roots/fallback"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return library(path, module.Version, module.Sum)
			}
		}
	}
	return library(path, "", "")
}

// push uploads the images to a repository of a registry, such as ghcr.io/you/key-value, under the release's version, each
// with its list of parts as a referrer. Unless the release is a pre-release, latest is the same. Credentials are those of `docker
// login`.
func (r *release) push(ctx context.Context, repository string, images []image) error {
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	repo, err := name.NewRepository(repository)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: i.image, Descriptor: v1.Descriptor{Platform: &i.platform}})
	}
	if err := remote.WriteIndex(repo.Tag(r.version), index, options...); err != nil {
		return err
	}
	for _, i := range images {
		if err := pushSBOM(repo, i, options); err != nil {
			return err
		}
	}
	if strings.Contains(r.version, "-") {
		return nil
	}
	return remote.Tag(repo.Tag("latest"), index, options...)
}

// cycloneDX is the media type of lists of parts.
const cycloneDX = "application/vnd.cyclonedx+json"

// pushSBOM uploads the list of an image's parts as an artifact that refers to the image.
func pushSBOM(repo name.Repository, i image, options []remote.Option) error {
	data, err := os.ReadFile(i.sbom)
	if err != nil {
		return err
	}
	of, err := partial.Descriptor(i.image)
	if err != nil {
		return err
	}
	list, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), cycloneDX),
		static.NewLayer(data, cycloneDX))
	if err != nil {
		return err
	}
	artifact, ok := mutate.Subject(list, *of).(v1.Image)
	if !ok {
		return errors.New("an image that refers to another is not an image")
	}
	digest, err := artifact.Digest()
	if err != nil {
		return err
	}
	return remote.Write(repo.Digest(digest.String()), artifact, options...)
}
