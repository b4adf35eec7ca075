package checks

import (
	"bytes"
	"time"
)

// Limits of what is kept of nodes; what exceeds them is refused and counted.
const (
	maxOwners   = 256
	maxPerOwner = 65_536
	maxNodeName = 255
	// maxIncarnation leaves room to outbid. Incarnations are milliseconds of a clock, or counts.
	maxIncarnation = 1 << 62
)

// disagreeTime is how long a node may hold other registers than we have of it before it stops voting here.
const disagreeTime = 3 * time.Second

// An owner is a node and its observations, as they are known here. Our own node is one, too.
type owner struct {
	name          string
	incarnation   uint64
	floor         uint64 // registers of a lesser incarnation are history, and not taken in
	instance      uint64 // 0: no heartbeat heard from it directly
	counter       uint64 // the greatest heard of, from it or from anyone
	direct        uint64 // the greatest heard from it
	created       time.Time
	heard         time.Time // when counter last advanced
	heardDirect   time.Time
	contested     time.Time // when it was last heard with a lesser incarnation than it has
	starting      bool
	cloned        bool // another instance was heard of under this incarnation
	abstains      bool
	zones         Digest
	claimed       Digest // of its registers, by its last heartbeat
	claimedShared Digest // of its registers with many writers, by its last heartbeat
	whole         Digest // of its whole ledger, by its last heartbeat

	// A node that is fresh and vouched for votes. It is fresh from a heartbeat that advances until
	// VoteExpiry after the last; and vouched for from the first heartbeat since whose digest agrees,
	// until it has disagreed for disagreeTime.
	fresh     bool
	vouched   bool
	disagrees time.Time // since when; zero: it agrees

	pulls      int       // in this disagreement
	asked      time.Time // when another node was last asked for its registers
	sharedWait int       // heartbeats to wait before asking it again for shared registers
	sharedSkip int       // heartbeats still to wait
	regs       map[string]*entry
	current    Digest // of its registers of this incarnation
	former     Digest // of those of former incarnations, that it has not replaced yet
	formers    int
	past       []pastDigest // what current was, the latest last
}

// A pastDigest is what the digest of an owner's registers was at a time. A heartbeat that was overtaken
// by registers written after it claims one of these.
type pastDigest struct {
	digest Digest
	when   time.Time
}

// Limits of the past of a digest.
const (
	pastTime = 3 * time.Second
	maxPast  = 256
)

// An entry is one observation of one node.
type entry struct {
	reg   Register // Age is zero
	obs   Observation
	ok    bool // the payload could be read
	since time.Time
}

func (e *entry) register(now time.Time) Register {
	r := e.reg
	r.Age = max(now.Sub(e.since), 0)
	return r
}

// votes reports whether the registers of o may make verdicts.
func (o *owner) votes() bool { return o.fresh && o.vouched }

// newer reports whether an observation a replaces b, of the same writer and key. It is a total order:
// two contents of one version, which only two nodes of one name make, go by their bytes.
func newer(a, b Register) bool {
	if a.Version != b.Version {
		return b.Version.Less(a.Version)
	}
	if a.Gone != b.Gone {
		return a.Gone
	}
	return bytes.Compare(a.Payload, b.Payload) > 0
}

// put stores an entry in place of what o has under its key.
func (o *owner) put(e *entry) {
	if old := o.regs[e.reg.Key]; old != nil {
		o.count(old, -1)
	}
	o.regs[e.reg.Key] = e
	o.count(e, 1)
}

// drop removes the entry of a key.
func (o *owner) drop(key string) {
	if old := o.regs[key]; old != nil {
		o.count(old, -1)
		delete(o.regs, key)
	}
}

func (o *owner) count(e *entry, sign int) {
	d := digestOf(e.reg) * Digest(sign)
	if o.isFormer(e) {
		o.former += d
		o.formers += sign
	} else {
		o.current += d
	}
}

// isFormer reports whether e is of a former incarnation: the vote of a node that is restarting.
func (o *owner) isFormer(e *entry) bool { return e.reg.Version.Incarnation < o.incarnation }

// renew begins an incarnation: everything o has becomes former.
func (o *owner) renew(incarnation uint64) {
	o.incarnation, o.instance, o.counter, o.direct, o.cloned = incarnation, 0, 0, 0, false
	o.former += o.current
	o.current = 0
	o.formers = len(o.regs)
	o.disagrees, o.pulls, o.past = time.Time{}, 0, nil
}

// note remembers what the digest is now.
func (o *owner) note(now time.Time) {
	if n := len(o.past); n > 0 && o.past[n-1].digest == o.current {
		o.past[n-1].when = now
		return
	}
	if len(o.past) == maxPast {
		o.past = append(o.past[:0], o.past[maxPast/2:]...)
	}
	o.past = append(o.past, pastDigest{o.current, now})
}

// had reports whether our copy of o's registers is, or was lately, what has this digest. As registers
// only ever get newer, what it was it still covers.
func (o *owner) had(d Digest, now time.Time) bool {
	if d == o.current {
		return true
	}
	for i := len(o.past) - 1; i >= 0; i-- {
		// The digest at i was true until the one after it came.
		if i+1 < len(o.past) && now.Sub(o.past[i+1].when) > pastTime {
			return false
		}
		if o.past[i].digest == d {
			return true
		}
	}
	return false
}

// forgetFormer drops what o has of former incarnations, for good, and returns the keys.
func (o *owner) forgetFormer() (keys []string) {
	o.floor = o.incarnation
	if o.formers == 0 {
		return nil
	}
	for key, e := range o.regs {
		if o.isFormer(e) {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		o.drop(key)
	}
	return keys
}

// newEntry makes an entry of a register. A payload of a version we do not know is carried: it is part of
// its node's digest, and no vote.
func newEntry(r Register, now time.Time) *entry {
	obs, err := DecodeObservation(r.Payload)
	e := &entry{reg: r, obs: obs, ok: err == nil, since: now.Add(-max(r.Age, 0))}
	e.reg.Age, e.reg.Left = 0, 0
	return e
}
