package node

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/zones"
)

// spreadWithin is how long a change waits to hear that the other nodes have it; spreadPoll how often it
// looks.
const (
	spreadWithin = 2 * time.Second
	spreadPoll   = 50 * time.Millisecond
)

// Override writes an operator's word on a target. It returns once the word is durable here and the other
// nodes have it, or 2 s have passed.
func (n *Node) Override(ctx context.Context, req OverrideRequest) (Written, error) {
	admin, ok := map[string]checks.Admin{"up": checks.ForceUp, "down": checks.ForceDown, "drain": checks.Drain, "auto": checks.Auto}[req.State]
	if !ok {
		return Written{}, badRequest("up, down, drain or auto", "state %q is unknown", req.State)
	}
	if len(req.Reason) > checks.MaxOverrideReason || len(req.Owner) > checks.MaxOverrideOwner {
		return Written{}, badRequest("", "reason and owner have at most %d and %d bytes", checks.MaxOverrideReason, checks.MaxOverrideOwner)
	}
	if req.For < 0 {
		return Written{}, badRequest("", "the time until it expires is not negative")
	}
	req.Reason, req.Owner = checks.Printable(req.Reason), checks.Printable(req.Owner)
	zone, pool, target, err := splitTarget(req.Target)
	if err != nil {
		return Written{}, err
	}
	return n.write(ctx, func(now time.Time) ([]checks.Register, error) {
		id, ok := n.table.Load().Set().PoolID(zone, pool)
		if !ok {
			return nil, n.noPool(req.Target)
		}
		key, err := zones.CheckOverride(n.table.Load(), n.snapshot.Load(), id, target, admin)
		switch {
		case errors.Is(err, zones.ErrEmpties) && req.Force:
		case errors.Is(err, zones.ErrEmpties):
			return nil, &refusal{code: http.StatusConflict, text: err.Error(), hint: "--force does it all the same"}
		case err != nil:
			return nil, &refusal{code: http.StatusNotFound, text: err.Error()}
		}
		r := checks.Register{Kind: checks.KindOverride, Key: key, Left: time.Duration(req.For),
			Payload: checks.EncodeOverride(checks.Override{Admin: admin, Reason: req.Reason, Owner: req.Owner})}
		text := "target " + target + ": " + req.State
		if req.Reason != "" {
			text += ": " + req.Reason
		}
		n.events.add(now, Event{Kind: "override", Zone: n.zoneLabel(id), Pool: pool, Text: text, Cause: req.Owner})
		return []checks.Register{r}, nil
	})
}

// Failback returns a pool to its best usable choice.
func (n *Node) Failback(ctx context.Context, req FailbackRequest) (Written, error) {
	zone, pool, ok := splitPool(req.Pool)
	if !ok {
		return Written{}, badRequest("write ZONE/POOL, as gslb.example.com/web", "%q names no pool", req.Pool)
	}
	return n.write(ctx, func(now time.Time) ([]checks.Register, error) {
		id, ok := n.table.Load().Set().PoolID(zone, pool)
		if !ok {
			return nil, n.noPool(req.Pool)
		}
		rs, err := zones.ReturnNow(n.table.Load(), n.snapshot.Load(), id)
		if err != nil {
			return nil, &refusal{code: http.StatusConflict, text: err.Error(), hint: "`vitalns status` shows what is usable"}
		}
		n.events.add(now, Event{Kind: "override", Zone: n.zoneLabel(id), Pool: pool, Text: "failback by command"})
		return rs, nil
	})
}

// write puts registers into the ledger, waits until they are on disk here, and then for the other nodes.
func (n *Node) write(ctx context.Context, registers func(now time.Time) ([]checks.Register, error)) (Written, error) {
	durable := make(chan error, 1)
	var failed error
	err := n.call(ctx, func(now time.Time) {
		if !n.heardEnough(now) {
			failed = &refusal{code: http.StatusServiceUnavailable, text: "not yet: this node has not heard what its peers hold", hint: "try again in a few seconds"}
			return
		}
		rs, err := registers(now)
		if err != nil {
			failed = err
			return
		}
		for _, r := range rs {
			n.ledger.Put(r, now)
		}
		n.saver.save(n.saved(now), durable)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return Written{}, err
	}
	select {
	case err := <-durable:
		if err != nil {
			return Written{}, &refusal{code: http.StatusInsufficientStorage, text: "in force, but not on disk: " + err.Error(), hint: "free the disk and say it again"}
		}
	case <-ctx.Done():
		return Written{}, ctx.Err()
	}
	return n.spread(ctx)
}

// spread waits until all fresh peers hold what is here.
func (n *Node) spread(ctx context.Context) (Written, error) {
	ctx, cancel := context.WithTimeout(ctx, spreadWithin)
	defer cancel()
	poll := time.NewTicker(spreadPoll)
	defer poll.Stop()
	w := Written{Schema: Schema}
	for {
		err := n.call(ctx, func(now time.Time) {
			w.Have, w.Lack = []string{}, []string{}
			for _, p := range n.ledger.Peers(now) {
				if p.Self || p.Fresh && p.Shared {
					w.Have = append(w.Have, p.Node)
				} else {
					w.Lack = append(w.Lack, p.Node)
				}
			}
		})
		if err != nil || len(w.Lack) == 0 {
			return w, nil // what was found last stands, if the time ran out
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return w, nil
		}
	}
}

func (n *Node) noPool(name string) error {
	var all []string
	for _, p := range n.table.Load().Set().Pools() {
		all = append(all, p.ZoneLabel+"/"+p.Pool.Name)
	}
	const most = 8
	hint := "there are " + strings.Join(all[:min(len(all), most)], ", ")
	if len(all) > most {
		hint += ", ..."
	}
	return &refusal{code: http.StatusNotFound, text: "no pool for " + name, hint: hint}
}

// splitTarget reads ZONE/POOL/TARGET. Names of pools and targets hold no slash.
func splitTarget(s string) (zone zones.Name, pool, target string, err error) {
	i := strings.LastIndexByte(s, '/')
	if i > 0 {
		var ok bool
		if zone, pool, ok = splitPool(s[:i]); ok && s[i+1:] != "" {
			return zone, pool, s[i+1:], nil
		}
	}
	return "", "", "", badRequest("write ZONE/POOL/TARGET, as gslb.example.com/web/lon", "%q names no target", s)
}

func splitPool(s string) (zones.Name, string, bool) {
	i := strings.LastIndexByte(s, '/')
	if i <= 0 || i == len(s)-1 {
		return "", "", false
	}
	zone, err := zones.ParseName(s[:i])
	return zone, s[i+1:], err == nil
}
