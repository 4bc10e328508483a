package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"medfleet/alerting"
	"medfleet/collector"
	"medfleet/gateway"
)

// file is the one configuration file: a section for each package that has
// something to configure.
type file struct {
	Gateway   *gateway.Config   `yaml:"gateway"`
	Collector *collector.Config `yaml:"collector"`
	API       apiConfig         `yaml:"api"`
	Alerting  alerting.Config   `yaml:"alerting"`
	Profiles  string            `yaml:"profiles"` // folder of the user's own device profiles

	source *source
}

// apiConfig is where people and gateways reach the collector, and who they are.
type apiConfig struct {
	Listen   string         `yaml:"listen"`
	TLSCert  string         `yaml:"tls_cert"`
	TLSKey   string         `yaml:"tls_key"`
	Insecure bool           `yaml:"insecure"` // allow plain text and nobody's name beyond loopback
	Gateways []accessConfig `yaml:"gateways"`
	People   []accessConfig `yaml:"people"`
}

// accessConfig is one token and whose it is.
type accessConfig struct {
	Name      string `yaml:"name"`
	Role      string `yaml:"role"` // of people: viewer, bmet, admin
	Token     string `yaml:"token"`
	TokenFile string `yaml:"token_file"`
}

// readFile reads a configuration file strictly: an unknown key is an error with
// its place. ${NAME} in a value is replaced from the environment.
func readFile(path string) (*file, error) {
	if path == "" {
		return nil, usageError{errors.New("--config.file is missing: name the configuration file; deploy/medfleet.yaml is an example")}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parseFile(path, text)
}

func parseFile(path string, text []byte) (*file, error) {
	src := &source{name: path, lines: strings.Split(string(text), "\n")}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: this is no UTF-8 text, so no configuration", path)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, src.syntax(err)
	}
	f := &file{source: src}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return f, nil
	}
	if len(tree.Docs) > 1 {
		return nil, src.told([]mistake{at(tree.Docs[1].Start, "a second document: put all sections into one")})
	}
	src.body = tree.Docs[0].Body
	expand := &environment{}
	ast.Walk(expand, src.body)
	if wrong := append(expand.missing, strange(src.body, reflect.TypeFor[file]())...); len(wrong) > 0 {
		return nil, src.told(wrong)
	}
	if err := yaml.NodeToValue(src.body, f, yaml.Strict()); err != nil {
		return nil, src.syntax(err)
	}
	return f, nil
}

// environment replaces ${NAME} in values.
type environment struct{ missing []mistake }

// Visit is called for every node.
func (e *environment) Visit(n ast.Node) ast.Visitor {
	s, ok := n.(*ast.StringNode)
	if !ok || !strings.Contains(s.Value, "${") {
		return e
	}
	s.Value = expandBraces(s.Value, func(name string) string {
		value, ok := os.LookupEnv(name)
		if !ok {
			e.missing = append(e.missing, at(s.GetToken(), fmt.Sprintf("environment variable %s is not set", name)))
		}
		return value
	})
	return e
}

// expandBraces replaces ${NAME} and nothing else: a lone $ stays.
func expandBraces(s string, value func(string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String()
		}
		b.WriteString(value(name))
		s = after
	}
}

// secret gives a value or the content of the file that holds it; where names
// the key.
func secret(value, file, where string) (string, error) {
	if file == "" {
		return value, nil
	}
	if value != "" {
		return "", fmt.Errorf("%s and %s_file: give one of them", where, where)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_file: %w", where, err)
	}
	return strings.TrimSpace(string(text)), nil
}
