package main

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// rpcPage returns the reference of the RPCs, in the words of the contract.
func rpcPage() (string, error) {
	image, err := output("buf", "build", "--as-file-descriptor-set", "--output", "-")
	if err != nil {
		return "", err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &set); err != nil {
		return "", err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return "", err
	}
	var services, messages page
	files.RangeFilesByPackage("keyvalue.v1", func(file protoreflect.FileDescriptor) bool {
		for service := range all(file.Services()) {
			services.service(service)
		}
		return true
	})
	// In the order of the files' names, because the registry has none.
	for _, file := range set.GetFile() {
		if file.GetPackage() != "keyvalue.v1" {
			continue
		}
		descriptor, err := files.FindFileByPath(file.GetName())
		if err != nil {
			return "", err
		}
		for message := range all(descriptor.Messages()) {
			messages.message(message)
		}
	}
	return `# RPC

` + generated("the comments of [proto/keyvalue/v1](../../proto/keyvalue/v1/service.proto)") + services.String() +
		"## Messages\n\n" + messages.String(), nil
}

// all ranges over what a descriptor holds.
func all[D any](list interface {
	Len() int
	Get(int) D
}) func(yield func(D) bool) {
	return func(yield func(D) bool) {
		for i := range list.Len() {
			if !yield(list.Get(i)) {
				return
			}
		}
	}
}

// comment returns what stands above d in its file.
func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.TrimSpace(strings.ReplaceAll("\n"+text, "\n ", "\n"))
}

func (p *page) service(s protoreflect.ServiceDescriptor) {
	p.printf("`%s` is reached at `/%s/{method}`, by Connect, gRPC and gRPC-Web.\n\n", s.FullName(), s.FullName())
	p.paragraph(comment(s))
	for m := range all(s.Methods()) {
		stream := ""
		if m.IsStreamingServer() {
			stream = "stream of "
		}
		p.printf("## %s\n\n%s → %s%s\n\n", m.Name(), typeLink(m.Input()), stream, typeLink(m.Output()))
		p.paragraph(comment(m))
		switch m.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel() {
		case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
			p.paragraph("It changes nothing, and Connect can call it by `GET`.")
		case descriptorpb.MethodOptions_IDEMPOTENT:
			p.paragraph("Once more changes nothing more.")
		}
	}
}

func (p *page) message(m protoreflect.MessageDescriptor) {
	if m.IsMapEntry() {
		return
	}
	p.printf("### %s\n\n", m.Name())
	p.paragraph(comment(m))
	for oneof := range all(m.Oneofs()) {
		p.paragraph("One of `" + strings.Join(names(oneof.Fields()), "`, `") + "`: " + comment(oneof))
	}
	var rows [][]string
	for f := range all(m.Fields()) {
		rows = append(rows, []string{code(f.JSONName()), fieldType(f), comment(f)})
	}
	p.table(rows, "field", "type", "meaning")
	for enum := range all(m.Enums()) {
		p.printf("#### %s.%s\n\n", m.Name(), enum.Name())
		p.paragraph(comment(enum))
		var rows [][]string
		for v := range all(enum.Values()) {
			rows = append(rows, []string{code(string(v.Name())), comment(v)})
		}
		p.table(rows, "value", "meaning")
	}
}

func names(fields protoreflect.FieldDescriptors) (names []string) {
	for f := range all(fields) {
		names = append(names, f.JSONName())
	}
	return names
}

func fieldType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map of " + f.MapKey().Kind().String() + " to " + f.MapValue().Kind().String()
	case f.IsList():
		return "list of " + kindOf(f)
	}
	return kindOf(f)
}

func kindOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return typeLink(f.Message())
	case f.Enum() != nil:
		return typeLink(f.Enum())
	}
	return f.Kind().String()
}

// typeLink returns the name of d, and leads to it if it is on this page.
func typeLink(d protoreflect.Descriptor) string {
	name, ours := strings.CutPrefix(string(d.FullName()), "keyvalue.v1.")
	if !ours {
		return code(name)
	}
	return "[" + name + "](#" + strings.ToLower(strings.ReplaceAll(name, ".", "")) + ")"
}

// generated is how a page says where it comes from.
func generated(from string) string {
	return "Written by `task reference` from " + from + ": change that, not this.\n\n"
}
