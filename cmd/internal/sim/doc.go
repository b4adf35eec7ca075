// Package sim holds whole nodes against a world that goes wrong, in virtual time: N of them in one
// testing/synctest bubble over test/simnet, with probers that look at a model of the world, disks that
// fill up, and clocks that are wrong. It has tests only; they stand here because only what lies under cmd
// may make a node.
package sim
