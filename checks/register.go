package checks

import "time"

// A Kind names what a Register holds. Kinds this version does not know are carried, counted, and not
// acted on.
type Kind uint8

const (
	KindObservation Kind = 1 // one writer each: the observer. Key: Target.Key
	KindOverride    Kind = 2 // any writer. Key: ZONE/POOL/TARGET
	KindChoice      Kind = 3 // any writer. Key: zones.ChoiceKey
	KindLastGood    Kind = 4 // any writer. Key: zones.ChoiceKey
	KindSerial      Kind = 5 // any writer. Key: ZONE
	KindCookies     Kind = 6 // any writer. Key: CookieKey
)

// A Version orders the versions of a register with one writer. Kinds with many writers carry their
// order in the payload and leave it zero.
type Version struct {
	Incarnation uint64
	Seq         uint64
}

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Incarnation < w.Incarnation || v.Incarnation == w.Incarnation && v.Seq < w.Seq
}

// A Register is one replicated value. Merge of two versions is the kind's own rule; it commutes,
// associates and is idempotent. It carries no clock reading: Age and Left are durations at the moment
// it was read from a ledger, and whoever holds it for a while adds to the one and takes from the other.
type Register struct {
	Kind    Kind
	Gone    bool   // the writer no longer has it (a removed target)
	Key     string // at most MaxKey bytes
	Writer  string // the node that wrote this version
	Version Version
	Payload []byte        // at most MaxPayload bytes; read only once handed over
	Age     time.Duration // how long the state it holds has lasted
	Left    time.Duration // how long it still holds; 0: it does not expire
}

// Limits of a register: one that exceeds them is refused and counted.
const (
	MaxKey     = 600
	MaxPayload = 4096
)
