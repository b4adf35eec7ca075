//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
)

const (
	sources = 32 // addresses of the flood's /24
	batch   = 64 // messages in one system call
	step    = time.Millisecond
	linger  = 2 * time.Second // how long answers are waited for
	buffer  = 8 << 20         // of each socket
)

// attack floods a server, with an honest client beside the flood, and waits for what is answered.
func attack(ctx context.Context, server string, rate int, long time.Duration) (result, error) {
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return result{}, err
	}
	query, err := new(dns.Msg).SetQuestion("big.bench.example.", dns.TypeTXT).SetEdns0(1232, false).Pack()
	if err != nil {
		return result{}, err
	}
	// Two prefixes of loopback: whoever asks from one is a stranger to the other.
	net24 := [4]byte{127, byte(64 + rand.IntN(128)), byte(rand.IntN(255)), 0}
	honest, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, net24[1], net24[2]+1, 7)})
	if err != nil {
		return result{}, err
	}
	f := flood{query: query, to: to}
	for i := range sources {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, net24[1], net24[2], byte(1+i))})
		if err != nil {
			return result{}, errors.Join(err, f.close())
		}
		_ = c.SetReadBuffer(buffer) // as much as the system allows
		f.conns = append(f.conns, c)
	}
	return f.run(ctx, honest, rate, long)
}

// A flood is queries from many addresses of one prefix, and what comes back.
type flood struct {
	query                 []byte
	to                    *net.UDPAddr
	conns                 []*net.UDPConn
	bytes, whole, slipped atomic.Uint64
}

func (f *flood) close() error {
	var errs []error
	for _, c := range f.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (f *flood) run(ctx context.Context, honest *net.UDPConn, rate int, long time.Duration) (r result, err error) {
	var readers, client sync.WaitGroup
	for _, c := range f.conns {
		readers.Go(func() { f.read(c) })
	}
	client.Go(func() { r.asked, r.lost = ask(ctx, honest, f.to, long) })
	began := time.Now()
	sent, err := f.send(ctx, rate, long)
	r.took = time.Since(began)
	client.Wait()
	past := time.Now().Add(linger / 4)
	for _, c := range f.conns {
		_ = c.SetReadDeadline(past) // the readers end
	}
	readers.Wait()
	r.sent, r.bytesIn = sent, uint64(sent)*uint64(len(f.query))
	r.bytesOut, r.answers, r.slipped = f.bytes.Load(), f.whole.Load(), f.slipped.Load()
	return r, errors.Join(err, f.close(), honest.Close())
}

// send sends at the rate, in batches by address, and catches up when it was held up.
func (f *flood) send(ctx context.Context, rate int, long time.Duration) (sent int, err error) {
	var conns []*ipv4.PacketConn
	for _, c := range f.conns {
		conns = append(conns, ipv4.NewPacketConn(c))
	}
	msgs := make([]ipv4.Message, batch)
	for i := range msgs {
		msgs[i] = ipv4.Message{Buffers: [][]byte{append([]byte(nil), f.query...)}, Addr: f.to}
	}
	tick := time.NewTicker(step)
	defer tick.Stop()
	began := time.Now()
	for ctx.Err() == nil {
		passed := min(time.Since(began), long)
		for due := int(passed.Seconds()*float64(rate)) - sent; due > 0; {
			now := msgs[:min(due, batch)]
			for i := range now {
				binary.BigEndian.PutUint16(now[i].Buffers[0], uint16(sent+i))
			}
			n, err := conns[sent/batch%sources].WriteBatch(now, 0)
			if err != nil {
				return sent, fmt.Errorf("send: %w", err)
			}
			sent, due = sent+n, due-n
		}
		if passed == long {
			return sent, nil
		}
		<-tick.C
	}
	return sent, ctx.Err()
}

// read counts what comes back to one address.
func (f *flood) read(c *net.UDPConn) {
	p := ipv4.NewPacketConn(c)
	msgs := make([]ipv4.Message, batch)
	for i := range msgs {
		msgs[i].Buffers = [][]byte{make([]byte, 4096)}
	}
	for {
		n, err := p.ReadBatch(msgs, 0)
		if err != nil {
			return // the time is over
		}
		for _, m := range msgs[:n] {
			f.bytes.Add(uint64(m.N))
			if m.N > 2 && m.Buffers[0][2]&2 != 0 { // TC
				f.slipped.Add(1)
			} else {
				f.whole.Add(1)
			}
		}
	}
}

// ask asks at its own pace, each question once, and counts those that got no whole answer in time.
func ask(ctx context.Context, c *net.UDPConn, to *net.UDPAddr, long time.Duration) (asked, lost int) {
	query, err := new(dns.Msg).SetQuestion("www.bench.example.", dns.TypeA).Pack()
	if err != nil {
		panic(err) // it has been packed before
	}
	got := make(chan int)
	go func() { got <- whole(c) }()
	tick := time.NewTicker(time.Second / honestRate)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < long && ctx.Err() == nil; <-tick.C {
		binary.BigEndian.PutUint16(query, uint16(asked))
		if _, err := c.WriteToUDP(query, to); err == nil {
			asked++
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(linger)) // the reader ends
	return asked, asked - <-got
}

// whole counts the answers that arrive until the deadline of c, each id once.
func whole(c *net.UDPConn) int {
	seen, buf := map[uint16]bool{}, make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return len(seen)
		}
		m := new(dns.Msg)
		if err == nil && m.Unpack(buf[:n]) == nil && !m.Truncated && len(m.Answer) == 1 {
			seen[m.Id] = true
		}
	}
}
