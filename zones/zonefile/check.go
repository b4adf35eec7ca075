package zonefile

import (
	"fmt"
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

// judgeKeys are the keys of a check that say when it probes and how it is judged; the others are its
// type's.
var judgeKeys = []string{"interval", "timeout", "fast_interval", "fall", "rise", "clear", "quorum"}

var (
	checkKeys = Keys{Names: slices.Concat([]string{"type", "extends"}, judgeKeys, probeKeys())}
	useKeys   = Keys{Names: slices.Concat([]string{"use"}, judgeKeys, probeKeys())}
	comboKeys = Keys{Names: []string{"all", "any", "at_least", "of"}}
)

// probeKeys are the keys of all types of checks.
func probeKeys() []string {
	var names []string
	for _, kind := range probe.Kinds() {
		c, _ := probe.New(kind)
		for _, k := range c.Keys() {
			if !slices.Contains(names, k.Name) {
				names = append(names, k.Name)
			}
		}
	}
	return names
}

// Ranges of the keys that all checks take.
const (
	leastInterval = 100 * time.Millisecond
	leastFast     = 10 * time.Millisecond
	mostInterval  = 24 * time.Hour
	mostCount     = 1000
)

// Templates are the checks of a node file that zones may extend.
type Templates map[string]*Value

// ReadTemplates holds the [checks] of a node file against the table of keys. Their values are looked at
// where a check extends them.
func ReadTemplates(v *Value) Templates {
	templates := Templates{}
	for _, f := range v.Table("", Keys{Open: true}).Fields() {
		if t := f.Table(fmt.Sprintf("check %q", f.Name), checkKeys); t != nil && validName(f) {
			if e := t.Get("extends"); e != nil {
				e.KeyError("", "a template extends nothing")
			}
			templates[f.Name] = f
		}
	}
	return templates
}

// docs are the files that templates come from.
func (t Templates) docs() []*Doc {
	var docs []*Doc
	for _, name := range sortedKeys(t) {
		if d := t[name].doc; !slices.Contains(docs, d) {
			docs = append(docs, d)
		}
	}
	return docs
}

// A checkDecl is a check with a name.
type checkDecl struct {
	name     string
	at       *Value
	layers   layers
	used     bool // by a pool or a target
	extended bool
}

// layers are the tables a check's keys are looked up in, the winning one first.
type layers []*Table

func (l layers) get(name string) *Value {
	for _, t := range l {
		if slices.Contains(t.keys.Names, name) {
			if v := t.Get(name); v != nil {
				return v
			}
		}
	}
	return nil
}

// A checkUse is one check as a pool or a target asks for it.
type checkUse struct {
	layers layers
	label  string // ZONE/CHECK
	at     *Value // where it is asked for
}

// A checkExpr is what `check` says: of these, so many must be up.
type checkExpr struct {
	k  int
	of []checkUse
}

// readChecks reads [checks] of the zone.
func (z *zone) readChecks() {
	fields := z.root.Get("checks").Table("", Keys{Open: true}).Fields()
	for _, f := range fields {
		if t := f.Table(fmt.Sprintf("check %q", f.Name), checkKeys); t != nil && validName(f) && z.fresh("check", f.Name, f) {
			d := &checkDecl{name: f.Name, at: f, layers: layers{t}}
			z.checks = append(z.checks, d)
		}
	}
	for _, d := range z.checks {
		d.layers = z.extend(d.layers)
	}
}

// extend adds the layer that the first one extends.
func (z *zone) extend(l layers) layers {
	v := l[0].Get("extends")
	var name string
	if !v.Text(&name) {
		return l
	}
	if base := z.check(name); base != nil {
		base.extended = true
		if base.layers[0] == l[0] {
			v.Error("", "extends itself")
			return l
		}
		if base.layers[0].Get("extends") != nil {
			v.Error("extend what that one extends", "extends check %q, which extends another: one level is all there is", name)
			return l
		}
		return append(l, base.layers[0])
	}
	if t := z.opt.Templates[name]; t != nil {
		return append(l, t.Table(fmt.Sprintf("check %q", name), checkKeys))
	}
	names := append(z.checkNames(), sortedKeys(z.opt.Templates)...)
	v.Error(didYouMean(name, names), "there is no check %q to extend", name)
	return l
}

func (z *zone) check(name string) *checkDecl {
	for _, d := range z.checks {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (z *zone) checkNames() []string {
	var names []string
	for _, d := range z.checks {
		names = append(names, d.name)
	}
	return names
}

// readCheck reads a `check` key, of a pool, a target or a record. In is the name of the pool, which a
// check without a name is known by.
func (z *zone) readCheck(v *Value, in string) *checkExpr {
	if v == nil {
		return nil
	}
	if v.kind == listKind {
		v.Error("write check = { all = [...] }, { any = [...] } or { at_least = 2, of = [...] }", "check wants one check, or says how many of a list must be up")
		return nil
	}
	if v.kind != tableKind || v.byName["all"] == nil && v.byName["any"] == nil && v.byName["at_least"] == nil && v.byName["of"] == nil {
		u, ok := z.readCheckUse(v, in)
		if !ok {
			return nil
		}
		return &checkExpr{k: 1, of: []checkUse{u}}
	}
	return z.readCombo(v.Table("check of "+v.where, comboKeys), in)
}

func (z *zone) readCombo(t *Table, in string) *checkExpr {
	all, some, of, least := t.Get("all"), t.Get("any"), t.Get("of"), t.Get("at_least")
	forms := 0
	for _, there := range []bool{all != nil, some != nil, of != nil || least != nil} {
		if there {
			forms++
		}
	}
	if forms > 1 || (of == nil) != (least == nil) {
		t.Error("write { all = [...] }, { any = [...] } or { at_least = 2, of = [...] }", "one form of several, and a whole one, is wanted")
		return nil
	}
	list := all
	for _, l := range []*Value{some, of} {
		if l != nil {
			list = l
		}
	}
	e, good := &checkExpr{}, true
	for _, item := range list.List() {
		if item.kind == tableKind && slices.ContainsFunc(item.fields, func(f *Value) bool { return slices.Contains(comboKeys.Names, f.Name) }) {
			item.Error("", "combinations of checks do not nest")
			good = false
			continue
		}
		u, ok := z.readCheckUse(item, in)
		good = good && ok
		e.of = append(e.of, u)
	}
	if len(e.of) == 0 && good {
		list.Error("", "%s names no check", list.Name)
		return nil
	}
	switch {
	case all != nil:
		e.k = len(e.of)
	case some != nil:
		e.k = 1
	default:
		good = least.Int(&e.k, 1, len(e.of)) && good
	}
	if !good {
		return nil
	}
	return e
}

// readCheckUse reads the name of a check, { use = NAME, ... } or a check without a name.
func (z *zone) readCheckUse(v *Value, in string) (checkUse, bool) {
	if v.kind == tableKind && v.byName["use"] == nil {
		t := v.Table("check of "+v.where, checkKeys)
		if t.Get("type") == nil && t.Get("extends") == nil {
			v.Error("write type = ..., or use = ... to change keys of a check that has a name", "check has neither type nor use")
			return checkUse{}, false
		}
		return checkUse{z.extend(layers{t}), z.label + "/" + in, v}, true
	}
	named, own := v, layers(nil)
	if v.kind == tableKind {
		t := v.Table("check of "+v.where, useKeys)
		named, own = t.Get("use"), layers{t}
	}
	var name string
	if !named.Text(&name) {
		return checkUse{}, false
	}
	d := z.check(name)
	if d == nil {
		hint := didYouMean(name, z.checkNames())
		if z.opt.Templates[name] != nil {
			hint = fmt.Sprintf("it is a template of the node file: write check = { extends = %q }", name)
		}
		named.Error(hint, "there is no check %q", name)
		return checkUse{}, false
	}
	d.used = true
	return checkUse{append(own, d.layers...), z.label + "/" + d.name, v}, true
}

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
		l[0].Error("", "%s", err)
		return nil, w, false
	}
	return c, w, true
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
	if err := k.Set(x); err != nil {
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
	for _, item := range v.List() {
		if n, isInt := item.data.(int64); isInt {
			texts = append(texts, strconv.FormatInt(n, 10))
			continue
		}
		var s string
		if !item.Text(&s) {
			return nil, false
		}
		texts = append(texts, s)
	}
	if len(texts) == 0 {
		v.Error("", "%s is empty", v.Name)
	}
	return texts, len(texts) > 0
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
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(v.doc.Path), path)
	}
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
