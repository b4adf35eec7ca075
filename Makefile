# Go and make are all that is needed (`make race` wants gcc too).
#
#   make demo            build ./vitalns; three nodes, three backends, scripted outages, half a minute
#   make test            vet and every test; one that needs a Debian package skips and names it (CI=true: fails)
#   make test-deps       install those packages (root)
#   make lint            gofmt, vet, staticcheck; does it compile for other systems
#   make race            the tests under the race detector
#   make fuzz            every fuzzer in turn, FUZZTIME each (30s)
#   make soak            make garbage and bench-rrl; many zones beside NSD, Knot, BIND; 24 virtual hours
#   make garbage         a million mutated messages, malformed streams, ten thousand connections
#   make profile         what the compiler is told of where the time of a query goes
#   make bench           benchmarks of packages
#   make bench-failover  time from an outage to changed answers, beside gdnsd and PowerDNS
#   make bench-dns       what a query costs, beside gdnsd, NSD, Knot, PowerDNS, BIND and a bare echo
#   make bench-large     a zone of a million names: load, memory, reload, beside gdnsd, NSD and Knot
#   make bench-verdict   from a verdict to the changed answer, beside up to a million names
#   make bench-rrl       what a flood with forged addresses gets, with and without rate limiting
#   make bench-checks    10,000 checks a second
#   make bench-gossip    what a quiet cluster sends

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.0
FUZZTIME ?= 30s

.PHONY: build demo test race lint fuzz profile bench bench-failover bench-dns bench-large bench-verdict bench-rrl bench-checks bench-gossip soak garbage test-deps clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o vitalns ./cmd/vitalns

demo: build
	./vitalns demo

test:
	$(GO) vet ./...
	$(GO) test ./...

race:
	$(GO) test -race -timeout 30m ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	GOOS=linux GOARCH=arm $(GO) build -pgo=off -o /dev/null ./cmd/vitalns
	GOOS=darwin GOARCH=arm64 $(GO) build -pgo=off -o /dev/null ./cmd/vitalns

# Every fuzzer of the tree in turn, FUZZTIME each.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; \
	  done; \
	done

# What the compiler is told of where the time goes, from all kinds of queries: anew when the path of a query has changed.
profile:
	$(GO) test -run '^$$' -bench 'Worker/fast' -benchtime 1s -cpuprofile $(CURDIR)/cmd/vitalns/default.pgo -o /dev/null ./dnsserver

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-failover: build
	$(GO) run ./test/bench/failover

bench-dns: build
	$(GO) run ./test/bench/dns

bench-large: build
	$(GO) run ./test/bench/large

bench-verdict: build
	$(GO) run ./test/bench/verdict

bench-rrl: build
	$(GO) run ./test/bench/rrl

bench-checks: build
	$(GO) run ./test/bench/checks

bench-gossip: build
	$(GO) run ./test/bench/gossip

# Long simulations: 24 virtual hours and many seeds. All that test/interop has, with many more questions, and
# their figures. A flood with forged addresses.
soak: garbage bench-rrl
	VITALNS_SOAK=1 $(GO) test -timeout 80m -v -count=1 ./test/interop/
	VITALNS_SOAK=1 $(GO) test -timeout 80m -v -run 'Soak' ./cmd/internal/sim/

# All that test/hostile has, against a real node: some ten minutes.
garbage:
	VITALNS_SOAK=1 $(GO) test -timeout 40m -v -count=1 ./test/hostile/

test-deps:
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends \
	  bind9 bind9-dnsutils bind9-utils curl knot knot-dnsutils nsd gdnsd pdns-server pdns-backend-bind prometheus systemd iproute2 util-linux \
	  zonemaster-cli dnsviz

clean:
	rm -f vitalns
