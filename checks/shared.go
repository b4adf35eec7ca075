package checks

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"
)

// Limits of the registers with many writers: one beyond them is refused and counted.
const (
	maxShared   = 100_000 // keys of the kinds we know
	maxUnknown  = 4_096   // registers of kinds we do not know
	maxSiblings = 16      // writes of one override none of which had seen another; the strictest stay
)

// unheldAge is how long a register of something that is not configured is kept.
const unheldAge = 30 * 24 * time.Hour

// A cellKey names a register with many writers. Kinds this version does not know have one per writer.
type cellKey struct {
	kind   Kind
	key    string
	writer string
}

// A cell holds what stands of one register: one version, or for an override every write that no other
// write had seen, the one that holds first.
type cell struct {
	versions []version
	unheld   time.Time // since when its key is not configured; zero: it is
}

// A version is a register with the local times that its durations stand for.
type version struct {
	reg      Register // Age and Left are zero
	since    time.Time
	deadline time.Time // zero: it does not expire
	value    any       // write, Choice, LastGood, Serial or CookieSecrets, decoded; nil for an unknown kind
}

func (v version) register(now time.Time) Register {
	r := v.reg
	r.Age = max(now.Sub(v.since), 0)
	if !v.deadline.IsZero() {
		r.Left = max(v.deadline.Sub(now), 1)
	}
	return r
}

// shared is the set of registers with many writers.
type shared struct {
	cells    map[cellKey]*cell
	order    []cellKey // the keys of cells, sorted; nil: to be made
	digest   Digest
	unknown  int
	deadline time.Time // no version expires before; zero: none does
	held     func(Kind, string) bool
	changed  map[cellKey]struct{} // since the last snapshot
}

func newShared() shared {
	return shared{cells: map[cellKey]*cell{}, changed: map[cellKey]struct{}{}}
}

func cellOf(r Register) cellKey {
	switch r.Kind {
	case KindOverride, KindChoice, KindLastGood, KindSerial, KindCookies:
		return cellKey{kind: r.Kind, key: r.Key}
	}
	return cellKey{r.Kind, r.Key, r.Writer}
}

// digestShared is the part of a register with many writers in a digest. Several nodes may write the
// same value, so who did is no part of it; for unknown kinds it is.
func digestShared(r Register) Digest {
	if cellOf(r).writer == "" {
		r.Writer, r.Version = "", Version{}
	}
	return digestOf(r)
}

// decodeShared returns the value of a register with many writers; nil for a kind we do not know.
func decodeShared(r Register) (any, error) {
	switch r.Kind {
	case KindOverride:
		o, err := DecodeOverride(r.Payload)
		o.Reason, o.Owner = Printable(o.Reason), Printable(o.Owner) // as people see them; what is merged is the payload
		return write{o, r.Payload}, err
	case KindChoice:
		return value(DecodeChoice(r.Payload))
	case KindLastGood:
		return value(DecodeLastGood(r.Payload))
	case KindSerial:
		return value(DecodeSerial(r.Payload))
	case KindCookies:
		return value(DecodeCookieSecrets(r.Payload))
	}
	return nil, nil
}

func value[T any](x T, err error) (any, error) { return x, err }

// overtakes reports whether a replaces b, two versions of one cell. It is a strict partial order, a
// total one for every kind but overrides, so that merging commutes, associates and is idempotent.
func overtakes(a, b version) bool {
	switch x := a.value.(type) {
	case write:
		return x.overtakes(b.value.(write))
	case Choice:
		y := b.value.(Choice)
		if c := cmp.Or(cmp.Compare(x.Epoch, y.Epoch), cmp.Compare(y.Rank, x.Rank)); c != 0 {
			return c > 0
		}
		return bytes.Compare(a.reg.Payload, b.reg.Payload) < 0
	case LastGood:
		y := b.value.(LastGood)
		if x.Epoch != y.Epoch {
			return x.Epoch > y.Epoch
		}
		return bytes.Compare(a.reg.Payload, b.reg.Payload) < 0
	case Serial:
		y := b.value.(Serial)
		if x.Number != y.Number {
			return x.Number > y.Number
		}
		return bytes.Compare(x.Content[:], y.Content[:]) > 0
	case CookieSecrets:
		return x.overtakes(b.value.(CookieSecrets))
	}
	if a.reg.Version != b.reg.Version {
		return b.reg.Version.Less(a.reg.Version)
	}
	return bytes.Compare(a.reg.Payload, b.reg.Payload) > 0
}

// merge takes a register in and reports whether it changed anything; ok is false when it is refused.
func (s *shared) merge(r Register, now time.Time) (news, ok bool) {
	value, err := decodeShared(r)
	if err != nil || r.Gone {
		return false, false
	}
	key := cellOf(r)
	if key.writer == "" {
		r.Version = Version{}
	}
	v := version{reg: r, since: now.Add(-r.Age), value: value}
	if r.Left > 0 {
		v.deadline = now.Add(r.Left)
	}
	v.reg.Age, v.reg.Left = 0, 0
	if choice, ok := value.(Choice); ok {
		choice.Since = v.since
		v.value = choice
	}
	c := s.cells[key]
	if c == nil {
		if c = s.admit(key, value == nil, r.Age, now); c == nil {
			return false, false
		}
	}
	for i := range c.versions {
		old := &c.versions[i]
		if bytes.Equal(old.reg.Payload, v.reg.Payload) && (value != nil || old.reg.Version == v.reg.Version) {
			old.reg.Writer = min(old.reg.Writer, v.reg.Writer)
			return false, true
		}
		if overtakes(*old, v) {
			return false, true
		}
	}
	s.put(key, c, v)
	return true, true
}

// admit makes room for a key that is new here; nil when there is none.
func (s *shared) admit(key cellKey, unknown bool, age time.Duration, now time.Time) *cell {
	c := &cell{}
	switch {
	case unknown && s.unknown >= maxUnknown, !unknown && len(s.cells)-s.unknown >= maxShared:
		return nil
	case !unknown && s.held != nil && !s.holds(key):
		if age >= unheldAge {
			return nil
		}
		c.unheld = now
	}
	if unknown {
		s.unknown++
	}
	s.cells[key], s.order = c, nil
	return c
}

// put adds a version to its cell in place of those that it overtakes.
func (s *shared) put(key cellKey, c *cell, v version) {
	before := s.digestCell(c)
	c.versions = slices.DeleteFunc(slices.Clone(c.versions), func(old version) bool { return overtakes(v, old) })
	c.versions = append(c.versions, v)
	if len(c.versions) > 1 {
		slices.SortFunc(c.versions, func(a, b version) int {
			return compareWrites(a.value.(write), b.value.(write))
		})
		c.versions = c.versions[:min(len(c.versions), maxSiblings)]
	}
	s.digest += s.digestCell(c) - before
	s.changed[key] = struct{}{}
	if !v.deadline.IsZero() && (s.deadline.IsZero() || v.deadline.Before(s.deadline)) {
		s.deadline = v.deadline
	}
}

func (s *shared) digestCell(c *cell) (d Digest) {
	for _, v := range c.versions {
		d += digestShared(v.reg)
	}
	return d
}

// expire turns overrides whose time is over into expired ones and returns them. Every node makes the
// same write of it: the clock stays, so whatever had not seen it wins.
func (s *shared) expire(now time.Time) (expired []Register) {
	if s.deadline.IsZero() || now.Before(s.deadline) {
		return nil
	}
	s.deadline = time.Time{}
	for _, key := range s.sorted() {
		c := s.cells[key]
		for _, v := range c.versions {
			w, isWrite := v.value.(write)
			switch {
			case v.deadline.IsZero() || !isWrite || w.Expired:
			case now.Before(v.deadline):
				if s.deadline.IsZero() || v.deadline.Before(s.deadline) {
					s.deadline = v.deadline
				}
			default:
				w.Expired = true
				w.payload = EncodeOverride(w.Override)
				next := version{reg: v.reg, since: now, value: w}
				next.reg.Payload = w.payload
				s.put(key, c, next)
				expired = append(expired, next.register(now))
			}
		}
	}
	return expired
}

// keep says what is configured now; forget drops what has not been for unheldAge.
func (s *shared) keep(held func(Kind, string) bool, now time.Time) {
	s.held = held
	for key, c := range s.cells {
		switch {
		case key.writer != "" || s.holds(key):
			c.unheld = time.Time{}
		case c.unheld.IsZero():
			c.unheld = now
		}
	}
}

// holds reports whether a register is of something configured; the cookies are every node's.
func (s *shared) holds(key cellKey) bool {
	return key.kind == KindCookies && key.key == CookieKey || s.held(key.kind, key.key)
}

func (s *shared) forget(now time.Time) {
	for key, c := range s.cells {
		if !c.unheld.IsZero() && now.Sub(c.unheld) >= unheldAge {
			s.digest -= s.digestCell(c)
			delete(s.cells, key)
			s.order = nil
			s.changed[key] = struct{}{}
		}
	}
}

func compareCells(a, b cellKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key), cmp.Compare(a.writer, b.writer))
}

// sorted returns the keys of all cells in a fixed order: read only.
func (s *shared) sorted() []cellKey {
	if s.order == nil {
		s.order = slices.SortedFunc(maps.Keys(s.cells), compareCells)
	}
	return s.order
}

// registers returns everything in the set, in a fixed order.
func (s *shared) registers(now time.Time) []Register {
	out := make([]Register, 0, len(s.cells))
	for _, key := range s.sorted() {
		for _, v := range s.cells[key].versions {
			out = append(out, v.register(now))
		}
	}
	return out
}

// clocks returns the clocks of all writes of an override that stand.
func (s *shared) clocks(key string) (clocks []map[string]uint64) {
	if c := s.cells[cellKey{kind: KindOverride, key: key}]; c != nil {
		for _, v := range c.versions {
			clocks = append(clocks, v.value.(write).Clock)
		}
	}
	return clocks
}

// view returns the override of a cell as it stands: the write that holds, and beside it in Conflict the
// others that have not expired.
func (c *cell) view(now time.Time) Override {
	var view Override
	for i, v := range c.versions {
		r, o := v.register(now), v.value.(write).Override
		o.Age, o.Left = r.Age, r.Left
		switch {
		case i == 0:
			view = o
		case !o.Expired:
			view.Conflict = append(view.Conflict, o)
		}
	}
	return view
}
