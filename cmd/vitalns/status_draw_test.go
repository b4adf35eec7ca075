package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitalns/cmd/internal/node"
)

var update = flag.Bool("update", false, "rewrite golden files")

// What an operator reads when things are not well: each mark that a target can have, a pool of many, a
// pool on its fallback, long names, and every trouble of a node.
func TestDrawStatus(t *testing.T) {
	check := func(verdict string, latency time.Duration) []node.CheckState {
		return []node.CheckState{{Verdict: verdict, Votes: map[string]string{"a": "up"}, Last: node.Seconds(latency)}}
	}
	override := func(state string) *node.OverrideState {
		return &node.OverrideState{State: state, Owner: "alice", Reason: "kernel upgrade", Left: node.Seconds(2 * time.Hour)}
	}
	up, down := check("up 0/3 (a up, b up, c up)", 11*time.Millisecond), check("down 2/3 (a down: refused, b down: timeout, c up)", 0)
	since := node.Seconds(76 * time.Hour)
	marks := node.PoolState{Zone: "gslb.example.com", Pool: "marks", Policy: "all", Serving: []string{"fine", "forced"}, ServingPool: "marks", Up: 5, TTL: 30, Since: since,
		Note: "override: marks/drained drain", Targets: []node.TargetState{
			{Name: "fine", Address: []string{"203.0.113.10", "2001:db8:10::10"}, State: "up", Since: since, Serving: true, Checks: append(up, up...)},
			{Name: "doubt", Address: []string{"203.0.113.11"}, State: "up", Doubt: true, Since: since, Serving: true, Checks: up},
			{Name: "stale", Address: []string{"203.0.113.12"}, State: "up", Stale: true, Since: since, Serving: true, Checks: []node.CheckState{{Verdict: "up (stale)", Detail: "no route", LastRun: -1}}},
			{Name: "unknown", Address: []string{"203.0.113.13"}, State: "unknown", Checks: []node.CheckState{{Verdict: "unknown", Detail: "no route", LastRun: -1}}},
			{Name: "down", Address: []string{"203.0.113.14"}, State: "down", Since: node.Seconds(12 * time.Second), Checks: down},
			{Name: "drained", Address: []string{"203.0.113.15"}, State: "drain", Since: since, Override: override("drain"), Checks: up},
			{Name: "forced", Address: []string{"203.0.113.16"}, State: "up", Since: since, Serving: true, Override: override("up"), Checks: down},
			{Name: "out", Address: []string{"203.0.113.17"}, State: "down", Override: &node.OverrideState{State: "down", Owner: "bob",
				Conflict: []node.OverrideState{{State: "drain", Owner: "alice"}}}, Checks: up},
			{Name: "expired", Address: []string{"203.0.113.18"}, State: "up", Serving: true, FileState: "auto", Override: &node.OverrideState{State: "drain", Expired: true}, Checks: up},
			{Name: "file", Address: []string{"203.0.113.19"}, State: "drain", FileState: "drain", Checks: up},
			{Name: "light", Address: []string{"203.0.113.20"}, State: "drain", FileState: "auto", Checks: up},
			{Name: "bare", Address: []string{"x.a-cdn.example."}, State: "up", Serving: true},
		}}
	many := node.PoolState{Zone: "gslb.example.com", Pool: "many", Policy: "all", ServingPool: "many", Up: 40, TTL: 5, Since: node.Seconds(41 * time.Second)}
	for i := range 40 {
		name := fmt.Sprintf("t%d", i+1)
		many.Serving = append(many.Serving, name)
		many.Targets = append(many.Targets, node.TargetState{Name: name, State: "up", Checks: up})
	}
	fallen := node.PoolState{Zone: "a-zone-with-a-long-name.example.net", Pool: "web", Policy: "failover", Serving: []string{"static"}, ServingPool: "sorry", TTL: 30, AllDown: false,
		Note: "fallback sorry: 0 of 1 targets of web up", Targets: []node.TargetState{{Name: "lon", Address: []string{"192.0.2.1"}, State: "down", Since: node.Seconds(time.Second), Checks: down}}}
	s := node.Status{Version: "1.0", Node: "ns1", Site: "lon", Uptime: since, Ready: false, Waiting: "the first exchange with a peer",
		Cluster: node.ClusterState{Enabled: true, Fresh: 1, Expected: 3, Abstains: true}, Alarms: []string{"2026-11-23T07:00:00Z two nodes have the name \"ns1\""},
		StateError: "save state: write /var/lib/vitalns/state.json.new: no space left on device",
		Config:     node.ConfigState{Digest: "7f3a91aa", Error: "gslb.toml:3:1: error: unknown key \"polcy\""}}
	var b bytes.Buffer
	if err := drawStatus(&b, s, []node.PoolState{marks, many, fallen}, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", b.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
	}
}
