package zones

import (
	"time"

	"vitalns/checks"
)

// A wish is what people want of a member, by override or by the file.
type wish struct {
	admin checks.Admin
	over  bool // an operator's, not the file's
	age   time.Duration
	left  time.Duration // until it expires; 0: it does not
	// undone: the last override says auto, or has expired; age is its.
	undone bool
}

// wish reads what is wanted of a member. An override outranks the file; one that says auto, or has
// expired, gives the word back to the file, so that a state written there later is never void because
// of an override long undone.
func (p *plan) wish(in *checks.Snapshot, i int) wish {
	w := wish{age: forever}
	if o, ok := in.Override(p.members[i].override); ok {
		w.age = o.Age
		if o.Admin != checks.Auto && !o.Expired {
			w.admin, w.over, w.left = o.Admin, true, o.Left
			return w
		}
		w.undone = true
	}
	w.admin = p.filed(i)
	return w
}

// filed is what the file wants of a member.
func (p *plan) filed(i int) checks.Admin {
	admin := p.Pool.Members[i].Admin
	if admin == checks.Auto && p.members[i].idle {
		return checks.Drain
	}
	return admin
}

// with is the wish as if an operator wanted something else; Auto is what there is without an override.
func (w wish) with(p *plan, i int, admin checks.Admin) wish {
	w.admin, w.over, w.left, w.undone = admin, admin != checks.Auto, 0, false
	if admin == checks.Auto {
		w.admin = p.filed(i)
	}
	return w
}

// classify puts a condition into its class.
func (w wish) classify(c condition) condition {
	switch {
	case w.admin == checks.ForceDown:
		c.class = ForcedDown
	case w.admin == checks.ForceUp:
		c.class, c.age, c.stale = UpMember, w.since(), false
	case c.state == checks.Down || w.admin == checks.Drain && c.state != checks.Up:
		c.class = DownMember
	case w.admin == checks.Drain:
		c.class = DrainedButUp
	case c.state == checks.Unknown:
		c.class = UnknownMember
	default:
		c.class = UpMember
	}
	return c
}

// since is how long a member has been forced up.
func (w wish) since() time.Duration {
	if w.over {
		return w.age
	}
	return forever
}
