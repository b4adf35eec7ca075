package zones

// A nameTable finds the nodes of one Records by name, while it is made or compared. It has open addressing
// and a power of two of slots: index of the node + 1, 0 is free.
type nameTable []uint32

// newNameTable makes a table with room for so many names, in which those that r has are found.
func newNameTable(r *Records, names int) nameTable {
	slots := 16
	for 3*slots < 4*(names+1) {
		slots *= 2
	}
	t := make(nameTable, slots)
	for id := range r.nodes {
		t.insert(r, OwnerID(id))
	}
	return t
}

func (t nameTable) insert(r *Records, id OwnerID) {
	mask := uint64(len(t) - 1)
	i := hash(string(r.name(&r.nodes[id]))) & mask
	for t[i] != 0 {
		i = (i + 1) & mask
	}
	t[i] = uint32(id) + 1
}

// find does not keep name.
func (t nameTable) find(r *Records, name string) (OwnerID, bool) {
	mask := uint64(len(t) - 1)
	for i := hash(name) & mask; ; i = (i + 1) & mask {
		slot := t[i]
		if slot == 0 {
			return 0, false
		}
		if string(r.name(&r.nodes[slot-1])) == name {
			return OwnerID(slot - 1), true
		}
	}
}
