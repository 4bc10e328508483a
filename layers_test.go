package medfleet_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrows says which of our own packages a package may import. A package without
// a row may import none; "/..." stands for all below. Only cmd sees everything.
// Tests outside a package (package x_test) may in addition use what their row in
// testArrows names.
var arrows = map[string][]string{
	"profiles":                  {"."},
	"record":                    {"."},
	"spelling":                  {},
	"processtest":               {},
	"spool":                     {},
	"spool/memfile":             {"spool"},
	"gateway":                   {".", "profiles", "record", "spool", "gateway/..."},
	"gateway/hl7":               {},
	"gateway/mllp":              {},
	"gateway/uplink":            {},
	"gateway/pcd":               {".", "profiles", "gateway/hl7"},
	"gateway/mapping":           {".", "profiles"},
	"gateway/mqtt":              {".", "profiles", "gateway/mqtt/wire", "gateway/tlsfiles"},
	"gateway/mqtt/brokertest":   {"gateway/tlsfiles/tlstest", "processtest"},
	"gateway/mqtt/wire":         {},
	"gateway/mqtt/foreign":      {".", "profiles", "spelling", "gateway/mapping", "gateway/mqtt"},
	"gateway/tlsfiles":          {},
	"gateway/tlsfiles/tlstest":  {},
	"gateway/sparkplug":         {".", "profiles", "gateway/mapping", "gateway/mqtt", "gateway/mqtt/wire", "gateway/sparkplug/payload"},
	"gateway/sparkplug/payload": {},
	"collector":                 {".", "profiles", "record", "spool", "collector/..."},
	"collector/ingest":          {".", "profiles", "record"},
	"collector/roster":          {".", "profiles", "record"},
	"collector/state":           {},
	"collector/state/statetest": {"collector/state", "processtest"},
	"collector/store":           {".", "record"},
	"collector/store/storetest": {".", "record", "collector/store"},
	"collector/store/tsdb":      {".", "record", "collector/store"},
	"collector/store/influx":    {".", "record", "collector/store"},
	"alerting":                  {".", "profiles", "alerting/..."},
	"alerting/internal/testdb":  {},
	"alerting/rules":            {".", "profiles"},
	"alerting/alarms":           {"."},
	"alerting/paging":           {"."},
	"api":                       {".", "profiles", "api/stream"},
	"api/stream":                {"."},
	"dashboards/board":          {".", "profiles", "dashboards/board/..."},
	"dashboards/board/chart":    {"."},
	"simulators":                {".", "profiles", "gateway/hl7", "gateway/mllp", "simulators/..."},
	"simulators/edgenode":       {"gateway/sparkplug/payload"},
	"simulators/physics":        {".", "profiles"},
	"simulators/scenario":       {".", "profiles", "simulators/physics"},
	"cmd/medfleet":              {"/..."},

	"collector/store/influx/influxtest": {"processtest"},
}

// testArrows is what tests may import beside what their package may.
var testArrows = map[string][]string{
	"collector/store":         {"profiles"},
	"dashboards/board":        {"processtest"},
	"gateway":                 {"gateway/...", "simulators/edgenode", "spool/memfile"},
	"gateway/mqtt":            {"gateway/mqtt", "gateway/mqtt/brokertest", "gateway/tlsfiles/tlstest"},
	"gateway/mqtt/brokertest": {"gateway/tlsfiles"},
	"gateway/mqtt/wire":       {"gateway/mqtt/brokertest"},
	"gateway/tlsfiles":        {"gateway/tlsfiles/tlstest"},
	"gateway/sparkplug":       {"gateway/mqtt/brokertest", "gateway/tlsfiles/tlstest", "simulators/edgenode"},
	"gateway/uplink":          {"gateway/uplink"},
	"collector":               {"collector/...", "spool/memfile"},
	"collector/ingest":        {"spool"},
	"collector/roster":        {"collector/state", "collector/state/statetest"},
	"collector/state":         {"collector/state/statetest"},
	"alerting":                {"collector/state", "collector/state/statetest"},
	"alerting/alarms":         {"alerting/internal/testdb", "collector/state", "collector/state/statetest"},
	"alerting/paging":         {"alerting/internal/testdb", "collector/state", "collector/state/statetest"},
	"simulators":              {"gateway/...", "processtest", "record"},
	"spool":                   {"spool/memfile"},
	"collector/store/tsdb":    {"collector/store/storetest"},
	"collector/store/influx":  {"collector/store/storetest", "collector/store/influx/influxtest"},
}

const module = "medfleet"

func TestPackagesImportOnlyWhatTheirArrowsAllow(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range goFiles(t) {
		pkg := filepath.ToSlash(filepath.Dir(file))
		if pkg == "." {
			continue
		}
		allowed, ok := arrows[pkg]
		require.True(t, ok, "package %s has no row in arrows", pkg)
		seen[pkg] = true
		if strings.HasSuffix(file, "_test.go") {
			allowed = append(slices.Concat(allowed, testArrows[pkg]), pkg)
		}
		for _, path := range imports(t, file) {
			require.True(t, permits(allowed, path), "%s imports %s: not an arrow of %s", file, path, pkg)
		}
	}
	for pkg := range seen {
		require.Contains(t, arrows, pkg)
	}
	require.Greater(t, len(seen), 15, "the walk found too few packages to mean anything")
}

func TestPackagesForTestsAreImportedByTestsOnly(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || isForTests(filepath.ToSlash(filepath.Dir(file))) {
			continue
		}
		for _, path := range imports(t, file) {
			require.False(t, isForTests(path), "%s imports %s", file, path)
		}
	}
}

func isForTests(pkg string) bool {
	last := pkg[strings.LastIndex(pkg, "/")+1:]
	return strings.HasSuffix(last, "test") || last == "testdb"
}

func TestTheVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			first, _, _ := strings.Cut(path, "/")
			require.NotContains(t, first, ".", "%s imports %s", file, path)
			require.NotEqual(t, module, first, "%s imports %s", file, path)
		}
	}
}

func TestNoFolderIsADrawerForEverything(t *testing.T) {
	for _, file := range goFiles(t) {
		for _, part := range strings.Split(filepath.ToSlash(filepath.Dir(file)), "/") {
			require.NotContains(t, []string{"util", "utils", "common", "helpers", "types", "models"}, part, file)
		}
	}
}

// imports gives the packages of ours that a file imports, "." for the root.
func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	var list []string
	for _, i := range parsed.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if path == module {
			list = append(list, ".")
		}
		if own, ok := strings.CutPrefix(path, module+"/"); ok {
			list = append(list, own)
		}
	}
	return list
}

func permits(allowed []string, path string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		below, wild := strings.CutSuffix(a, "/...")
		return a == path || wild && (below == "" || strings.HasPrefix(path, below+"/"))
	})
}

func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	return files
}
