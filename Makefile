# SPDX-License-Identifier: MIT
# logboom: `make help` lists the targets. Objects go under B (default: build/), never beside the sources.
# What a target does beyond compiling stands in a script under tests/ or packaging/.

SHELL      = /bin/bash
B         ?= build
PREFIX    ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR   ?=
PYTHON     = /usr/bin/python3
VERSION   := $(shell sed -n 's/^\#\# \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
ifeq ($(origin CC),default)
CC         = gcc
endif

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$@')

CFLAGS     ?= -O2 -g
WARN       := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
              -Wwrite-strings -Wvla -Wformat=2 -Wundef -Werror
LB_CFLAGS   = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -DLB_VERSION='"$(VERSION)"' $(WARN) -pthread \
              -fno-strict-aliasing -ffunction-sections -fdata-sections -fstack-protector-strong -fPIE
LB_LDFLAGS  = -pie -Wl,--gc-sections,--as-needed,-z,relro,-z,now -pthread
AGENT_LIBS  = -lcurl -lmosquitto -lssl -lcrypto -lzstd -lz -linih -lpcre2-8 -lsqlite3 $(ATOMIC)
# Where the machine itself has no atomic access to 64 bits (ARMv5), a library brings it.
ATOMIC     := $(if $(shell echo | $(CC) $(CPPFLAGS) $(CFLAGS) -dM -E - 2>/dev/null | grep 'ATOMIC_LLONG_LOCK_FREE 2'),,-latomic)

COMMON_SRC  := $(sort $(wildcard common/*.c))
CLI_SRC     := $(sort $(wildcard agent/cli/*.c))
ROOM_SRC    := $(sort $(wildcard agent/capture/*.c agent/shape/*.c agent/store/*.c agent/ship/*.c \
                 agent/ship/sinks/*.c agent/wear/*.c agent/control/*.c agent/offline/*.c))
UNIT_SRC    := $(sort $(wildcard tests/unit/test_*.c))
TESTLIB_SRC := $(sort $(wildcard tests/unit/lib_*.c))
UNIT_BIN    := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/%)
KILL_BIN    := $(patsubst tests/kill/%.c,$(B)/kill/%,$(wildcard tests/kill/test_*.c))
FLEET_SRC   := $(sort $(wildcard tests/fleet/*.c))
KILLLIB_SRC := $(sort $(wildcard tests/kill/lib_*.c)) tests/unit/lib_store.c
objects      = $(patsubst %.c,$(B)/obj/%.o,$(1))

SHIM        := $(B)/python/sitecustomize.py

all: $(B)/logboomd $(B)/logboom $(SHIM) ## build both programs (the default)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-11s %s\n", $$1, $$2}' Makefile

$(B)/obj/%.o: %.c | $(B)/deps-ok
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LB_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libcommon.a: $(call objects,$(COMMON_SRC))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libagent.a: $(call objects,$(ROOM_SRC))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/logboomd: $(call objects,agent/logboomd.c) $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

$(B)/logboom: $(call objects,$(CLI_SRC)) $(B)/libcommon.a
	$(call say,LD)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(ATOMIC)

# The client alone, of one piece, with musl: for containers and systems that have no glibc. What of common/ it needs.
CLIENT_COMMON := $(addprefix common/,calendar.c clock.c drain.c level.c proto.c quota.c read_file.c unit_name.c units.c)
STATIC_CC     ?= musl-gcc

static: ## build the client with musl, of one piece: B/logboom-static (musl-tools)
	$(Q)mkdir -p $(B)/musl && touch $(B)/musl/deps-ok
	$(Q)[ -e $(B)/logboom-static.map ] || rm -f $(B)/musl/client # the map comes by the linker
	$(Q)$(MAKE) --no-print-directory B=$(B)/musl CC='$(STATIC_CC)' CFLAGS='-Os -g $(STATIC_CFLAGS)' CPPFLAGS= \
	    LB_LDFLAGS='-static -Wl,--gc-sections -Wl,-Map=$(B)/logboom-static.map' LDFLAGS= $(B)/musl/client
	$(Q)cp -p $(B)/musl/client $(B)/logboom-static
$(B)/client: $(call objects,$(CLI_SRC) $(CLIENT_COMMON))
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^

$(SHIM): agent/cli/python/sitecustomize.py # the client looks for it beside itself
	$(call say,CP)
	$(Q)install -D -m 644 $< $@

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(call objects,$(TESTLIB_SRC)) $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(B)/kill/%: $(B)/obj/tests/kill/%.o $(call objects,$(KILLLIB_SRC)) $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

$(B)/tests/trace/%: $(B)/obj/tests/trace/%.o $(B)/obj/tests/trace/lib_sim.o $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

$(B)/tests/ga/ga: $(B)/obj/tests/ga/ga.o $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(ATOMIC)

$(B)/tests/fleet/fleet: $(call objects,$(FLEET_SRC)) $(B)/libagent.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(ATOMIC)

$(B)/tests/support/%: tests/support/%.c | $(B)/deps-ok
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $<

$(B)/tests/support/report_sample: $(call objects,tests/support/report_sample.c tests/unit/lib_report.c) $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(ATOMIC)

$(B)/tests/support/fakeclock.so: tests/support/fakeclock.c | $(B)/deps-ok
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LB_CFLAGS) $(filter-out -fsanitize% --coverage,$(CFLAGS)) $(LDFLAGS) -fPIC -shared -o $@ $<

$(B)/deps-ok: # names the Debian packages that the compiler misses; installs nothing
	$(Q)CPPFLAGS='$(CPPFLAGS)' packaging/deps.sh --headers '$(CC)'
	@mkdir -p $(B) && touch $@

deps: ## install the Debian packages that building and testing need (root or sudo)
	$(Q)packaging/deps.sh build check lint deb

# --- tests. A check with other flags is the same check in another B.

again    = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
ASAN     = B=$(B)/asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
# gcc's sanitizer does not model fences (-Wtsan): where one orders plain stores a report may be false.
TSAN     = B=$(B)/tsan CFLAGS='-O1 -g -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan'
BENCH_BIN   := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench/*.c))
SUPPORT_BIN := $(patsubst tests/support/%.c,$(B)/tests/support/%, \
                 $(filter-out %/fakeclock.c,$(wildcard tests/support/*.c))) $(B)/tests/support/fakeclock.so

check-build: all unit support kp static $(B)/tests/fleet/fleet $(B)/tests/trace/sim $(B)/tests/trace/month $(B)/tests/trace/outage $(B)/tests/trace/spool_writer $(B)/tests/ga/ga
unit: $(UNIT_BIN)
support: $(SUPPORT_BIN)
kp: # the programs with kill points, for the tests that need them
	$(Q)$(MAKE) --no-print-directory B=$(B)/kp CPPFLAGS='$(CPPFLAGS) -DLB_KILLPOINTS' all kill
apart: # programs that tests start from where they were unpacked
	$(Q)packaging/deps.sh --unpack $(B)/apart apart

check: ## build and run all tests but the long ones (installs what is missing)
	$(Q)packaging/deps.sh build check
	$(Q)$(again) check-build apart
	$(Q)tests/check.sh $(B) unit kill ini fleet ga e2e

check-unit: unit ## the unit tests alone
	$(Q)tests/check.sh $(B) unit

check-ini: all ## are conf/logboom.ini and logboom.ini(5) what the key table says?
	$(Q)tests/check.sh $(B) ini

kill: $(KILL_BIN)
check-kill: kp ## kill the store between every two stores, by injection
	$(Q)tests/check.sh $(B) kill

check-e2e: check-build apart ## the end-to-end tests alone (ARGS goes to pytest: make check-e2e ARGS='-k pipe')
	$(Q)tests/check.sh $(B) e2e

check-long: check-build ## the end-to-end tests that take minutes, or the network
	$(Q)packaging/deps.sh build check long
	$(Q)tests/check.sh $(B) long

check-image: ## install the package into a Debian image and boot that (root)
	$(Q)packaging/deps.sh build check deb image
	$(Q)$(again) check-build
	$(Q)packaging/deb.sh $(B) $(VERSION)
	$(Q)tests/check.sh $(B) image

check-fleet: $(B)/tests/fleet/fleet ## what the fleet promises alone
	$(Q)tests/check.sh $(B) fleet

fleet: $(B)/tests/fleet/fleet ## what ten thousand devices do to one intake (ARGS='-w 60', ARGS=sweep)
	$(Q)$(B)/tests/fleet/fleet $(ARGS)

LOGS ?= ../shared/data/logs
ga: $(B)/tests/ga/ga ## how well patterns tell lines apart, beside Drain (ARGS='-v Linux')
	$(Q)$(B)/tests/ga/ga $(LOGS) $(ARGS)

check-cross: ## the unit tests and a line's way, built for another architecture, under qemu (root; ARCH=armhf ...)
	$(Q)packaging/deps.sh build cross
	$(Q)tests/cross.sh $(B) $(or $(ARCH),$(error ARCH=arm64, armhf or armel))

asan: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)packaging/deps.sh build check
	$(Q)$(again) $(ASAN) check-build apart
	$(Q)tests/check.sh $(B)/asan unit e2e

tsan: ## the unit tests, and both sides of live agents, under ThreadSanitizer
	$(Q)packaging/deps.sh build check
	$(Q)$(again) $(TSAN) all unit support
	$(Q)LB_RUN='setarch -R' tests/check.sh $(B)/tsan unit tsan

fuzz: ## run every fuzzer for FUZZ_SECONDS (30)
	$(Q)packaging/deps.sh build check lint
	$(Q)tests/fuzz.sh $(B)/fuzz

cover: ## run the tests and tell which share of the lines they reach
	$(Q)packaging/deps.sh build check
	$(Q)tests/cover.sh $(B)/cover

bench: ## what logboom costs, beside the floor: 8 minutes (ARGS=--quick: 75 s; ARGS="--only idle")
	$(Q)packaging/deps.sh build check
	$(Q)$(again) all support $(BENCH_BIN) $(B)/tests/trace/outage
	$(Q)tests/bench/bench.py $(B) $(ARGS)

wear: ## what a card is written to, beside what else is used: 7 minutes (root; ARGS="--seconds 20")
	$(Q)packaging/deps.sh build check wear
	$(Q)$(again) all support
	$(Q)tests/bench/wear.py $(B) $(ARGS)

lint: ## warnings, format, layering, contracts, scripts, manuals
	$(Q)packaging/deps.sh build check lint
	$(Q)tests/lint.sh $(B)

fmt: ## format the C sources
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

ini: all ## write conf/logboom.ini and its manual page anew from the key table
	$(Q)$(B)/logboomd --help-config >$(B)/logboom.ini && mv $(B)/logboom.ini conf/logboom.ini
	$(Q)$(B)/logboomd --help-man >$(B)/logboom.ini.5 && mv $(B)/logboom.ini.5 packaging/man/logboom.ini.5

demo: ## see it work: a service, an agent, an intake, ten seconds (installs what is missing)
	$(Q)packaging/deps.sh build demo
	$(Q)$(again) all
	$(Q)tests/support/demo.sh $(B)

# --- packages

UNITDIR ?= $(PREFIX)/lib/systemd/system
export DESTDIR PREFIX SYSCONFDIR UNITDIR

install: all ## install under DESTDIR and PREFIX (/usr/local); keeps an existing configuration
	$(Q)packaging/install.sh $(B)

uninstall: ## remove what install put there, but the configuration
	$(Q)packaging/install.sh --remove

$(B)/logboom.cdx.json: $(B)/logboomd $(B)/logboom packaging/sbom.py
	$(call say,SBOM)
	$(Q)packaging/sbom.py $(B) $(VERSION) >$@.new && mv $@.new $@

sbom: $(B)/logboom.cdx.json ## what the programs are made of, as CycloneDX (needs dpkg)

sbom-static: static ## the same of the client of one piece
	$(call say,SBOM)
	$(Q)packaging/sbom.py --static $(B) $(VERSION) >$(B)/logboom-static.cdx.json

deb: ## build the Debian package, in B
	$(Q)packaging/deps.sh --missing build deb
	$(Q)packaging/deb.sh $(B) $(VERSION)

deb-cross: ## build it for another architecture, in a Debian made for that (root; ARCH=arm64, armhf, armel)
	$(Q)packaging/deps.sh build deb cross
	$(Q)packaging/deb.sh $(B) $(VERSION) $(or $(ARCH),$(error ARCH=arm64, armhf or armel))

deb-repro: $(B)/tests/support/fakeclock.so ## build it twice, in unlike surroundings: is it the same, byte for byte?
	$(Q)packaging/deps.sh --missing build deb
	$(Q)packaging/repro.sh $(B) $(VERSION)

clean: ## remove what was built
	rm -rf $(B)

.PHONY: all static help wear deps check-build unit support kp apart kill check check-unit check-kill check-ini check-e2e check-long check-image check-cross check-fleet fleet ga \
        asan tsan fuzz cover bench lint fmt ini demo install uninstall sbom sbom-static deb deb-cross deb-repro clean
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
