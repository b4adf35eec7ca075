package dnsserver_test

import (
	"vitalns/checks"
	"vitalns/zones"
)

// newTable is a table of a set without any news from checks.
func newTable(s *zones.Set) *zones.Table { return zones.NewTable(s, &checks.Snapshot{}) }
