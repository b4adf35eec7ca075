package zonefile

import (
	"fmt"
	"slices"

	"vitalns/checks/probe"
)

// judgeKeys are the keys of a check that say when it probes and how it is judged; the others are its
// type's.
var judgeKeys = []string{"interval", "timeout", "fast_interval", "fall", "rise", "clear", "quorum"}

var (
	checkKeys = Keys{zone: true, Names: slices.Concat([]string{"type", "extends"}, judgeKeys, probeKeys())}
	useKeys   = Keys{zone: true, Names: slices.Concat([]string{"use"}, judgeKeys, probeKeys())}
	comboKeys = Keys{zone: true, Names: []string{"all", "any", "at_least", "of"}}
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

// Templates are the checks of a node file that zones may extend.
type Templates map[string]*Value

// ReadTemplates holds the [checks] of a node file against the table of keys. Their values are looked at
// where a check extends them.
func ReadTemplates(v *Value) Templates {
	templates := Templates{}
	for _, f := range v.Table("", Keys{Open: true}).Fields() {
		templates[f.Name] = f // also one that is wrong: that is said once
		if t := f.Table(say("check %q", f.Name), checkKeys); t != nil && validName(f) {
			if e := t.Get("extends"); e != nil {
				e.KeyError("", "a template extends nothing")
			}
			var kind string
			t.Get("type").Word(&kind, probe.Kinds()...) // also where no zone extends it
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
		if t := f.Table(say("check %q", f.Name), checkKeys); t != nil && validName(f) && z.fresh("check", f.Name, f) {
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
	t := z.opt.Templates[name]
	switch {
	case z.written("checks", name), t != nil && t.kind != tableKind:
		return l
	case t != nil:
		return append(l, t.Table(say("check %q", name), checkKeys))
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
	switch {
	case d == nil && z.written("checks", name):
		return checkUse{}, false
	case d == nil:
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
