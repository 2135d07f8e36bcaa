# make run   the whole system on this computer; make test   everything that must pass
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

FUNCTIONS := login sync backfill reconcile deadletter console callout
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOBUILD   := CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags "-s -w -X hotsync/shared/telemetry.version=$(VERSION)"

# What decides and calculates: make mutants tries these.
DECIDING  := ./shared/hotsync ./shared/claims ./shared/catalogue ./shared/projection ./shared/ownership ./shared/convergence \
             ./shared/callout ./shared/pause ./shared/syncqueue ./shared/apiclient ./shared/frontdoor ./shared/console/staff

# Flags of go test: make test RACE=-race is what .ci/run calls.
RACE      :=

# Tests live for seconds and hold little: to collect garbage less often saves a sixth of their processor time. Without
# what only a debugger reads, linking takes half; go vet was run before.
TESTING   := GOGC=$(or $(GOGC),400) go test -vet=off -ldflags='-s -w'

.PHONY: help run sam-local verify-aws test test-long check mutants screenshots build package gradual lint vulnerabilities fmt bench bench-scale bench-check soak storm budget fuzz tools

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

tools:
	@command -v go >/dev/null || { echo "Go 1.26 or newer is needed: install it, then try again." >&2; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { echo "Node 20 or newer is needed (for the local DynamoDB and SQS engines): install it, then try again." >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm is needed (it comes with Node): install it, then try again." >&2; exit 1; }

run: tools ## bring the whole system up on this computer
	@# Not go run: it would not pass a signal on, and leave the system behind.
	go build -o .hotsync/hotsync ./cmd/hotsync
	exec .hotsync/hotsync up

sam-local: tools ## the same, so that sam local invoke runs the functions against it (needs Docker and SAM CLI)
	go build -o .hotsync/hotsync ./cmd/hotsync
	exec .hotsync/hotsync up --for-sam

# Much of what packages do is waiting: one more than there are processors, but for the race detector, which leaves nothing
# to spare. The package that takes longest begins first.
AT_ONCE   := -p $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))

test: tools ## run every test; RACE=-race with the race detector, as CI does
	go vet ./...
	$(TESTING) $(if $(RACE),$(RACE),$(AT_ONCE)) -timeout 20m ./shared/console ./...

verify-aws: tools ## the deployment against AWS's own tools (needs Python; installs SAM CLI, cfn-lint, moto for itself)
	local/awstools/verify

check: tools ## the quick form: format, vet and what needs neither engines nor a browser
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted" >&2; exit 1; fi
	go vet ./...
	$(TESTING) -short ./shared/... ./functions/... ./cmd/...

test-long: tools ## what make test tries a sample of: every page in every look, more random queries and histories
	go test -count=1 -timeout 20m -run 'TestAccessible|TestAdminAccessible' ./shared/console -all-looks
	go test -count=1 -timeout 20m -run TestSearchFindsExactlyWhatIsMeant ./shared/eventstore -queries 500
	go test -count=1 -timeout 20m ./shared/ownership -histories 100000
	go test -count=1 -timeout 20m -run TestHistories ./shared/syncer -histories 15000

soak: tools ## try to break the whole system for five minutes, and take Zuora and Limio away for six; SEED=n replays a run
	@mkdir -p .hotsync && go build -o .hotsync/soak ./local/trial
	.hotsync/soak -seed $(or $(SEED),0)
	.hotsync/soak -scenario outage -accounts 500 -duration 6m -seed $(or $(SEED),0)

storm: tools ## 10,000 logins of 1,000 people in a minute, then of one person, then of 1,000 at once against 1,000
	@mkdir -p .hotsync && go build -o .hotsync/soak ./local/trial
	.hotsync/soak -scenario storm -accounts 1000 -logins 10000 -duration 1m
	.hotsync/soak -scenario storm -accounts 1 -logins 10000 -duration 1m
	.hotsync/soak -scenario storm -accounts 1000 -before 1000 -logins 10000 -duration 0

budget: tools ## a backlog against Zuora's limits, with an outage in the middle
	@mkdir -p .hotsync && go build -o .hotsync/soak ./local/trial
	.hotsync/soak -scenario budget -accounts 1500

fuzz: tools ## every fuzz target for FUZZTIME (1m)
	@for pkg in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do \
	  for target in $$(go test -list '^Fuzz' ./$$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),1m) ./$$pkg; \
	  done; \
	done

mutants: tools ## small wrong changes that no test notices: PKG="./shared/claims ./shared/ownership" (all deciding packages), MOST=n of each
	@mkdir -p .hotsync && go build -o .hotsync/mutants ./local/mutants
	.hotsync/mutants -most $(or $(MOST),0) $(or $(PKG),$(DECIDING))

screenshots: tools ## write a picture of every page of the console to ./screenshots, or of those of PAGES (needs Chromium)
	@mkdir -p screenshots
	HOTSYNC_SCREENSHOTS=$(CURDIR)/screenshots HOTSYNC_PAGES='$(PAGES)' go test -count=1 -timeout 10m -run 'TestAccessible|TestWholeSystem|TestAdminAccessible|TestSetUpOnTheWholeSystem' ./shared/console

build: tools ## compile every function for AWS (arm64) and for this computer
	@for fn in $(FUNCTIONS); do \
	  echo "dist/arm64/$$fn dist/host/$$fn"; \
	  GOOS=linux GOARCH=arm64 $(GOBUILD) -o dist/arm64/$$fn/bootstrap ./functions/$$fn; \
	  $(GOBUILD) -o dist/host/$$fn/bootstrap ./functions/$$fn; \
	done

package: tools ## zips for Lambda with checksums and a bill of materials, in dist/release
	go run ./local/release/cmd dist/release

gradual: ## template-gradual.yaml: the template with an alias that CodeDeploy moves in steps (docs/operate.md)
	go run ./local/release/cmd --gradual

lint: tools local/lint/node_modules ## vet, staticcheck, gofmt, template, licences, vulnerabilities
	go vet ./...
	go tool staticcheck ./...
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted" >&2; exit 1; fi
	node local/lint/template.mjs template.yaml
	@if command -v cfn-lint >/dev/null; then echo cfn-lint template.yaml; cfn-lint template.yaml; \
	else echo "cfn-lint is not on PATH: template.yaml was checked by cloudformation-validate alone" >&2; fi
	go test ./local/release -run 'TestLicenses|TestIdentify'
	@$(MAKE) --no-print-directory vulnerabilities

# Needs the database at vuln.go.dev; without it the check is left out, with a line that says so.
vulnerabilities: tools ## known vulnerabilities in what is called (govulncheck)
	@mkdir -p .hotsync/bin; rc=0; log="$$(mktemp)"; \
	{ GOBIN="$$PWD/.hotsync/bin" go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 && .hotsync/bin/govulncheck ./...; } >"$$log" 2>&1 || rc=$$?; \
	if [ $$rc -eq 0 ]; then echo "govulncheck: no known vulnerability is reached"; \
	elif [ $$rc -eq 3 ]; then cat "$$log" >&2; rm -f "$$log"; exit 1; \
	else echo "NOT CHECKED: govulncheck or its database could not be reached: $$(tail -n 1 "$$log")" >&2; fi; rm -f "$$log"

local/lint/node_modules: local/lint/package-lock.json
	cd local/lint && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

bench: tools ## measure speed and memory against the targets (takes some minutes; wants an idle computer)
	go test -run '^$$' -bench . -benchmem ./shared/... ./local/...
	go run ./local/trial/bench

bench-scale: tools ## reads of a store of a million events against one of a thousand (takes ten minutes and more); EVENTS=n
	go run ./local/trial/bench -only flat -events $(or $(EVENTS),1000000)

bench-check: tools ## what does not depend on the computer (calls, write units, allocations, sizes) against a checked-in file; UPDATE=1 writes it
	go run ./local/trial/bench -check $(if $(UPDATE),-update)

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

# sam build calls build-<logical id> (BuildMethod: makefile) and wants the binary in ARTIFACTS_DIR. SAM caches nothing that
# a Makefile builds, and empties ARTIFACTS_DIR: go links beside it, where it sees what is up to date.
define sam_build
.PHONY: build-$(1)Function
build-$(1)Function:
	GOOS=linux GOARCH=arm64 $(GOBUILD) -o .hotsync/sam-build/$(1)/bootstrap ./functions/$(2)
	cp .hotsync/sam-build/$(1)/bootstrap "$$(ARTIFACTS_DIR)/bootstrap"
endef
$(eval $(call sam_build,Login,login))
$(eval $(call sam_build,LoginApi,login))
$(eval $(call sam_build,Sync,sync))
$(eval $(call sam_build,Backfill,backfill))
$(eval $(call sam_build,Reconcile,reconcile))
$(eval $(call sam_build,DeadLetter,deadletter))
$(eval $(call sam_build,Console,console))
$(eval $(call sam_build,Callout,callout))
