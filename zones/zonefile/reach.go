package zonefile

import "net/netip"

// oddAddress says why nobody reaches one machine by an address, whoever asks; "" where one may.
func oddAddress(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "who sends to it reaches itself"
	case a.IsMulticast():
		return "it is a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "it is the broadcast address"
	}
	return ""
}

// lintTarget refuses the address of a target that nothing listens at: a probe of 0.0.0.0 reaches the node
// itself, and finds it well.
func (v *Value) lintTarget(a netip.Addr) {
	if why := oddAddress(a); why != "" {
		v.Error("", "%s cannot be a target: %s", a, why)
		return
	}
	v.lintLinkLocal(a)
}

// lintAddress warns about the address of a static record. Some mean it: 0.0.0.0 for a name that is blocked.
func (v *Value) lintAddress(a netip.Addr) {
	if oddAddress(a) != "" {
		v.Warn("", "%s is no address that a client can reach", a)
		return
	}
	v.lintLinkLocal(a)
}

func (v *Value) lintLinkLocal(a netip.Addr) {
	if a.IsLinkLocalUnicast() {
		v.Warn("", "%s is link-local: only hosts on its own link reach it", a)
	}
}
