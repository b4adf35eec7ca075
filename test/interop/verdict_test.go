package interop

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// verdicts are what became of the questions.
type verdicts struct {
	asked, counted, part, equal int
	listed                      map[string]int      // by exception
	differ                      map[string][]string // by how they differ, each with its questions
}

// judge holds a response of vitalns against those of the references.
func (v *verdicts) judge(q question, ours []byte, theirs [][]byte) {
	v.asked++
	d := difference{question: q, wire: ours, ours: read(ours)}
	if why := unsound(q, ours, d.ours); why != "" {
		v.differ[why] = append(v.differ[why], d.String())
		return
	}
	replies := make([]reply, len(theirs))
	for i, msg := range theirs {
		replies[i] = read(msg)
	}
	var whole, ok bool
	if d.want, whole, ok = agreed(d.ours, replies, q.room()-len(ours)); !ok {
		return
	}
	v.counted++
	if !whole {
		v.part++
	}
	if d.ours == d.want {
		v.equal++
		return
	}
	for _, e := range exceptions {
		if e.covers(d) {
			v.listed[e.name]++
			return
		}
	}
	how := q.kind + ": " + d.how()
	v.differ[how] = append(v.differ[how], d.String())
}

// report prints the figures, and fails with one question for each kind of difference.
func (v *verdicts) report(t *testing.T) {
	t.Helper()
	listed, differ := 0, 0
	for _, n := range v.listed {
		listed += n
	}
	for _, qs := range v.differ {
		differ += len(qs)
	}
	t.Logf("differential, %s: %d questions; the references agree on %d (on %d in part): %d equal, %d listed %v, %d differ",
		path.Base(t.Name()), v.asked, v.counted, v.part, v.equal, listed, v.listed, differ)
	const most = 20
	hows := slices.SortedFunc(maps.Keys(v.differ), func(a, b string) int { return cmp.Compare(len(v.differ[b]), len(v.differ[a])) })
	for _, how := range hows[:min(most, len(hows))] {
		t.Errorf("%d times: %s\n%s", len(v.differ[how]), how, v.differ[how][0])
	}
	if len(hows) > most {
		t.Errorf("and in %d other ways", len(hows)-most)
	}
}

// unsound says what a response may never be, whatever the references do.
func unsound(q question, msg []byte, r reply) string {
	switch {
	case r.silent:
		return ""
	case r.broken != "":
		return "broken: " + r.broken
	case r.flags&(bitQR|bitRA|bitZ|bitAD) != bitQR:
		return "flags of no authoritative response"
	case r.flags&opcodeBits != binary.BigEndian.Uint16(q.wire[2:])&opcodeBits:
		return "another opcode"
	case r.question != "" && r.question != q.asked():
		return "another question"
	case len(msg) > q.room(), r.opt == "" && q.via == udp && len(msg) > dns.MinMsgSize:
		return "too long"
	case r.disordered:
		return "an alias follows what it leads to"
	}
	return ""
}

// agreed returns the reply on which the references agree. They must in rcode, flags, answer and authority
// section. Where they disagree on the rest, the question counts in part:
//
//   - the question that an error repeats, and the OPT: ours is to be as that of one of them;
//   - additional records: beyond glue they are a courtesy. Ours has nothing that none of them adds, and all that
//     all of them add and it has room for, in octets. NSD, minimal as it is, adds glue alone and has no vote where it adds
//     none.
func agreed(ours reply, theirs []reply, room int) (want reply, whole, ok bool) {
	want, whole = theirs[0], true
	var questions, additional, opts []string
	for i, r := range theirs {
		questions, opts = append(questions, r.question), append(opts, r.opt)
		if i != 0 || r.additional != "" {
			additional = append(additional, r.additional)
		}
		r.question, r.additional, r.opt = want.question, want.additional, want.opt
		if r != want || r.broken != "" {
			return reply{}, false, false
		}
	}
	for _, part := range []struct {
		votes      []string
		ours, want *string
		same       func(ours string, theirs []string) bool
	}{
		{questions, &ours.question, &want.question, func(ours string, theirs []string) bool {
			return isError(want.rcode) && slices.Contains(theirs, ours)
		}},
		{additional, &ours.additional, &want.additional, func(ours string, theirs []string) bool { return amid(ours, theirs, room) }},
		{opts, &ours.opt, &want.opt, func(ours string, theirs []string) bool { return slices.Contains(theirs, ours) }},
	} {
		*part.want = part.votes[0]
		if len(slices.Compact(slices.Clone(part.votes))) == 1 {
			continue
		}
		whole = false
		if part.same(*part.ours, part.votes) {
			*part.want = *part.ours
		}
	}
	return want, whole, true
}

// amid reports whether a section has nothing that is in none of theirs, and every RRset that is in each and
// that there is room for.
func amid(ours string, theirs []string, room int) bool {
	in := map[string]int{}
	for _, section := range theirs {
		for rr := range recordsOf(section) {
			in[rr]++
		}
	}
	for rr := range recordsOf(ours) {
		if in[rr] == 0 {
			return false
		}
		delete(in, rr)
	}
	missing := map[string]int{} // octets, by owner and type
	for rr, n := range in {
		if _, end, err := expandName([]byte(rr), 0); err == nil && n == len(theirs) {
			const pointer, typ = 2, 2
			missing[rr[:end+typ]] += pointer + len(rr) - end
		}
	}
	for _, size := range missing {
		if size <= room {
			return false
		}
	}
	return true
}

// isError reports whether an rcode says that a question was not answered.
func isError(rcode int) bool {
	return rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError && rcode != dns.RcodeYXDomain
}

// A difference is a response that is not as that of the references.
type difference struct {
	question
	wire       []byte // our response
	ours, want reply
}

// how names the parts that differ.
func (d difference) how() string {
	a, b := d.ours, d.want
	var parts []string
	part := func(differ bool, format string, args ...any) {
		if differ {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	part(a.silent != b.silent, "silence %v, not %v", a.silent, b.silent)
	part(a.broken != b.broken, "broken: %s", a.broken)
	part(a.rcode != b.rcode, "rcode %d, not %d", a.rcode, b.rcode)
	part(a.flags != b.flags, "flags %04x, not %04x", a.flags, b.flags)
	part(a.question != b.question, "question")
	part(a.answer != b.answer, "answer")
	part(a.authority != b.authority, "authority")
	part(a.additional != b.additional, "additional")
	part(a.opt != b.opt, "OPT")
	return strings.Join(parts, ", ")
}

func (d difference) String() string {
	const most = 200
	return fmt.Sprintf("%s over %v: %x\nours, of %d octets:\n%stheirs:\n%s",
		printQuestion(d.asked()), d.via, d.question.wire[:min(len(d.question.wire), most)], len(d.wire), d.ours, d.want)
}
