package zones

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// A Note is an extended error (RFC 8914): why an answer is not the usual one. The zero Note is none.
type Note struct {
	Code uint16
	Text string
}

// maxNoted bounds the targets named in a note.
const maxNoted = 3

var familyWords = [families]string{"IPv4 address", "IPv6 address", "name"}

// note says what is unusual about one family's answer: nothing usable, all down, no verdicts or stale
// ones, a fallback, overrides.
func (s *solution) note(f family) Note {
	a := s.by[f]
	l := &s.links[a.place]
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	switch a.cause {
	case noFamily:
		return Note{}
	case noneUsable:
		add("no %s of %s is up", familyWords[f], l.Pool.Name)
	case allForced:
		add("all targets of %s are forced down", l.Pool.Name)
	case allDown, lastWasGood:
		add("%s", s.allDownNote(f))
	case usual:
		switch a.class {
		case UnknownMember:
			add("no target of %s has a verdict yet", l.Pool.Name)
		case DrainedButUp:
			add("only drained targets of %s are up", l.Pool.Name)
		}
	}
	if a.place > 0 {
		head := &s.links[0]
		add("fallback %s: %d of %d targets of %s up", l.Pool.Name, head.up, len(head.states), head.Pool.Name)
	}
	code := uint16(dns.ExtendedErrorCodeOther)
	if l.stale(f) {
		code = dns.ExtendedErrorCodeStaleAnswer
		add("verdicts on %s are stale", l.Pool.Name)
	}
	if over := s.overridden(); over != "" {
		add("%s", over)
	}
	if len(notes) == 0 {
		return Note{}
	}
	return Note{Code: code, Text: strings.Join(notes, "; ")}
}

func (s *solution) allDownNote(f family) string {
	l := &s.links[s.by[f].place]
	what := "all targets of " + s.links[0].Pool.Name + " are down"
	if s.step < 5 {
		what = fmt.Sprintf("every %s of %s is down", familyWords[f], l.Pool.Name)
	}
	switch a := s.by[f]; {
	case a.result != DrawnServe:
		return what
	case a.cause == lastWasGood:
		return what + ", the last good are served"
	}
	return what + ", " + s.servedNote(f)
}

// servedNote says how many members that are down are served: all that have an address of the family, those
// named, or as many of them as an answer has.
func (s *solution) servedNote(f family) string {
	a := s.by[f]
	l := &s.links[a.place]
	all := 0
	for i := range l.states {
		if l.states[i].has[f] {
			all++
		}
	}
	var names []string
	for n, m := range a.choice.Members {
		if len(a.addrs[n]) > 0 {
			names = append(names, l.Pool.Members[m.Index].Name)
		}
	}
	served := len(names)
	if n := a.choice.Size(); n < len(a.choice.Members) { // others each time, or for each client
		served, all, names = n, max(all, len(a.choice.Members)), nil
	}
	switch {
	case served == all:
		return "all are served"
	case len(names) == 0 || served > maxNoted:
		return fmt.Sprintf("%d of %d %s served all the same", served, all, areOf(served))
	}
	text := names[served-1]
	if served > 1 {
		text = joined(names[:served-1]) + " and " + text
	}
	return fmt.Sprintf("%s %s served all the same", text, areOf(served))
}

func areOf(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (l *link) stale(f family) bool {
	for i := range l.states {
		if l.states[i].by[f].stale {
			return true
		}
	}
	return false
}

// overridden names the targets of the pools walked that an operator has overridden.
func (s *solution) overridden() string {
	var names []string
	more := 0
	for k := range s.links[:s.place+1] {
		l := &s.links[k]
		for i := range l.states {
			w := l.states[i].wish
			switch {
			case !w.over:
			case len(names) < maxNoted:
				names = append(names, fmt.Sprintf("%s/%s %s", l.Pool.Name, l.Pool.Members[i].Name, w.admin))
			default:
				more++
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	text := "override: " + strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
