package checks

import "time"

// A Digest is an order-independent sum over registers or names; equal contents have equal digests.
// Ages and remaining times are no part of it.
type Digest uint64

// A Heartbeat says that its node is there and what it holds. One is sent each second by the loop that
// owns the ledger.
type Heartbeat struct {
	Node        string
	Incarnation uint64
	Instance    uint64 // random, to tell two nodes of one name apart
	Counter     uint64
	Starting    bool // no observation of every target yet, start_grace not run out
	Abstains    bool
	Own         Digest        // of its own registers
	All         Digest        // of its whole ledger: the registers of its fresh nodes, and Shared
	Shared      Digest        // of the registers with many writers
	Fresh       Digest        // of its set of fresh nodes
	Zones       Digest        // of the content of its zones
	Wheel       time.Duration // position of the wheel of slots at the moment of sending
	Recent      []Register    // what changed in the last 2 s
	Heard       []Hearsay     // counters it has heard from others
}

// A Hearsay is the counter and the flags of another node's last heartbeat that a node has heard of.
type Hearsay struct {
	Node        string
	Incarnation uint64
	Counter     uint64
	Starting    bool
	Abstains    bool
}

// A Pull asks the node From for the registers written by Owner; "" asks for those with many writers.
type Pull struct {
	From, Owner string
}
