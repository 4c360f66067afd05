// Command thirdparty writes the .proto files of others that Switchboard's own files import, so that generating needs
// nothing but a Go module proxy.
//
// Usage: thirdparty DIRECTORY
//
// The files are printed from the descriptors that the Go packages below carry, so their versions are those of this
// module's go.mod. Comments are not part of linked descriptors and are therefore missing. google/protobuf/* is left
// out, because buf brings it along. Files in the directory that are no longer wanted are removed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
)

// roots are the files that may be imported; what they import themselves is written too.
var roots = []protoreflect.FileDescriptor{
	validate.File_buf_validate_validate_proto,
	annotations.File_google_api_annotations_proto,
	annotations.File_google_api_field_behavior_proto,
	annotations.File_google_api_field_info_proto,
	annotations.File_google_api_resource_proto,
	httpbody.File_google_api_httpbody_proto,
	longrunningpb.File_google_longrunning_operations_proto,
	code.File_google_rpc_code_proto,
	errdetails.File_google_rpc_error_details_proto,
	status.File_google_rpc_status_proto,
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: thirdparty DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

func run(directory string) error {
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	printer := protoprint.Printer{SortElements: true, ForceFullyQualifiedNames: true}
	for path, file := range closure(roots) {
		target := filepath.Join(directory, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := write(printer, file, target); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func write(printer protoprint.Printer, file protoreflect.FileDescriptor, target string) error {
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	if err := printer.PrintProtoFile(file, out); err != nil {
		return fmt.Errorf("%w (and closing: %v)", err, out.Close())
	}
	return out.Close()
}

// closure returns the files and all that they import, by path, without google/protobuf/*.
func closure(files []protoreflect.FileDescriptor) map[string]protoreflect.FileDescriptor {
	found := map[string]protoreflect.FileDescriptor{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(file protoreflect.FileDescriptor) {
		if found[file.Path()] != nil || strings.HasPrefix(file.Path(), "google/protobuf/") {
			return
		}
		found[file.Path()] = file
		imports := file.Imports()
		for i := range imports.Len() {
			visit(imports.Get(i).FileDescriptor)
		}
	}
	for _, file := range files {
		visit(file)
	}
	return found
}
