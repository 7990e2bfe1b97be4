/* SPDX-License-Identifier: MIT */
/* The router played. In: lines, answers, time. Out: what lies in the queues of sinks. Always true: no
 * number is in a queue twice. */
#include "tests/unit/lib_route.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/pending.h"
#include "common/level.h"
#include "common/log.h"
#include "common/loop.h"

struct route route;

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "lib_route: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- transport ---- */

static int fake_send(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    unsigned ix = (unsigned)(uintptr_t)self;

    (void)body;
    (void)len;
    (void)encoding;
    route.wire[ix].is_out = true;
    route.wire[ix].slot = slot;
    route.wire[ix].sends++;
    return 0;
}

static bool fake_cancel(void *self, unsigned slot)
{
    (void)slot;
    route.wire[(uintptr_t)self].is_out = false;
    return true;
}

static void fake_close(void *self)
{
    (void)self;
}

static struct lb_wall_reading read_clocks(void *ctx)
{
    (void)ctx;
    return (struct lb_wall_reading) { route.now_ns, route.now_ns + 1800000000 * ROUTE_SECOND, true };
}

/* ---- begin and end ---- */

static void open_config(const char *sinks)
{
    char *text;

    lb_config_free(route.config_before);
    route.config_before = route.config;
    must(asprintf(&text, "%s%s",
                  strstr(sinks, "[sink first]") ? "" : "[sink first]\ntype = file\npath = /nowhere\n",
                  sinks) > 0,
         "text");
    route.config = rig_config(&route.rig, text);
    free(text);
}

static void open_outlets(void)
{
    route.router.files = &route.rig.files;
    route.router.urgent = LB_LEVEL_WARNING;
    for (unsigned ix = 1; ix < route.config->sink_count; ix++) {
        struct lb_outlet *outlet = &route.outlet[ix - 1];

        must(lb_outlet_open(outlet, route.rig.files.dir_fd, route.config, ix, route.now_ns) == 0, "outlet");
        route.router.outlet[route.router.outlets++] = outlet;
    }
    lb_router_protect(&route.router);
}

static void start_outlets(void)
{
    route.first = (struct lb_shipper) {
        .ring = &route.rig.files.ring,
        .state = &route.rig.files.state,
        .link = &route.rig.link,
        .config = route.config,
        .sink_config = &route.config->sinks[0],
        .read_clocks = read_clocks,
    };
    lb_wall_init(&route.first.wall, LB_WALL_EARLIEST_S * ROUTE_SECOND);
    for (unsigned i = 0; i < route.router.outlets; i++) {
        struct lb_outlet *outlet = &route.outlet[i];

        outlet->shipper.transport =
            (struct lb_transport) { (void *)(uintptr_t)i, fake_send, fake_cancel, fake_close, NULL, false };
        must(lb_outlet_start(outlet, &route.first, i + 1, i + 1, route.now_ns) == 0, "shipper");
        outlet->shipper.splay_until_ns = 0;
    }
}

void route_begin(uint64_t ring_bytes, const char *sinks)
{
    memset(&route, 0, sizeof route);
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    rig_begin(&route.rig, ring_bytes);
    route.now_ns = 100 * ROUTE_SECOND;
    open_config(sinks);
    open_outlets();
    lb_router_attach(&route.router);
    start_outlets();
}

void route_kill(void)
{
    for (unsigned i = 0; i < route.router.outlets; i++) {
        lb_outlet_stop(&route.outlet[i]);
        lb_files_close(&route.outlet[i].files);
    }
    memset(route.outlet, 0, sizeof route.outlet);
    memset(route.wire, 0, sizeof route.wire);
    memset(&route.router, 0, sizeof route.router);
    lb_files_close(&route.rig.files);
    memset(&route.rig.files, 0, sizeof route.rig.files);
}

void route_start(uint64_t ring_bytes, const char *sinks)
{
    struct lb_files *files = &route.rig.files;

    open_config(sinks);
    files->lock_fd = -1;
    files->dir_fd = open(route.rig.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(lb_files_open(files, ring_bytes, false) == 0, "files");
    open_outlets();
    lb_files_recover(files);
    lb_router_attach(&route.router);
    must(lb_files_resize(files, ring_bytes, false) == 0, "resize");
    lb_router_attach(&route.router);
    start_outlets();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    return ftw->level > 0 ? remove(path) : 0;
}

int route_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route.router.outlets; i++) {
        lb_outlet_stop(&route.outlet[i]);
        lb_files_close(&route.outlet[i].files);
    }
    nftw(route.rig.path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    rig_end(&route.rig);
    lb_config_free(route.config);
    lb_config_free(route.config_before);
    return 0;
}

/* ---- what comes, and what the first sink does ---- */

uint32_t route_put(const char *service, enum lb_level level, size_t len)
{
    route.rig.boot_ns = route.now_ns;
    return rig_put(&route.rig, service, level, len);
}

void route_put_kind(unsigned kind, const char *service, const void *body, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)body, len };
    struct lb_record head = { .lane = LB_LANE_ROUTINE,
                              .severity = LB_LEVEL_NOTICE,
                              .kind = (uint8_t)kind,
                              .boot_ns = route.now_ns,
                              .lines = 1 };

    head.service_ix = lb_state_service(&route.rig.files.state, service, strlen(service));
    must(lb_ring_put(&route.rig.files.ring, &head, service, strlen(service), "", 0, &piece, 1) == 0, "put");
    lb_commit_publish(&route.rig.files.state.fast);
}

void route_finish(uint64_t to)
{
    struct lb_files *files = &route.rig.files;

    must(lb_ring_finish(&files->ring, lb_ring_tail(&files->ring), to, LB_STATE_DELIVERED) == 0, "finish");
    lb_commit_publish(&files->state.slow);
}

void route_pass(uint64_t to)
{
    static const uint64_t next[LB_LANE_COUNT] = { 0 };

    lb_ring_pass(&route.rig.files.ring, to, next);
    lb_commit_publish(&route.rig.files.state.slow);
}

void route_finish_all(void)
{
    route_finish(route_head());
}

/* ---- steps ---- */

bool route_copy(void)
{
    bool has_moved = lb_router_step(&route.router, route.now_ns);

    lb_commit_publish(&route.rig.files.state.slow);
    return has_moved;
}

uint64_t route_step(void)
{
    uint64_t due_ns = LB_NEVER;

    route_copy();
    for (unsigned i = 0; i < route.router.outlets; i++)
        due_ns = lb_earlier(due_ns, lb_outlet_step(&route.outlet[i], route.now_ns));
    lb_link_put(&route.rig.link.slow_wake_pos, UINT64_MAX);
    return lb_earlier(due_ns, lb_router_ask(&route.router, &route.rig.link, &route.first, route.now_ns));
}

void route_answer(unsigned ix, int error)
{
    struct lb_answer answer = { .error = error };
    struct lb_outlet *outlet = &route.outlet[ix];

    if (!route.wire[ix].is_out)
        return;
    route.wire[ix].is_out = false;
    if (outlet->mover)
        lb_drain_answer_at(&outlet->drain, route.wire[ix].slot, &answer, route.now_ns);
    else
        lb_shipper_answer_at(&outlet->shipper, route.wire[ix].slot, &answer, route.now_ns);
}

void route_fail(unsigned ix)
{
    route_put("shop", LB_LEVEL_ERROR, 50);
    route_step();
    route.now_ns += ROUTE_SECOND;
    route_step();
    must(route.wire[ix].is_out, "a body is on its way");
    route_answer(ix, EIO);
    must(lb_shipper_is_away(&route.outlet[ix].shipper, route.now_ns), "it is away");
}

/* ---- what is there ---- */

static unsigned walk(const struct lb_ring *ring, unsigned kind, unsigned count, uint64_t *told)
{
    uint64_t head = lb_ring_head(ring);
    const struct lb_record *record;

    for (uint64_t pos = lb_ring_tail(ring); (record = lb_ring_at(ring, pos, head)); pos += record->len) {
        struct lb_receipt receipt;

        if (record->kind != kind || record->state >= LB_STATE_DELIVERED)
            continue;
        if (kind == LB_KIND_LINE)
            route.line[count] = (uint32_t)strtoul(lb_record_body(record) + 1, NULL, 10);
        if (kind == LB_KIND_RECEIPT && told) {
            memcpy(&receipt, lb_record_body(record), sizeof receipt);
            *told += receipt.lines;
        }
        count++;
    }
    return count;
}

static unsigned walk_all(unsigned ix, unsigned kind, uint64_t *told)
{
    const struct lb_files *files = &route.outlet[ix].files;
    unsigned count = files->has_old_ring ? walk(&files->old_ring, kind, 0, told) : 0;

    return walk(&files->ring, kind, count, told);
}

unsigned route_lines(unsigned ix)
{
    unsigned count = walk_all(ix, LB_KIND_LINE, NULL);

    for (unsigned i = 1; i < count; i++)
        assert_true(route.line[i] > route.line[i - 1]);
    return count;
}

unsigned route_kinds(unsigned ix, unsigned kind)
{
    return walk_all(ix, kind, NULL);
}

uint64_t route_told(unsigned ix)
{
    uint64_t told = 0;

    walk_all(ix, LB_KIND_RECEIPT, &told);
    return told;
}

uint64_t route_queued(unsigned ix)
{
    const uint64_t *words = route.outlet[ix].files.state.fast.region[LB_FAST_BOOKS].shared;
    uint64_t sum = 0;

    for (unsigned row = 0; row < LB_SERVICES_BOOKS; row++)
        sum += words[row * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES];
    return sum;
}

uint64_t route_missed(unsigned ix)
{
    const struct lb_state *state = &route.outlet[ix].files.state;
    uint64_t sum = 0;

    for (unsigned row = 0; row < LB_SERVICES_BOOKS; row++)
        for (unsigned why = 0; why < LB_DROP_COUNT; why++) {
            struct lb_drop_place place = lb_drop_place(row, why);

            sum += state->fast.region[place.region].shared[place.word];
        }
    return sum;
}

uint64_t route_shed(unsigned ix)
{
    const uint64_t *words = route.outlet[ix].files.state.slow.region[LB_SLOW_BOOKS].shared;
    uint64_t sum = 0;

    for (unsigned row = 0; row < LB_SERVICES_BOOKS; row++)
        sum += words[row * LB_BOOK_SLOW_WORDS + LB_BOOK_SHED];
    return sum;
}

uint64_t route_tail(void)
{
    return lb_ring_tail(&route.rig.files.ring);
}

uint64_t route_head(void)
{
    return lb_ring_head(&route.rig.files.ring);
}

void route_put_lines(unsigned count, size_t len)
{
    while (count-- > 0)
        assert_true(route_put("shop", LB_LEVEL_INFO, len) > 0);
}

uint64_t route_cursor(unsigned outlet)
{
    return route.outlet[outlet].files.state.fast.region[LB_FAST_INPUTS].shared[LB_OUTLET_CURSOR_POS];
}
