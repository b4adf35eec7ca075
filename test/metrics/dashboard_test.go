package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile = "../../etc/grafana/vitalns.json"
	rulesFile     = "../../etc/prometheus/vitalns.rules.yml"
	rulesTests    = "../../etc/prometheus/*.test.yml"
	pageFile      = "../../etc/doc/metrics.md"
)

// A dashboard is what of Grafana's model is looked at here.
type dashboard struct {
	UID        string  `json:"uid"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string      `json:"name"`
			Type       string      `json:"type"`
			Datasource *datasource `json:"datasource"`
			Definition string      `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name       string     `json:"name"`
			BuiltIn    int        `json:"builtIn"`
			Datasource datasource `json:"datasource"`
			Expr       string     `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

type datasource struct {
	UID string `json:"uid"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	GridPos     struct{ H, W, X, Y int }
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Expr       string     `json:"expr"`
		Datasource datasource `json:"datasource"`
	} `json:"targets"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(readText(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func readText(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The dashboard can be imported anywhere and updated in place: its uid is fixed, its data source chosen,
// every panel says what it shows and in which unit, follows the variables, and lies on no other.
func TestDashboardHygiene(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "vitalns" {
		t.Errorf("uid %q: got another one than links use", d.UID)
	}
	chosen := func(where string, ds datasource) {
		if ds.UID != "${datasource}" {
			t.Errorf("%s: data source %q is not the chosen one", where, ds.UID)
		}
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
		if v.Type == "query" {
			chosen("variable "+v.Name, *v.Datasource)
		}
	}
	if want := []string{"datasource", "job", "instance", "zone", "pool"}; !slices.Equal(names, want) {
		t.Errorf("variables: got %v, want %v", names, want)
	}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			chosen("annotation "+a.Name, a.Datasource)
		}
	}
	ids, titles := map[int]bool{}, map[string]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] || titles[p.Title] || p.Title == "" {
			t.Errorf("panel %d %q: id or title is there twice, or missing", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		for _, q := range d.Panels[:i] {
			if overlap(p, q) {
				t.Errorf("panels %q and %q lie on each other", p.Title, q.Title)
			}
		}
		if p.Type != "row" {
			checkPanel(t, p, chosen)
		}
	}
}

func checkPanel(t *testing.T, p panel, chosen func(string, datasource)) {
	chosen(p.Title, p.Datasource)
	if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
		t.Errorf("%s: says not what it shows: %q", p.Title, p.Description)
	}
	if p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%s: no unit", p.Title)
	}
	if len(p.Targets) == 0 {
		t.Errorf("%s: no expression", p.Title)
	}
	for _, q := range p.Targets {
		chosen(p.Title, q.Datasource)
		for _, selector := range regexp.MustCompile(`\{[^}]*\}`).FindAllString(q.Expr, -1) {
			if !strings.Contains(selector, `job=~"$job"`) || !strings.Contains(selector, `instance=~"$instance"`) {
				t.Errorf("%s: %s does not follow $job and $instance", p.Title, selector)
			}
		}
		if regexp.MustCompile(`(rate|irate)\([^[]*\[\d`).MatchString(q.Expr) {
			t.Errorf("%s: a rate over a fixed time: %s", p.Title, q.Expr)
		}
	}
}

func overlap(p, q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

var metricName = regexp.MustCompile(`\bvitalns_[a-z_]+`)

// The dashboard and the alerts name no metric that does not exist, and none is left unseen: each that the
// page lists is in one of them.
func TestNamesExist(t *testing.T) {
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(vitalns_[a-z_]+)` \\|").FindAllSubmatch(readText(t, pageFile), -1) {
		documented[string(row[1])] = true
	}
	if len(documented) == 0 {
		t.Fatalf("%s lists no metrics", pageFile)
	}
	used := map[string]bool{}
	for _, path := range []string{dashboardFile, rulesFile} {
		for _, name := range metricName.FindAllString(string(readText(t, path)), -1) {
			name = strings.TrimSuffix(name, "_bucket")
			used[name] = true
			if !documented[name] {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
	}
	for name := range documented {
		if !used[name] {
			t.Errorf("%s is in no panel and no alert", name)
		}
	}
}
