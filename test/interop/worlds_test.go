package interop

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"vitalns/test/zonetest"
)

// A world is some zones that are served together, and the questions about them.
type world struct {
	zones []master
	qs    []question
}

//go:embed testdata/differential/*.zone
var masters embed.FS

// hardWorld has zones that are hard in every place. Thorough asks every name around for every type, else
// each for a few, by turns.
func hardWorld(t *testing.T, thorough bool) world {
	t.Helper()
	zones := []master{{zonetest.HardOrigin, zonetest.HardZone}}
	for _, z := range []struct{ origin, file string }{
		{"maze.test.", "maze"}, {"child.maze.test.", "child"}, {"far.test.", "far"}, {"redirected.test.", "redirected"},
	} {
		text, err := masters.ReadFile("testdata/differential/" + z.file + ".zone")
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, master{z.origin, string(text)})
	}
	names := namesOf(zones)
	return world{zones, slices.Concat(aboutNames(names, near(names), thorough), bySize([]string{
		"big.hard.test.", "sub.hard.test.", "hard.test.", "maze.test.", "cut1.maze.test.", "x.cut11.maze.test.", "x.cut12.maze.test.",
		"tobig.maze.test.", "big12.maze.test.", "big25.maze.test.", "big60.maze.test.", "bigmx.maze.test.", "bigsrv.maze.test.", "huge.maze.test.",
		"chain0.maze.test.", "t.maze.test.", "f20.maze.test.", "f23.maze.test.", "tocut.maze.test.", "nx.far.test.",
	}), strange([]string{
		"hard.test.", "mail.hard.test.", "nx.hard.test.", "x.wild.hard.test.", "www.sub.hard.test.", "alias3.hard.test.",
		"www.moved.hard.test.", "big.hard.test.", "elsewhere.test.",
	}))}
}

// rootWorld has a zone at the root, nearly all of it delegations.
func rootWorld(rng *rand.Rand, delegations int) world {
	zones := []master{{".", newRoot(rng, delegations)}}
	names := []string{".", "net.", "root-servers.net.", "a.root-servers.net.", "nx.", "x.y.nx.", "*.", "nx.root-servers.net.", "t1.", "x.t1."}
	var referred, glue []string
	for i := range delegations {
		referred = append(referred, fmt.Sprintf("t%d.", i), fmt.Sprintf("www.example.t%d.", i), fmt.Sprintf("x%d.", i))
		glue = append(glue, fmt.Sprintf("a.nic.t%d.", i))
	}
	bare, edns := message{}, message{additional: [][]byte{opt(1232, 0, bitDO)}}
	return world{zones, slices.Concat(
		aboutNames(names, near(names), true),
		byTurns("referral", udp, edns, referred, []uint16{dns.TypeA, dns.TypeDS, dns.TypeNS, dns.TypeSOA}, 3),
		byTurns("referral, TCP", stream, bare, referred, []uint16{dns.TypeDS, dns.TypeA}, 1),
		byTurns("referral, without EDNS", udp, bare, referred, []uint16{dns.TypeA}, 1),
		byTurns("glue", udp, edns, glue, []uint16{dns.TypeA}, 1),
		strange([]string{".", "t1.", "www.example.t2.", "nx."}),
	)}
}

// randomWorld has zones that nobody has seen before, one of them the child of another.
func randomWorld(rng *rand.Rand) world {
	const delegation = "child NS ns1.child\nchild NS a\nns1.child A 192.0.2.7\nchild DS 1 8 1 00000000000000000000000000000000000000ff\n"
	zones := []master{
		{"rnd.test.", newRandomZone(rng, "child.rnd.test.", "other.test.", "elsewhere.test.") + delegation},
		{"child.rnd.test.", newRandomZone(rng, "rnd.test.", "other.test.")},
		{"other.test.", newRandomZone(rng, "rnd.test.", "elsewhere.test.")},
	}
	names := namesOf(zones)
	var every []string
	for _, z := range zones {
		every = append(every, everyName(z.origin, 4)...)
	}
	bare, edns := message{}, message{additional: [][]byte{opt(1232, 0, 0)}}
	return world{zones, slices.Concat(
		aboutNames(names, nil, true),
		byTurns("every name", udp, edns, every, []uint16{dns.TypeA, dns.TypeNS, dns.TypeMX, dns.TypeCNAME, dns.TypeDS, dns.TypeDNAME}, 4),
		byTurns("every name, TCP", stream, bare, every, []uint16{dns.TypeA, dns.TypeTXT, dns.TypeSRV}, 2),
		strange([]string{zones[0].origin, names[rng.IntN(len(names))]}),
	)}
}
