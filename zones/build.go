package zones

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// Build packs what was added and not dropped. The Builder is not to be used again. Blocks that have all that
// stands at their owners stay; the others are made anew, behind them, or with all others where they take much
// of the arena.
func (b *Builder) Build() (*Records, error) {
	r := &b.made
	r.end = len(r.arena)
	stale, err := b.survey()
	if err != nil {
		return nil, err
	}
	b.occlude()
	b.table = nil
	was := Records{arena: r.arena, end: r.end}
	stay := !wasteful(r.end-stale, r.end)
	if !stay {
		r.arena = make([]byte, 0, r.end)
	}
	rest := b.entries
	for id := range was.all() {
		n := ownedBy(rest, id)
		if stay && b.stays(rest[:n]) {
			b.settle(rest[:n])
		} else {
			at := b.compose(&was, id, rest[:n])
			if stay {
				r.block(id).mark(isMoved)
				r.moved = append(r.moved, at)
			}
		}
		rest = rest[n:]
	}
	if !stay {
		r.end = len(r.arena)
	}
	b.entries, b.apart = nil, nil
	if len(r.arena) > maxArena {
		return nil, errTooLarge
	}
	if wasteful(len(r.arena), cap(r.arena)) {
		r.arena = slices.Clone(r.arena)
	}
	return r, nil
}

// survey counts what there is, sets the flags of owners by it, and returns how many bytes of blocks do not stay.
func (b *Builder) survey() (stale int, err error) {
	for rest := b.Sorted(); len(rest) > 0; {
		id := rest[0].Owner
		own := rest[:ownedBy(rest, id)]
		rest = rest[len(own):]
		if !b.stays(own) {
			stale += b.made.block(id).len()
		}
		for sets := 1; len(own) > 0; sets++ {
			n := Group(own)
			if err := b.count(own[:n]); err != nil {
				return 0, err
			}
			if sets > maxCount {
				return 0, fmt.Errorf("%s has RRsets of every type there is, and pools: more than %d", b.Name(id), maxCount)
			}
			own = own[n:]
		}
	}
	return stale, nil
}

// count counts the records of one owner and type.
func (b *Builder) count(group []Entry) error {
	r, own, typ := &b.made, b.made.block(group[0].Owner), group[0].Type
	if typ == 0 {
		if len(group) > 1 {
			return fmt.Errorf("zones: internal error: %s has two Dynamics", own.name())
		}
		own.mark(isPooled)
		r.dynamics++
		return nil
	}
	kept := 0
	for _, e := range group {
		if !e.Dropped {
			kept++
		}
	}
	switch {
	case kept == 0:
		return nil
	case kept > maxCount:
		return fmt.Errorf("%s has %d records of type %s: more than %d", own.name(), kept, dns.Type(typ), maxCount)
	case typ == dns.TypeNS && group[0].Owner != 0:
		own.mark(isCut)
	case typ == dns.TypeDNAME:
		own.mark(hasDNAME)
	}
	r.records += kept
	r.rrsets++
	return nil
}

// stays reports whether all that an owner has is in its block, and nothing else.
func (b *Builder) stays(own []Entry) bool {
	return !slices.ContainsFunc(own, func(e Entry) bool { return e.apart || e.Dropped })
}

// settle writes the TTLs of entries into their block, which has them as they came.
func (b *Builder) settle(own []Entry) {
	for len(own) > 0 {
		n := Group(own)
		for _, e := range own[:n] {
			binary.BigEndian.PutUint32(b.made.arena[e.rdata-4:], own[n-1].TTL)
		}
		own = own[n:]
	}
}

// compose makes a block from entries, in the place of the one that the owner had.
func (b *Builder) compose(was *Records, o OwnerID, own []Entry) OwnerID {
	r := &b.made
	id := r.append(string(was.block(o).name()), was.block(o).flags())
	for len(own) > 0 {
		n := Group(own)
		if own[0].Type == 0 {
			r.arena = appendMark(r.arena, own[0].rdata)
			r.block(id).setCount(1)
		} else {
			b.composeSet(was, id, own[:n])
		}
		own = own[n:]
	}
	return id
}

// composeSet appends the entries of one type to the last block.
func (b *Builder) composeSet(was *Records, id OwnerID, group []Entry) {
	kept := slices.DeleteFunc(group, func(e Entry) bool { return e.Dropped })
	if len(kept) == 0 {
		return
	}
	r := &b.made
	at := r.begin(id, kept[0].Type)
	from := len(r.arena)
	for _, e := range kept {
		r.arena = appendRecord(r.arena, e.Type, kept[len(kept)-1].TTL, b.rdata(was.arena, e))
	}
	Packed(r.block(id)[at:]).grow(len(kept), len(r.arena)-from)
}

// append begins a block.
func (r *Records) append(name string, flags nodeFlags) OwnerID {
	r.arena = append(r.arena, make([]byte, align(len(r.arena))-len(r.arena))...)
	id := OwnerID(len(r.arena) / blockUnit)
	r.arena = appendBlock(r.arena, name, flags)
	return id
}

// begin begins an RRset in the last block and returns where in it that is.
func (r *Records) begin(id OwnerID, typ uint16) int {
	at := len(r.arena) - int(id)*blockUnit
	r.arena = appendSet(r.arena, typ)
	b := r.block(id)
	b.setCount(b.count() + 1)
	return at
}

// occlude marks what lies below a zone cut or a DNAME. A parent's block is made before its children's.
func (b *Builder) occlude() {
	r, some := &b.made, false
	for id := range r.all() {
		own := r.block(id)
		some = some || own.flags()&(isCut|hasDNAME) != 0
		if !some || id == 0 {
			continue
		}
		if parent, ok := b.Find(own.name().Parent()); ok && r.block(parent).flags()&(isCut|hasDNAME|isOccluded) != 0 {
			own.mark(isOccluded)
		}
	}
}

func wasteful(used, taken int) bool { return taken-used > taken/8 }
