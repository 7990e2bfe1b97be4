# logboom: `make help` lists the targets. Objects go under B (default: build/), never beside the sources.

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
AGENT_LIBS  = -lcurl -lzstd -lz -linih

COMMON_SRC  := $(sort $(wildcard common/*.c))
CLI_SRC     := $(sort $(wildcard agent/cli/*.c))
ROOM_SRC    := $(sort $(wildcard agent/capture/*.c agent/shape/*.c agent/store/*.c agent/ship/*.c \
                 agent/ship/sinks/*.c agent/control/*.c agent/offline/*.c))
UNIT_SRC    := $(sort $(wildcard tests/unit/test_*.c))
TESTLIB_SRC := $(sort $(wildcard tests/unit/lib_*.c))
UNIT_BIN    := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/%)
objects      = $(patsubst %.c,$(B)/obj/%.o,$(1))

all: $(B)/logboomd $(B)/logboom ## build both programs (the default)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-14s %s\n", $$1, $$2}' Makefile

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
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(call objects,$(TESTLIB_SRC)) $(B)/libagent.a $(B)/libcommon.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LB_CFLAGS) $(CFLAGS) $(LB_LDFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(B)/deps-ok:
	@mkdir -p $(B) && touch $@

clean: ## remove what was built
	rm -rf $(B)

.PHONY: all help clean
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
