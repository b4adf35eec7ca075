package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitalns/test/live"
)

// A prometheus is a real one, that scrapes and judges once a second.
type prometheus struct {
	*live.Process
	addr  string
	began time.Time
}

// startPrometheus starts one over some nodes with the alerts of etc, each of them to fire at once: for how
// long they wait is a matter of their unit tests.
func startPrometheus(t *testing.T, stage *live.Stage, nodes []*live.Node) *prometheus {
	t.Helper()
	binary := tool(t, "prometheus")
	var targets []string
	for _, n := range nodes {
		targets = append(targets, strconv.Quote(n.HTTP))
	}
	rules := regexp.MustCompile(`(?m)^( +for:) .*$`).ReplaceAll(readText(t, rulesFile), []byte("$1 0s"))
	write(t, filepath.Join(stage.Dir, "rules.yml"), string(rules))
	config := filepath.Join(stage.Dir, "prometheus.yml")
	write(t, config, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: vitalns
    static_configs: [{targets: [%s]}]
`, strings.Join(targets, ", ")))
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	p := &prometheus{addr: addr, began: time.Now()}
	if p.Process, err = stage.Start(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(stage.Dir, "tsdb"),
		"--web.listen-address="+addr, "--log.level=warn"); err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A result is a series with one value, or with many.
type result struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

// ask asks its API.
func (p *prometheus) ask(ctx context.Context, path string, args url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path+"?"+args.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body struct {
		Error string
		Data  json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return err
	}
	if body.Error != "" {
		return fmt.Errorf("prometheus: %s", body.Error)
	}
	return json.Unmarshal(body.Data, data)
}

// fired are the alerts that have fired so far.
func (p *prometheus) fired(ctx context.Context) (map[string]bool, error) {
	var data struct{ Result []result }
	err := p.ask(ctx, "/api/v1/query", url.Values{"query": {`count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[10m]))`}}, &data)
	names := map[string]bool{}
	for _, r := range data.Result {
		names[r.Metric["alertname"]] = true
	}
	return names, err
}

// samples counts the numbers that an expression had since the start.
func (p *prometheus) samples(ctx context.Context, expr string) (int, error) {
	var data struct{ Result []result }
	args := url.Values{"query": {expr}, "step": {"1"}, "start": {unix(p.began)}, "end": {unix(time.Now())}}
	if err := p.ask(ctx, "/api/v1/query_range", args, &data); err != nil {
		return 0, err
	}
	n := 0
	for _, r := range data.Result {
		for _, v := range r.Values {
			if f, err := strconv.ParseFloat(v[1].(string), 64); err == nil && !math.IsNaN(f) {
				n++
			}
		}
	}
	return n, nil
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
