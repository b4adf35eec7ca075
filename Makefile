# vitalns: `make demo` shows the main job, `make test` runs the tests. Go, gcc and make are all they need;
# tests that need a Debian package skip with its name, and `make test-deps` installs those packages.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.0
FUZZTIME ?= 30s

.PHONY: build demo test race lint fuzz bench bench-failover bench-checks soak test-deps clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o vitalns ./cmd/vitalns

demo: build
	./vitalns demo

test:
	$(GO) vet ./...
	$(GO) test ./...

race:
	$(GO) test -race ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# Every fuzzer of the tree in turn, FUZZTIME each.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-failover: build
	$(GO) run ./test/bench/failover

bench-checks: build
	$(GO) run ./test/bench/checks

# Long simulations: 24 virtual hours and many seeds.
soak:
	VITALNS_SOAK=1 $(GO) test -timeout 80m -v -run 'Soak' ./cmd/internal/sim/

test-deps:
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends \
	  bind9 bind9-dnsutils bind9-utils knot knot-dnsutils nsd gdnsd pdns-server pdns-backend-bind prometheus systemd iproute2

clean:
	rm -f vitalns
