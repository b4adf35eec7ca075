// Package test holds what speaks about the tree as a whole.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows is a statement of policy: what each package of the product may import, of this module and of
// the modules it names. A package may import whatever those it may import may import.
var arrows = map[string][]string{
	"checks":            {},
	"checks/probe":      {"checks", "github.com/miekg/dns", "golang.org/x/net", "golang.org/x/sys"},
	"checks/runner":     {"checks"},
	"gossip":            {"checks", "github.com/hashicorp/memberlist"},
	"zones/policy":      {"checks"},
	"zones":             {"zones/policy", "checks", "github.com/miekg/dns"},
	"zones/zonefile":    {"zones", "zones/policy", "checks/probe", "checks", "github.com/miekg/dns", "github.com/BurntSushi/toml", "golang.org/x/net"},
	"dnsserver/edge":    {"github.com/dchest/siphash", "golang.org/x/sys"},
	"dnsserver":         {"dnsserver/edge", "zones", "zones/policy", "checks", "github.com/miekg/dns", "golang.org/x/net", "golang.org/x/sys"},
	"dnsserver/packed":  {"dnsserver/edge", "zones", "zones/policy", "checks", "github.com/miekg/dns"},
	"cmd/internal/node": {"dnsserver", "dnsserver/packed", "dnsserver/edge", "zones", "zones/policy", "zones/zonefile", "checks", "checks/probe", "checks/runner", "gossip", "github.com/BurntSushi/toml", "github.com/miekg/dns", "github.com/prometheus/client_golang", "golang.org/x/sync", "golang.org/x/sys"},
	"cmd/vitalns":       {"cmd/internal/node", "dnsserver", "zones", "zones/policy", "zones/zonefile", "checks", "checks/probe", "checks/runner", "gossip", "github.com/miekg/dns", "github.com/spf13/cobra", "golang.org/x/sys", "golang.org/x/term"},
	"cmd/internal/sim":  {},
	"test/simnet":       {"github.com/hashicorp/memberlist"},
}

// pure packages have no clock reading, goroutine, file or log of their own.
var pure = []string{"checks", "zones", "zones/policy", "zones/zonefile"}

type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Imports,GoFiles,Dir", "vitalns/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

// The imports of every package outside tests follow the table.
func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range list(t) {
		pkg := strings.TrimPrefix(strings.TrimPrefix(l.ImportPath, "vitalns"), "/")
		allowed, ok := arrows[pkg]
		seen[pkg] = true
		if !ok && (strings.HasPrefix(pkg, "test/") || pkg == "test" || pkg == "etc") {
			continue // test programs may use whatever they test
		}
		if !ok {
			t.Errorf("package %q is not in the table of arrows", pkg)
			continue
		}
		for _, imp := range l.Imports {
			if std(imp) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				return imp == "vitalns/"+a || strings.Contains(a, ".") && (imp == a || strings.HasPrefix(imp, a+"/"))
			}) {
				t.Errorf("%s imports %s: against the arrows", pkg, imp)
			}
		}
		if slices.Contains(pure, pkg) {
			for _, imp := range []string{"os", "log", "log/slog", "net/http", "sync"} {
				if slices.Contains(l.Imports, imp) {
					t.Errorf("%s imports %s: it is to stay pure", pkg, imp)
				}
			}
		}
	}
	for pkg := range arrows {
		if !seen[pkg] {
			t.Errorf("package %q of the table of arrows does not exist", pkg)
		}
	}
}

// std reports whether an import path is of the standard library: its first element has no dot and it is
// not of this module.
func std(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != "vitalns" && !strings.Contains(first, ".")
}
