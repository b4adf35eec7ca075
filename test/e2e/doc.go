// Package e2e holds the binary as users have it, as child processes on loopback, against what it promises.
package e2e
