package zonefile

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
)

// Ranges of the keys that all checks take.
const (
	leastInterval = 100 * time.Millisecond
	leastFast     = 10 * time.Millisecond
	mostInterval  = 24 * time.Hour
	mostCount     = 1000
)

// resolve makes the check of its layers, or reports what is wrong with them. Host stands in where a key
// asks for the record's owner; if it is "" such a key has to be written, and why says why.
func (z *zone) resolve(l layers, host string, at *Value, why string) (probe.Check, checks.Watch, bool) {
	found := z.errorCount()
	var w checks.Watch
	kindAt := l.get("type")
	if kindAt == nil && z.hasErrors() && slices.ContainsFunc(l, func(t *Table) bool { return t.value.byName["extends"] != nil }) {
		return nil, w, false // what it extends is at fault, and that is said
	}
	if kindAt == nil {
		l[0].Error("write type = \"http\", or extend a check that has one", "has no type")
		return nil, w, false
	}
	var kind string
	if !kindAt.Word(&kind, probe.Kinds()...) {
		return nil, w, false
	}
	c, _ := probe.New(kind)
	keys := c.Keys()
	z.keysOfType(l, kindAt, kind, keys)
	for _, k := range keys {
		v := l.get(k.Name)
		switch {
		case v != nil:
			z.setKey(k, v)
		case k.Owner && host != "":
			if err := k.Set(probe.Value{Text: host}); err != nil {
				at.KeyError("write "+k.Name+" in the check", "%s cannot be the owner of the record: %s", k.Name, err)
			}
		case k.Owner:
			at.Error("write "+k.Name+" in the check", "the check needs %s: %s", k.Name, why)
		}
	}
	readJudgement(l, &w)
	if z.errorCount() > found {
		return nil, w, false
	}
	if err := c.Validate(); err != nil {
		if answer := l.get("expect").sub("answer"); answer != nil && errors.Is(err, probe.ErrAnswer) {
			answer.Error("", "%s", err)
		} else {
			l[0].Error("", "%s", err)
		}
		return nil, w, false
	}
	return c, w, true
}

// sub returns a key of a table; nil where there is none.
func (v *Value) sub(name string) *Value {
	if v == nil {
		return nil
	}
	return v.byName[name]
}

// keysOfType reports keys that the type does not take.
func (z *zone) keysOfType(l layers, kindAt *Value, kind string, keys []probe.Key) {
	for _, t := range l {
		for _, f := range t.Fields() {
			with := probe.TypesWith(f.Name)
			if len(with) == 0 || slices.Contains(judgeKeys, f.Name) || slices.ContainsFunc(keys, func(k probe.Key) bool { return k.Name == f.Name }) {
				continue
			}
			if slices.Contains(t.Fields(), kindAt) || slices.Index(l, t) == 0 {
				f.KeyError("", "%q is for %s, not %s", f.Name, and(with), kind)
			} else {
				kindAt.Error("", "%s does not take %q of %s", kind, f.Name, t.What)
			}
		}
	}
}

func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// setKey hands the value of a key to a check.
func (z *zone) setKey(k probe.Key, v *Value) {
	if k.Kind == probe.Group {
		names := make([]string, len(k.Keys))
		for i, sub := range k.Keys {
			names[i] = sub.Name
		}
		t := v.Table(k.Name+" of "+v.where, Keys{Names: names})
		for _, sub := range k.Keys {
			if f := t.Get(sub.Name); f != nil {
				z.setKey(sub, f)
			}
		}
		return
	}
	x, ok := z.probeValue(k, v)
	if !ok {
		return
	}
	err := k.Set(x)
	if err == nil {
		return
	}
	named := false
	for i, item := range v.List() { // each item that is wrong by itself, in its place
		if len(x.Texts) < 2 {
			break
		}
		if err := k.Set(probe.Value{Texts: x.Texts[i : i+1]}); err != nil {
			item.Error("", "%s: %s", k.Name, err)
			named = true
		}
	}
	if !named {
		v.Error("", "%s: %s", k.Name, err)
	}
}

func (z *zone) probeValue(k probe.Key, v *Value) (x probe.Value, ok bool) {
	switch k.Kind {
	case probe.Text:
		ok = v.Text(&x.Text)
	case probe.Texts:
		x.Texts, ok = textsOrNumbers(v)
	case probe.Integer:
		var n int
		ok = v.Int(&n, math.MinInt32, math.MaxInt32)
		x.Integer = int64(n)
	case probe.Flag:
		ok = v.Flag(&x.Flag)
	case probe.Duration:
		ok = v.Duration(&x.Duration, 0, 0)
	case probe.Pairs:
		x.Pairs, ok = pairs(v)
	case probe.File:
		if ok = v.Text(&x.Text); ok {
			x.Data, ok = z.readFile(v, x.Text)
		}
	}
	return x, ok
}

// textsOrNumbers reads a list of strings in which integers stand for themselves: status = [200].
func textsOrNumbers(v *Value) (texts []string, ok bool) {
	ok = true
	for _, item := range v.List() {
		if n, isInt := item.data.(int64); isInt {
			texts = append(texts, strconv.FormatInt(n, 10))
			continue
		}
		var s string
		ok = item.Text(&s) && ok
		texts = append(texts, s)
	}
	if len(texts) == 0 {
		v.Error("", "%s is empty", v.Name)
	}
	return texts, ok && len(texts) > 0
}

func pairs(v *Value) (list []probe.Pair, ok bool) {
	ok = true
	for _, f := range v.Table(v.Name+" of "+v.where, Keys{Open: true}).Fields() {
		var s string
		ok = f.Text(&s) && ok
		list = append(list, probe.Pair{Name: f.Name, Text: s})
	}
	return list, ok && v.kind == tableKind
}

// readFile reads a file that a value names, relative to the file the value stands in.
func (z *zone) readFile(v *Value, name string) ([]byte, bool) {
	path := v.beside(name)
	if z.opt.ReadFile == nil || name == "" {
		v.Error("", "%s: %q cannot be read", v.Name, name)
		return nil, false
	}
	data, err := z.opt.ReadFile(path)
	if err != nil {
		v.Error("", "%s: %s", v.Name, err)
		return nil, false
	}
	return data, true
}

// beside is the path of a file that the value's file names.
func (v *Value) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(v.doc.Path), name)
}

// readJudgement reads when a check probes and how it is judged, and the defaults of DESIGN 3.1.
func readJudgement(l layers, w *checks.Watch) {
	w.Interval, w.Fall, w.Rise, w.Clear = 2*time.Second, 3, 2, 2
	l.get("interval").Duration(&w.Interval, leastInterval, mostInterval)
	w.Timeout = min(1200*time.Millisecond, w.Interval)
	w.FastInterval = min(500*time.Millisecond, w.Interval)
	timeout, fast := l.get("timeout"), l.get("fast_interval")
	if timeout.Duration(&w.Timeout, time.Millisecond, 0) && w.Timeout > w.Interval {
		timeout.Error("", "timeout %s is longer than the interval, %s", duration(w.Timeout), duration(w.Interval))
	}
	if fast.Duration(&w.FastInterval, leastFast, 0) && w.FastInterval > w.Interval {
		fast.Error("", "fast_interval %s is longer than the interval, %s", duration(w.FastInterval), duration(w.Interval))
	}
	l.get("fall").Int(&w.Fall, 1, mostCount)
	l.get("rise").Int(&w.Rise, 1, mostCount)
	l.get("clear").Int(&w.Clear, 1, mostCount)
	readQuorum(l.get("quorum"), &w.Quorum)
}

func readQuorum(v *Value, into *checks.Quorum) {
	if v == nil {
		return
	}
	var text string
	if n, ok := v.data.(int64); ok {
		text = strconv.FormatInt(n, 10)
	} else if !v.Text(&text) {
		return
	}
	q, err := checks.ParseQuorum(text)
	if err != nil {
		v.Error(`write "majority", "any", "all", "30%" or 2`, "%q is not a quorum", text)
		return
	}
	*into = q
}

// lintCheck warns about the timing of a check.
func (z *zone) lintCheck(l layers, w checks.Watch) {
	fall, timeout := l.get("fall"), l.get("timeout")
	if fall != nil && w.Fall < 3 && !z.opt.Cluster {
		fall.Warn("a lone node wants 3: nobody outvotes it", "fall %d, without a cluster", w.Fall)
	}
	if w.Timeout < 1200*time.Millisecond {
		if timeout == nil {
			timeout = l.get("interval")
		}
		timeout.Warn("1200ms lets one lost packet be sent again", "the timeout is %s", duration(w.Timeout))
	}
	if w.Quorum.Kind == checks.Count && w.Quorum.N > max(1, z.opt.Nodes) {
		l.get("quorum").Warn("fewer votes than the quorum count as none", "quorum %d is more than the nodes there are, %d", w.Quorum.N, max(1, z.opt.Nodes))
	}
}

// hostOf is an owner as a host name; "" for one that cannot be.
func hostOf(owner zones.Name) string {
	if owner.IsWildcard() || owner == zones.Root {
		return ""
	}
	return strings.TrimSuffix(owner.String(), ".")
}
