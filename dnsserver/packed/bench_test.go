package packed_test

import (
	"net/netip"
	"testing"

	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

var clientCookie = []byte{1, 2, 3, 4, 5, 6, 7, 8}

// answering returns a function that answers the i-th query of a kind, which has been read.
func answering(t testing.TB, table *zones.Table, q zonetest.Question, cookie []byte) func(i int) {
	wires, out, a := q.Wires(t, cookie), make([]byte, 1232), packed.New("ns1", 1232)
	in := edge.Request{Client: netip.MustParseAddr("192.0.2.200")}
	if cookie != nil {
		in.Cookie.Result = edge.ClientCookie
	}
	sizes, query := make([]int, len(wires)), new(edge.Query)
	for i, wire := range wires {
		if edge.Read(wire, query) != edge.OK {
			t.Fatal("not read")
		}
		sizes[i] = len(query.Name)
	}
	return func(i int) {
		i %= len(wires)
		query.Wire, query.Name = wires[i], wires[i][12:12+sizes[i]] // in which alone they differ
		in.Draw += 0x9e3779b97f4a7c15
		if _, _, ok := a.Answer(table, query, &in, out); !ok {
			t.Fatalf("%s: left to Respond", q.Kind)
		}
	}
}

// Nothing that is asked often is left to Respond or takes an allocation, dressed or not.
func TestMixture(t *testing.T) {
	table := zonetest.Mixture(t)
	for _, q := range zonetest.Questions {
		for _, cookie := range [][]byte{nil, clientCookie} {
			answer, i := answering(t, table, q, cookie), 0
			if n := testing.AllocsPerRun(zonetest.MixtureNames, func() { answer(i); i++ }); n > 0 {
				t.Errorf("%s: %v allocations", q.Kind, n)
			}
		}
	}
}

// What it costs to look up the answer to a query and to write it.
func BenchmarkAnswer(b *testing.B) {
	table := zonetest.Mixture(b)
	for _, q := range zonetest.Questions {
		for _, dress := range []struct {
			name   string
			cookie []byte
		}{{"/plain", nil}, {"/cookie", clientCookie}} {
			b.Run(q.Kind+dress.name, func(b *testing.B) {
				answer := answering(b, table, q, dress.cookie)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					answer(i)
				}
			})
		}
	}
}
