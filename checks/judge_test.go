package checks_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

var update = flag.Bool("update", false, "rewrite testdata/judge.txt below the dashes")

// TestJudgeDrawings holds the drawings of testdata/judge.txt: prose, a line "judge quorum=Q", one line
// per vote ("NODE STATE [REASON] AGE [FLAG]..."), dashes, the drawing. A reason's dashes are spaces.
func TestJudgeDrawings(t *testing.T) {
	const path = "testdata/judge.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	sc := bufio.NewScanner(strings.NewReader(string(text)))
	var quorum checks.Quorum
	var votes []checks.Vote
	line := 0
	for sc.Scan() {
		line++
		s := sc.Text()
		switch {
		case s == "" || strings.HasPrefix(s, "#"):
			fmt.Fprintln(&out, s)
		case strings.HasPrefix(s, "judge quorum="):
			if quorum, err = checks.ParseQuorum(strings.TrimPrefix(s, "judge quorum=")); err != nil {
				t.Fatalf("line %d: %v", line, err)
			}
			votes = nil
			fmt.Fprintln(&out, s)
		case s == "----":
			got := draw(checks.Judge(votes, quorum))
			fmt.Fprintf(&out, "%s\n%s\n", s, got)
			var want []string
			for sc.Scan() && sc.Text() != "" {
				want = append(want, sc.Text())
			}
			if w := strings.Join(want, "\n"); w != got && !*update {
				t.Errorf("line %d: got %s\nwant %s", line, got, w)
			}
			line += len(want) + 1
			fmt.Fprintln(&out)
		default:
			votes = append(votes, parseVote(t, line, s))
			fmt.Fprintln(&out, s)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// draw is the drawing with the need and the age, which are not for people in a hurry.
func draw(v checks.Verdict) string {
	return fmt.Sprintf("%v\nneed %d, for %v", v, v.Need, v.Age)
}

func parseVote(t *testing.T, line int, s string) checks.Vote {
	f := strings.Fields(s)
	v := checks.Vote{Node: f[0]}
	switch f[1] {
	case "up":
		v.State = checks.Up
	case "down":
		v.State = checks.Down
	}
	for _, w := range f[2:] {
		if d, err := time.ParseDuration(w); err == nil {
			v.Age = d
			continue
		}
		switch w {
		case "restarting":
			v.Restarts = true
		case "abstains":
			v.Abstains = true
		case "stale":
			v.Stale = true
		case "doubt":
			v.Doubt = true
		case "reached-up":
			v.Reached = checks.Up
		case "reached-down":
			v.Reached = checks.Down
		default:
			if v.Reason != "" {
				t.Fatalf("line %d: two reasons", line)
			}
			v.Reason = checks.Reason(strings.ReplaceAll(w, "-", " "))
		}
	}
	return v
}

func genVote(t *rapid.T, node string) checks.Vote {
	state := rapid.SampledFrom([]checks.State{checks.Unknown, checks.Up, checks.Down})
	return checks.Vote{Node: node, State: state.Draw(t, "state"), Doubt: rapid.Bool().Draw(t, "doubt"),
		Age:      time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Second,
		Abstains: rapid.IntRange(0, 4).Draw(t, "abstains") == 0, Stale: rapid.IntRange(0, 4).Draw(t, "stale") == 0,
		Reached: state.Draw(t, "reached")}
}

func genQuorum(t *rapid.T) checks.Quorum {
	return rapid.SampledFrom([]checks.Quorum{{}, {Kind: checks.AnyVote}, {Kind: checks.AllVotes},
		{Kind: checks.Share, N: 30}, {Kind: checks.Share, N: 67}, {Kind: checks.Share, N: 100},
		{Kind: checks.Count, N: 1}, {Kind: checks.Count, N: 2}, {Kind: checks.Count, N: 3}}).Draw(t, "quorum")
}

func genVotes(t *rapid.T) []checks.Vote {
	n := rapid.IntRange(0, 7).Draw(t, "nodes")
	votes := make([]checks.Vote, n)
	for i := range votes {
		votes[i] = genVote(t, string(rune('a'+i)))
	}
	return votes
}

// plainJudge is a dumb twin of Judge: it states section 3.2 of the design as it reads, without counting
// ahead.
func plainJudge(votes []checks.Vote, q checks.Quorum) (state checks.State, stale bool) {
	var downs, all, reachedUp, reachedDown float64
	for _, v := range votes {
		if v.Stale {
			continue
		}
		if v.Reached == checks.Up {
			reachedUp++
		}
		if v.Reached == checks.Down {
			reachedDown++
		}
		if v.Abstains || v.State == checks.Unknown {
			continue
		}
		all++
		if v.State == checks.Down {
			downs++
		}
	}
	down := false
	switch q.Kind {
	case checks.Majority:
		down = downs > all/2
	case checks.AnyVote:
		down = downs > 0
	case checks.AllVotes:
		down = downs == all
	case checks.Share:
		down = downs > 0 && downs*100 >= all*float64(q.N)
	case checks.Count:
		down = downs >= float64(q.N)
		if all < float64(q.N) {
			all = 0
		}
	}
	switch {
	case all > 0 && down:
		return checks.Down, false
	case all > 0:
		return checks.Up, false
	case reachedDown > reachedUp:
		return checks.Down, true
	case reachedUp > 0:
		return checks.Up, true
	}
	return checks.Unknown, false
}

func TestJudgeTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		votes, q := genVotes(t), genQuorum(t)
		v := checks.Judge(votes, q)
		if state, stale := plainJudge(votes, q); v.State != state || v.Stale != stale {
			t.Fatalf("quorum %v: got %v, want %v stale=%v", q, v, state, stale)
		}
	})
}

// Doubt says that the votes in doubt, had they turned, would make another verdict; the age, that so long
// ago the votes that have not changed since would have made this one whatever the others said.
func TestJudgeDoubtAndAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		votes, q := genVotes(t), genQuorum(t)
		v := checks.Judge(votes, q)
		if v.Count == 0 {
			if v.Doubt || v.Age != 0 || v.Need != 0 {
				t.Fatalf("without votes: %+v", v)
			}
			return
		}
		turned := slices.Clone(votes)
		for i, vote := range turned {
			if vote.Counts() && vote.Doubt && vote.State == v.State {
				turned[i].State = checks.Up + checks.Down - vote.State
			}
		}
		if got := checks.Judge(turned, q).State != v.State; got != v.Doubt {
			t.Fatalf("quorum %v: %v: doubt %v, but turning them makes a difference: %v", q, v, v.Doubt, got)
		}
		before := func(age time.Duration) checks.State {
			then := slices.Clone(votes)
			for i, vote := range then {
				if vote.Counts() && vote.State == v.State && vote.Age < age {
					then[i].State = checks.Up + checks.Down - vote.State
				}
			}
			return checks.Judge(then, q).State
		}
		if before(v.Age) != v.State || before(v.Age+1) == v.State {
			t.Fatalf("quorum %v: %v for %v", q, v, v.Age)
		}
	})
}

func TestJudgeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		votes, q := genVotes(t), genQuorum(t)
		want := fmt.Sprintf("%+v", checks.Judge(votes, q))
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(votes), func(i, j int) { votes[i], votes[j] = votes[j], votes[i] })
		if got := fmt.Sprintf("%+v", checks.Judge(votes, q)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

func TestQuorumNeed(t *testing.T) {
	for _, tc := range []struct {
		text  string
		votes int
		need  int
		ok    bool
	}{
		{"majority", 0, 0, false}, {"majority", 1, 1, true}, {"majority", 2, 2, true}, {"majority", 3, 2, true}, {"majority", 4, 3, true},
		{"any", 5, 1, true}, {"any", 0, 0, false},
		{"all", 4, 4, true},
		{"30%", 3, 1, true}, {"30%", 4, 2, true}, {"30%", 10, 3, true}, {"1%", 1, 1, true}, {"100%", 7, 7, true},
		{"2", 1, 2, false}, {"2", 2, 2, true}, {"2", 9, 2, true},
	} {
		q, err := checks.ParseQuorum(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if q.String() != tc.text {
			t.Errorf("%q comes back as %q", tc.text, q)
		}
		if need, ok := q.Need(tc.votes); ok != tc.ok || ok && need != tc.need {
			t.Errorf("%s of %d votes: got %d %v, want %d %v", tc.text, tc.votes, need, ok, tc.need, tc.ok)
		}
	}
	for _, bad := range []string{"", "Majority", "0", "-1", "0%", "101%", "1.5", "02", "+2", "%", "1001", "99999999999999999999"} {
		if q, err := checks.ParseQuorum(bad); err == nil {
			t.Errorf("%q is read as %v", bad, q)
		}
	}
}
