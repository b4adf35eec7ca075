package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Node is a vitalns with its own directory, node file and addresses. It may be started again.
type Node struct {
	Name   string
	Dir    string
	File   string // the node file
	DNS    string // HOST:PORT, as the next ones
	HTTP   string
	Gossip string
	Socket string
	Proc   *Process // the last one started; nil before

	stage *Stage
}

// A Setup is what the node files of a cluster say beside names and addresses.
type Setup struct {
	Host  string // of all listeners; "": an address of this process alone
	Zones []string
	Nodes int
	Grace string // start_grace; "": the default
}

// Nodes makes node files for a cluster, called prefix1, prefix2 and so on, and starts nothing. One node is
// a lone one.
func (s *Stage) Nodes(prefix string, set Setup) ([]*Node, error) {
	var nodes []*Node
	var join []string
	for i := 1; i <= set.Nodes; i++ {
		n := &Node{Name: fmt.Sprintf("%s%d", prefix, i), stage: s}
		n.Dir = filepath.Join(s.Dir, n.Name)
		n.File, n.Socket = filepath.Join(n.Dir, "node.toml"), filepath.Join(n.Dir, "sock")
		for _, addr := range []*string{&n.DNS, &n.HTTP, &n.Gossip} {
			var err error
			if *addr, err = Address(set.Host); err != nil {
				return nil, err
			}
		}
		nodes = append(nodes, n)
		join = append(join, n.Gossip)
	}
	for _, n := range nodes {
		if err := os.MkdirAll(n.Dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(n.File, n.file(set, join, prefix), 0o644); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func (n *Node) file(set Setup, join []string, label string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "node = %q\nzones = [%s]\nstate_dir = \"state\"\n", n.Name, quoted(set.Zones))
	if set.Grace != "" {
		fmt.Fprintf(&b, "start_grace = %q\n", set.Grace)
	}
	fmt.Fprintf(&b, "[dns]\nlisten = [%q]\n[http]\nlisten = %q\n[control]\nsocket = %q\n", n.DNS, n.HTTP, n.Socket)
	if len(join) > 1 {
		fmt.Fprintf(&b, "[cluster]\nbind = %q\njoin = [%s]\nnodes = %d\nname = %q\n", n.Gossip, quoted(join), len(join), filepath.Base(n.stage.Dir)+"-"+label)
	}
	return b.Bytes()
}

func quoted(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, ", ")
}

// Start starts the node; Ready waits for it.
func (n *Node) Start() (err error) {
	n.Proc, err = n.stage.Start(n.stage.binary, "run", "-c", n.File)
	return err
}

// Every is how often this package looks whether something has come about.
const Every = 5 * time.Millisecond

// Ready waits until the node says that it is ready.
func (n *Node) Ready(ctx context.Context) error {
	var last error
	for {
		if last = n.Get(ctx, "/readyz", nil); last == nil {
			return nil
		}
		select {
		case <-n.Proc.Done():
			return fmt.Errorf("%s ended with exit code %d:\n%s", n.Name, n.Proc.Code(), n.Proc.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; it says:\n%s", n.Name, last, n.Proc.Output())
		case <-time.After(Every):
		}
	}
}

// Get reads a path of the node's HTTP into v; nil leaves it unread.
func (n *Node) Get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, bytes.TrimSpace(raw))
	case v == nil:
		return nil
	}
	return json.Unmarshal(raw, v)
}

// Said is what a command printed, and how it ended.
type Said struct {
	Out, Err string
	Code     int
}

// Command runs a command of vitalns against the node, through its socket.
func (n *Node) Command(ctx context.Context, args ...string) (Said, error) {
	return n.stage.Command(ctx, append(args, "--server", "unix://"+n.Socket)...)
}

// Command runs a command of vitalns to its end.
func (s *Stage) Command(ctx context.Context, args ...string) (Said, error) {
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, &out, &talk
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		err = nil
	}
	if err != nil {
		return Said{}, err
	}
	return Said{Out: out.String(), Err: talk.String(), Code: cmd.ProcessState.ExitCode()}, nil
}

// Status is what of a node's status is of use here.
type Status struct {
	Config struct {
		Digest     string `json:"digest"`
		LastReload string `json:"last_reload"`
		Error      string `json:"error"`
	} `json:"config"`
	Cluster struct {
		Fresh    int  `json:"fresh"`
		Abstains bool `json:"abstains"`
	} `json:"cluster"`
	Pools []struct {
		Pool    string   `json:"pool"`
		Serving []string `json:"serving"`
		Targets []struct {
			Name   string `json:"name"`
			State  string `json:"state"`
			Doubt  bool   `json:"doubt"`
			Checks []struct {
				Votes map[string]string `json:"votes"`
			} `json:"checks"`
			Override *struct {
				State  string `json:"state"`
				Reason string `json:"reason"`
			} `json:"override"`
		} `json:"targets"`
	} `json:"pools"`
}

// Status asks the node for its status.
func (n *Node) Status(ctx context.Context) (Status, error) {
	var s Status
	err := n.Get(ctx, "/api/v1/status", &s)
	return s, err
}

// Steady reports whether every target is voted up by that many nodes and in no doubt.
func (s Status) Steady(votes int) bool {
	for _, p := range s.Pools {
		for _, t := range p.Targets {
			if t.Doubt {
				return false
			}
			for _, c := range t.Checks {
				up := 0
				for _, v := range c.Votes {
					if v == "up" {
						up++
					}
				}
				if up < votes {
					return false
				}
			}
		}
	}
	return s.Cluster.Fresh >= votes
}
