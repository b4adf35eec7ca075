package node

import (
	"encoding/json"
	"time"
)

// Schema is the version of the JSON that the API and `--json` give; names in it are stable.
const Schema = 1

// Seconds is a duration in JSON: a number of seconds with its fraction.
type Seconds time.Duration

// MarshalJSON writes the seconds, to the millisecond.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(s).Round(time.Millisecond).Milliseconds()) / 1000)
}

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// Status is what one node thinks of everything: GET /api/v1/status.
type Status struct {
	Schema  int          `json:"schema"`
	Version string       `json:"version"`
	Node    string       `json:"node"`
	Site    string       `json:"site,omitempty"`
	Uptime  Seconds      `json:"uptime_seconds"`
	Ready   bool         `json:"ready"`
	Waiting string       `json:"waiting,omitempty"` // what readiness still waits for
	DNS     []string     `json:"dns"`               // addresses it answers on
	Cluster ClusterState `json:"cluster"`
	Config  ConfigState  `json:"config"`
	Zones   []ZoneState  `json:"zones"`
	Pools   []PoolState  `json:"pools"`
	Alarms  []string     `json:"alarms"`

	StateError string `json:"state_error,omitempty"` // why the last state is not on disk
}

// ClusterState is a node's view of its cluster in short.
type ClusterState struct {
	Enabled  bool `json:"enabled"`
	Fresh    int  `json:"fresh"`    // nodes whose votes count, itself included
	Expected int  `json:"expected"` // `nodes` of the node file
	Majority bool `json:"majority"` // this side hears at least half of the expected nodes
	Abstains bool `json:"abstains"`
	Agrees   bool `json:"agrees"` // every fresh node has the same zones
}

// ConfigState says which configuration is served.
type ConfigState struct {
	Digest     string `json:"digest"`
	LoadedAt   string `json:"loaded_at"` // RFC 3339
	LastReload string `json:"last_reload"`
	Error      string `json:"error,omitempty"`
}

// ZoneState is a zone in short.
type ZoneState struct {
	Zone   string `json:"zone"`
	File   string `json:"file,omitempty"`
	Serial uint32 `json:"serial"`
	Names  int    `json:"names"` // owner names, empty non-terminals included
	Live   int    `json:"live"`  // those of them whose answers pools have a part in, by an ALIAS too
	Pools  int    `json:"pools"`
}

// PoolState is a pool, what it serves and why.
type PoolState struct {
	Zone        string        `json:"zone"`
	Pool        string        `json:"pool"`
	Policy      string        `json:"policy"`
	Serving     []string      `json:"serving"`      // targets in the answer
	ServingPool string        `json:"serving_pool"` // itself, or a fallback
	Up          int           `json:"up"`
	AllDown     bool          `json:"all_down"`
	TTL         uint32        `json:"ttl"`
	Since       Seconds       `json:"since_seconds"` // since the answer last changed
	Note        string        `json:"note,omitempty"`
	Targets     []TargetState `json:"targets"`
}

// TargetState is a target of a pool: one row per target, its addresses beneath.
type TargetState struct {
	Name      string         `json:"name"`
	Address   []string       `json:"address"`
	State     string         `json:"state"` // up, down, unknown
	Stale     bool           `json:"stale"`
	Doubt     bool           `json:"doubt"`
	Since     Seconds        `json:"since_seconds"`
	Serving   bool           `json:"serving"`
	Checks    []CheckState   `json:"checks"`
	Override  *OverrideState `json:"override"`
	FileState string         `json:"file_state,omitempty"`
}

// CheckState is one probe behind a target: the cluster's verdict, the votes, and this node's own view.
type CheckState struct {
	Check   string            `json:"check"`
	Target  string            `json:"target"` // "http 203.0.113.10:80"
	State   string            `json:"state"`
	Verdict string            `json:"verdict"` // the drawing of the votes
	Votes   map[string]string `json:"votes"`   // node -> up, down, unknown
	Last    Seconds           `json:"last_seconds"`
	LastRun Seconds           `json:"last_run_seconds_ago"` // -1: never
	Detail  string            `json:"detail"`
}

// OverrideState is an operator's word on a target.
type OverrideState struct {
	Target   string          `json:"target"` // ZONE/POOL/TARGET
	State    string          `json:"state"`
	Reason   string          `json:"reason"`
	Owner    string          `json:"owner"`
	Age      Seconds         `json:"age_seconds"`
	Left     Seconds         `json:"left_seconds"` // 0: it does not expire
	Expired  bool            `json:"expired"`
	Conflict []OverrideState `json:"conflict,omitempty"`
}

// Overrides is GET /api/v1/overrides.
type Overrides struct {
	Schema    int             `json:"schema"`
	Overrides []OverrideState `json:"overrides"`
}

// OverrideRequest is POST /api/v1/overrides.
type OverrideRequest struct {
	Target string  `json:"target"` // ZONE/POOL/TARGET
	State  string  `json:"state"`  // up, down, drain, auto
	Reason string  `json:"reason"`
	Owner  string  `json:"owner"`
	For    Seconds `json:"for_seconds"` // 0: until changed
	Force  bool    `json:"force"`
}

// FailbackRequest is POST /api/v1/failback.
type FailbackRequest struct {
	Pool string `json:"pool"` // ZONE/POOL
}

// Written says which nodes have a register that was just written.
type Written struct {
	Schema int      `json:"schema"`
	Have   []string `json:"have"`
	Lack   []string `json:"lack"`
}

// Members is GET /api/v1/members.
type Members struct {
	Schema  int           `json:"schema"`
	Self    string        `json:"self"`
	Members []MemberState `json:"members"`
}

// MemberState is one node as this one sees it.
type MemberState struct {
	Node     string  `json:"node"`
	Address  string  `json:"address"`
	Site     string  `json:"site,omitempty"`
	State    string  `json:"state"` // alive, suspect, failed, left
	Fresh    bool    `json:"fresh"`
	Votes    bool    `json:"votes"`
	Abstains bool    `json:"abstains"`
	Starting bool    `json:"starting"`
	Heard    Seconds `json:"heard_seconds_ago"`
	RTT      Seconds `json:"rtt_seconds"`
	Zones    string  `json:"zones"` // digest of its zones: "same", or what it is
	Problem  string  `json:"problem,omitempty"`
	Version  string  `json:"version,omitempty"`
}

// Event is something that happened to an answer, a target, the cluster or the configuration.
type Event struct {
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"` // answer, target, override, member, reload, node
	Zone  string    `json:"zone,omitempty"`
	Pool  string    `json:"pool,omitempty"`
	Text  string    `json:"text"`
	Cause string    `json:"cause,omitempty"` // the votes, or who wanted it

	Targets []string `json:"targets,omitempty"` // ZONE/POOL/TARGET: those a target event is about
}

// Events is GET /api/v1/events; with follow=1 the body is one Event a line, without end.
type Events struct {
	Schema int     `json:"schema"`
	Events []Event `json:"events"`
}

// Reload is POST /api/v1/reload and GET /api/v1/plan. With errors in the files the answer's code is 422.
type Reload struct {
	Schema       int      `json:"schema"`
	Valid        bool     `json:"valid"` // no errors in the files
	Applied      bool     `json:"applied"`
	Error        string   `json:"error,omitempty"` // the first
	Problems     string   `json:"problems"`        // the report, as `check` prints it
	Changes      []string `json:"changes"`         // in configuration
	Answers      []string `json:"answers"`         // that change
	NeedsRestart []string `json:"needs_restart"`
	Digest       string   `json:"digest"`
	Serials      []string `json:"serials"` // that changed
}

// Problem is the body of an error answer.
type Problem struct {
	Schema int    `json:"schema"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}
