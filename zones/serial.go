package zones

import "vitalns/checks"

// SerialWrites returns the serials that a node is to write once it has loaded a set and heard a peer:
// content that the register does not have takes the next number, the first one Unix time. It is asked
// at start and after a reload, not whenever a register comes in: nodes whose files differ for a while
// would outbid each other for ever.
func SerialWrites(s *Set, in *checks.Snapshot) []checks.Register {
	var out []checks.Register
	for i := range s.zones {
		z := &s.zones[i]
		last, ok := in.Serials[z.Label]
		if z.SOA.Serial != 0 || ok && last.Content == z.Content {
			continue
		}
		next := checks.Serial{Number: last.Number + 1, Content: z.Content}
		if !ok {
			next.Number = uint32(in.At.Unix())
		}
		next.Number = max(next.Number, 1) // past the last number there is: begin again
		out = append(out, checks.Register{
			Kind: checks.KindSerial, Key: z.Label, Writer: in.Self, Payload: checks.EncodeSerial(next),
		})
	}
	return out
}
