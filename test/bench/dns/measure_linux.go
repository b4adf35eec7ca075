package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/bench/blast"
	"vitalns/test/live"
)

// A measured is what one run of one server has shown.
type measured struct {
	rate      float64 // right responses a second, at saturation
	perQuery  float64 // us of the server's CPU time, at saturation
	atLow     float64 // the same at lowRate
	half      time.Duration
	memory    int64
	load      time.Duration
	lost      float64 // share, at saturation
	disturbed float64 // most of a core that others had, in the run that was kept
}

const (
	lowRate   = 30000
	tries     = 4
	tolerated = 0.06 // of a core: what others may have before a run is repeated
)

func (m measured) note() string {
	s := ""
	if m.lost > 0.0001 {
		s += fmt.Sprintf("  %.2f %% lost", 100*m.lost)
	}
	if m.disturbed > tolerated {
		s += fmt.Sprintf("  disturbed: %.0f %% of a core", 100*m.disturbed)
	}
	return s
}

// measure starts a server, asks it, and ends it.
func (b *bench) measure(ctx context.Context, s server, k kind, long time.Duration) (m measured, err error) {
	r, err := b.start(ctx, s, k)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, r.Kill()) }()
	m.load = r.load
	if berr := blast.OnCore(loadCore, func() {
		var asker *blast.Blaster
		if asker, err = newAsker(ctx, s, k, r); err != nil {
			return
		}
		defer asker.Close()
		err = m.ask(ctx, r, asker, long)
	}); berr != nil {
		return m, berr
	}
	if err != nil {
		return m, fmt.Errorf("%s, %s: %w", s.title, k.title, err)
	}
	return m, nil
}

// wholeCookie is how long a cookie is that has the part of a server too (RFC 9018 §4).
const wholeCookie = 24

// newAsker makes what asks a server in a dress.
func newAsker(ctx context.Context, s server, k kind, r *running) (*blast.Blaster, error) {
	for n := 0; k.edns && n < blast.Sockets; n++ {
		jar := make([]byte, wholeCookie) // the floor gives none
		if !s.echo {
			var err error
			if jar, err = cookieOf(ctx, blast.Source(n), r.addr.String()); err != nil {
				return nil, err
			}
		}
		k.jars = append(k.jars, jar)
	}
	qs, err := questions(k)
	if err != nil {
		return nil, err
	}
	if s.echo {
		for i := range qs {
			qs[i].End = 0
		}
	}
	return blast.New(r.addr, qs, k.jars)
}

// ask measures saturation, then the low rate, then latency at half of the saturation.
func (m *measured) ask(ctx context.Context, r *running, b *blast.Blaster, long time.Duration) error {
	b.Saturate(long / 4) // caches, and the runtime's own settling
	full, perQuery, err := m.quietly(ctx, r, func() blast.Count { return b.Saturate(long) })
	if err != nil {
		return err
	}
	m.rate, m.perQuery, m.lost = full.Rate(), perQuery, float64(full.Lost)/float64(full.Sent)
	if _, m.atLow, err = m.quietly(ctx, r, func() blast.Count { return b.Pace(ctx, lowRate, long) }); err != nil {
		return err
	}
	half, _, err := m.quietly(ctx, r, func() blast.Count { return b.Pace(ctx, m.rate/2, long) })
	if err != nil {
		return err
	}
	m.half = half.Percentile(0.5)
	m.memory = memory(tree(r.Pid()))
	return nil
}

// quietly measures one load, again where others had the machine meanwhile, and keeps the quietest run.
func (m *measured) quietly(ctx context.Context, r *running, load func() blast.Count) (kept blast.Count, perQuery float64, err error) {
	least := 1e9
	for range tries {
		pids := tree(r.Pid())
		self := []int{os.Getpid()}
		all, server, own := busy(), live.CPUTime(pids...), live.CPUTime(self...)
		began := time.Now()
		c := load()
		took := time.Since(began)
		all, server, own = busy()-all, live.CPUTime(pids...)-server, live.CPUTime(self...)-own
		if c.Wrong > 0 {
			return c, 0, fmt.Errorf("%d wrong responses of %d: %s", c.Wrong, c.Sent, c.FirstWrong)
		}
		if c.Right == 0 {
			continue // the server did not get its core at all
		}
		others := (all - server - own).Seconds() / took.Seconds()
		if others < least {
			least, kept, perQuery = others, c, server.Seconds()*1e6/float64(c.Answered)
		}
		if least <= tolerated || ctx.Err() != nil {
			break
		}
	}
	if kept.Right == 0 {
		return kept, 0, errors.New("no response")
	}
	m.disturbed = max(m.disturbed, least)
	return kept, perQuery, ctx.Err()
}

// cookieOf returns a cookie with the part that the server gives to this client; only the client's part
// where the server has none.
func cookieOf(ctx context.Context, from netip.Addr, addr string) ([]byte, error) {
	const own = "0123456789abcdef"
	ask := new(dns.Msg).SetQuestion(origin, dns.TypeSOA).SetEdns0(1232, true)
	ask.IsEdns0().Option = append(ask.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: own})
	client := &dns.Client{Dialer: &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}}
	m, _, err := client.ExchangeContext(ctx, ask, addr)
	if err != nil {
		return nil, err
	}
	cookie := own
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok && len(c.Cookie) > len(own) {
				cookie = c.Cookie
			}
		}
	}
	return hex.DecodeString(cookie)
}
