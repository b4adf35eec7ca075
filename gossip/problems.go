package gossip

import (
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxProblems   = 64               // addresses with a problem; more are only counted
	problemExpiry = 30 * time.Second // after it was last seen
)

// A problem is why an address is no member, or not well.
type problem struct {
	text string
	at   time.Time
	join bool // met by dialling it: its port is the one it listens on
}

// What people read of problems that others may depend on.
const (
	wrongKey     = "wrong key"
	notEncrypted = "not encrypted"
	otherCluster = "another cluster's name"
	refused      = "connection refused"
)

// blame notes what is wrong with an address and reports whether that is news. An incoming stream has a
// port that means nothing, so it is noted without, and not at all if dialling that host has met the same.
func (t *peers) blame(addr string, pr problem) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	host := hostOf(addr)
	if !pr.join {
		for a, known := range t.problems {
			if known.join && known.text == pr.text && hostOf(a) == host && pr.at.Sub(known.at) < problemExpiry {
				return false
			}
		}
	}
	old, ok := t.problems[addr]
	if !ok && len(t.problems) >= maxProblems {
		for a, p := range t.problems {
			if pr.at.Sub(p.at) > problemExpiry {
				delete(t.problems, a)
			}
		}
		if len(t.problems) >= maxProblems {
			return false
		}
	}
	t.problems[addr] = pr
	if pr.join {
		delete(t.problems, host)
	}
	return !ok || old.text != pr.text
}

func (t *peers) forgive(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.problems, addr)
}

func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// lookupProblem says that a name could not be looked up, in words that stay the same while the cause does.
func lookupProblem(host string, err error) string {
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		return host + ": " + d.Err
	}
	return host + ": " + err.Error()
}

// joinProblem says in a few words why a join failed. memberlist has no types for what a peer answers, so
// its words are matched; a test holds them against the real thing.
func joinProblem(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "no installed keys"):
		return wrongKey
	case strings.Contains(text, "remote state is not encrypted"),
		strings.Contains(text, "encryption is not configured"):
		return notEncrypted
	case strings.Contains(text, "EOF"):
		return "closed the connection (" + otherCluster + "?)"
	case strings.Contains(text, "timeout"):
		return "timeout"
	case strings.Contains(text, refused):
		return refused
	}
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	text = strings.TrimSpace(text)
	return text[:min(len(text), 80)]
}

// logWriter takes memberlist's log lines. They go on at Debug, as they tell of single packets and pings;
// what an operator must know is taken out of them.
type logWriter struct{ mesh *Mesh }

// Write takes one line. It is called with the lock of memberlist's logger held and does not block.
func (w logWriter) Write(line []byte) (int, error) {
	m := w.mesh
	text := strings.TrimSpace(string(line))
	if _, after, ok := strings.Cut(text, "memberlist: "); ok {
		text = after
	}
	from := ""
	if i := strings.LastIndex(text, "from="); i >= 0 { // a label may say so too
		from = text[i+len("from="):]
	}
	stream := strings.Contains(text, "failed to receive") || strings.Contains(text, "discarding stream")
	if stream {
		from = hostOf(from)
	}
	var pr string
	switch label, labelled := unacceptable(text); {
	case labelled && clusterName(label):
		m.counts.foreign.Add(1)
		pr = otherCluster
	case labelled: // noise: whoever sent it is no node
		m.counts.malformed.Add(1)
	case strings.Contains(text, "Decrypt packet failed"), strings.Contains(text, "failed to receive: no installed keys"):
		m.counts.undecrypted.Add(1)
		pr = wrongKey
	case strings.Contains(text, "remote state is not encrypted"):
		m.counts.undecrypted.Add(1)
		pr = notEncrypted
	case strings.Contains(text, "encryption is not configured"):
		m.counts.undecrypted.Add(1)
		pr = wrongKey + ": it encrypts, this node does not"
	}
	if pr != "" && from != "" && m.peers.blame(from, problem{text: pr, at: time.Now()}) {
		m.note(slog.LevelWarn, "peer refused", "addr", from, "cause", pr)
	}
	m.note(slog.LevelDebug, "memberlist", "text", text)
	return len(line), nil
}

// unacceptable returns the label of a message that has another than ours, from memberlist's line about it.
func unacceptable(text string) (label string, ok bool) {
	if _, text, ok = strings.Cut(text, "with unacceptable label "); !ok {
		return "", false
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", false
	}
	label, err = strconv.Unquote(quoted)
	return label, err == nil
}

// clusterName reports whether a label can be the name of a cluster. What a scanner sends has none, or bytes
// that nobody would write.
func clusterName(label string) bool {
	return label != "" && len(label) <= maxLabel && utf8.ValidString(label) &&
		!strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) })
}
