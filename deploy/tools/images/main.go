package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// versionVariable is what the version command of a service prints.
const versionVariable = "github.com/switchboard-phone/switchboard/services/platform/telemetry.version"

var services = []string{"license", "extension", "numbering", "notification", "gateway"}

func main() {
	root := flag.String("root", ".", "the repository")
	out := flag.String("out", ".build/images", "folder for <service>.tar and <service>.cdx.json")
	version := flag.String("version", "unknown", "what the version command prints, and the image's tag")
	portal := flag.String("portal", "gateway/portal/web/dist", "folder of the built portal")
	arch := flag.String("arch", runtime.GOARCH, "processor, as Go names it")
	flag.Parse()
	for _, service := range services {
		digest, err := build(context.Background(), options{*root, *out, *version, *portal, *arch}, service)
		if err != nil {
			log.Fatalf("images: %s: %v", service, err)
		}
		_, _ = fmt.Fprintf(os.Stdout, "switchboard/%s:%s@%s\n", service, *version, digest)
	}
}

type options struct{ root, out, version, portal, arch string }

// build builds one image with its bill of materials and answers the image's digest.
func build(ctx context.Context, o options, service string) (string, error) {
	dir, err := os.MkdirTemp("", "switchboard-build-")
	if err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, service)
	if err := compile(ctx, o, service, binary); err != nil {
		return "", err
	}
	files, err := gather(service, binary, o.portal)
	if err != nil {
		return "", err
	}
	img, err := files.image(service, o.version, o.arch)
	if err != nil {
		return "", err
	}
	parts, err := bill(service, o.version, binary)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return "", fmt.Errorf("output: %w", err)
	}
	if err := save(img, service, o.version, filepath.Join(o.out, service+".tar")); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(o.out, service+".cdx.json"), parts, 0o644); err != nil {
		return "", fmt.Errorf("output: %w", err)
	}
	digest, err := img.Digest()
	return digest.String(), err
}

// compile builds a static binary in which nothing tells where it was built.
func compile(ctx context.Context, o options, service, to string) error {
	pkg := "./services/" + service + "/cmd/" + service
	if service == "gateway" {
		pkg = "./gateway/cmd/gateway"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X "+versionVariable+"="+o.version, "-o", to, pkg)
	cmd.Dir, cmd.Stderr = o.root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+o.arch, "GOWORK=", "GOFLAGS=")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", pkg, err)
	}
	return nil
}
