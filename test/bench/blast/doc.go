// Package blast sends DNS queries faster than the servers that it measures can answer: one thread on one
// core, batches by sendmmsg and recvmmsg, never more under way than is asked for. It takes no response for
// right that it has not looked at.
//
// It knows packed queries and what a right response to each has; it refuses to know what they ask and whom.
// Its one main call is New.
package blast
