package main

import (
	"debug/buildinfo"
	"os"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM writes the list of what is in a binary beside it, and returns the list's file. It is read from the binary
// itself, in which Go notes each module that was linked, so it can say neither too much nor too little.
func writeSBOM(binary, version string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: "kv", Type: cyclonedx.ComponentTypeApplication, Name: "kv", Version: version,
	}}
	components := []cyclonedx.Component{library("std", info.GoVersion, "")}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, library(module.Path, module.Version, module.Sum))
	}
	bom.Components = &components
	name := binary + ".cdx.json"
	file, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := cyclonedx.NewBOMEncoder(file, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return "", err
	}
	return name, file.Close()
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
