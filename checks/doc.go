// Package checks is the vocabulary of health and its judgement: what a target is, what a probe may
// find, what one node observes, what the cluster concludes.
//
// It knows registers, how two versions of each kind merge, whose votes count, and how votes become a
// verdict. It refuses to know how a probe is made, how a register travels, and what an answer is; it
// has no clock, goroutine, file or log: now is always a parameter. Its one main call is Judge, and
// Ledger is the state machine around it.
package checks
