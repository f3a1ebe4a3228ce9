package main

import (
	"debug/buildinfo"
	"errors"
	"os"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM writes the list of what is in a binary, or in the image of one, to a file. It is read from the binary itself, in
// which Go notes each module that was linked, so it can say neither too much nor too little. The other components are in the
// image beside the binary.
func (r *release) writeSBOM(name, binary string, of cyclonedx.Component, others ...cyclonedx.Component) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.date.Format("2006-01-02T15:04:05Z"), Component: &of}
	components := append(others, library("std", info.GoVersion, ""))
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, library(module.Path, module.Version, module.Sum))
	}
	bom.Components = &components
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	err = cyclonedx.NewBOMEncoder(file, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	if err == nil {
		r.files = append(r.files, name)
	}
	return errors.Join(err, file.Close())
}

// application is the store's binary.
func (r *release) application() cyclonedx.Component {
	return cyclonedx.Component{BOMRef: "kv", Type: cyclonedx.ComponentTypeApplication, Name: "kv", Version: r.version}
}

// library is a module that was linked. Its sum is the one of go.sum, which is not a hash of a single file.
func library(path, version, sum string) cyclonedx.Component {
	url := "pkg:golang/" + path + "@" + version
	c := cyclonedx.Component{
		BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url,
	}
	if sum != "" {
		c.Properties = &[]cyclonedx.Property{{Name: "go.sum", Value: sum}}
	}
	return c
}
