// Package payload is the form of Sparkplug B messages on the wire: the Go code of
// payload.proto.
//
// To make it anew: protoc (Debian's protobuf-compiler) and protoc-gen-go of the
// version of google.golang.org/protobuf that go.mod names have to be in PATH.
package payload

//go:generate protoc --go_out=. --go_opt=paths=source_relative payload.proto
