package zones

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vitalns/checks"
)

// ReturnNow returns the registers that take a pool back to its best usable choice now, whatever hold or
// `manual` say: for the pool in use of its chain, and for the group in use of each family. It is refused
// where nothing better is usable, or everything is at its best.
func ReturnNow(t *Table, in *checks.Snapshot, id PoolID) ([]checks.Register, error) {
	sc := newScene(t.set, in, id)
	sol := sc.solve()
	own := &sol.links[0]
	var out []checks.Register
	var refused []string
	write := func(key string, c checks.Choice) {
		last, _ := in.Choices.Get(key)
		c.Epoch = last.Epoch + 1
		out = append(out, checks.Register{
			Kind: checks.KindChoice, Key: key, Writer: in.Self, Payload: checks.EncodeChoice(c),
		})
	}
	if sol.inUse > 0 {
		to := slices.IndexFunc(sol.links[:sol.inUse], func(l link) bool { return l.fit() })
		if to >= 0 {
			write(sc.plan.walk, checks.Choice{Pool: sol.links[to].Pool.Name, Rank: rank(to)})
		} else {
			refused = append(refused, fmt.Sprintf("pool %s is not usable: %d of %d targets up, %d needed",
				own.Pool.Name, own.up, len(own.states), own.need))
		}
	}
	for f := range families {
		var d due
		inUse := sc.use(own, f, &d).group
		if inUse <= 0 {
			continue
		}
		to := slices.IndexFunc(own.groups[:inUse], func(g group) bool { return own.hasUp(f, g) })
		if to >= 0 {
			write(own.choices[f], checks.Choice{Pool: own.Pool.Name, Names: own.groups[to].names, Rank: rank(to)})
		} else {
			refused = append(refused, fmt.Sprintf("no target better than %s is usable for %s",
				strings.Join(own.groups[inUse].names, ", "), familyKeys[f]))
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(refused) > 0:
		return nil, errors.New(strings.Join(refused, "; "))
	}
	return nil, fmt.Errorf("pool %s is at its best already", own.Pool.Name)
}

// ErrEmpties is the error of an override that would leave a pool without a target to serve.
var ErrEmpties = errors.New("no usable target would be left")

// CheckOverride returns the key of the override of a target, and what speaks against it: no such target,
// or that the pool would be empty, which is an ErrEmpties and may be forced.
func CheckOverride(t *Table, in *checks.Snapshot, id PoolID, target string, admin checks.Admin) (key string, err error) {
	p := &t.set.plans.pools[id]
	at := slices.IndexFunc(p.Pool.Members, func(m Member) bool { return m.Name == target })
	if at < 0 {
		return "", fmt.Errorf("pool %s has no target %q; it has %s", p.Pool.Name, target, p.targetNames())
	}
	sc := newScene(t.set, in, id)
	before, after := sc.link(0), sc.wishing(0, at, admin).link(0)
	usable := func(l link) int { return l.up + l.unknown }
	all := func(l link) bool {
		return !slices.ContainsFunc(l.states, func(m memberState) bool { return m.whole.class != ForcedDown })
	}
	if usable(before) > 0 && usable(after) == 0 || !all(before) && all(after) {
		return p.members[at].override, fmt.Errorf("%s %s of pool %s: %w", admin, target, p.Pool.Name, ErrEmpties)
	}
	return p.members[at].override, nil
}

func (p *plan) targetNames() string {
	var names []string
	for _, m := range p.Pool.Members {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}
