/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_ROUTE_H
#define TESTS_LIB_ROUTE_H

#include "agent/ship/router.h"
#include "tests/unit/lib_ring.h"

/*
 * The router on a store of its own, with sinks whose transport goes nowhere and
 * a clock that the test moves. What the first sink would do to the ring is
 * played by hand: nothing is shipped there, records become final when the test
 * says so. Cannot fail: a fault in here ends the test program.
 */
#define ROUTE_SECOND 1000000000ull
#define ROUTE_LINES  20000

struct route {
    struct rig rig; /* of the first sink */
    struct lb_config *config, *config_before;
    struct lb_shipper first; /* never started: only what others look at */
    struct lb_router router;
    struct lb_outlet outlet[LB_SINKS_MAX];
    uint64_t now_ns;
    struct {
        bool is_out;
        unsigned slot, sends;
    } wire[LB_SINKS_MAX];
    uint32_t line[ROUTE_LINES]; /* of the last route_lines() */
};

extern struct route route;

/*
 * Begin with a ring of this size and these settings; the first sink is of type
 * file, so settings need none of it. And an end.
 */
void route_begin(uint64_t ring_bytes, const char *sinks);
int route_end(void **state);

/*
 * As a kill would leave all, what was not published is gone; and a start with
 * these settings and a ring of that size, as logboomd has it.
 */
void route_kill(void);
void route_start(uint64_t ring_bytes, const char *sinks);

/*
 * Put a line into the ring; the router is not called.
 *   returns  its number | 0 no room
 */
uint32_t route_put(const char *service, enum lb_level level, size_t len);

/*
 * Put a record of another kind, with this body.
 */
void route_put_kind(unsigned kind, const char *service, const void *body, size_t len);

/*
 * The first sink has taken all up to a position of the ring: by state, or by
 * passing it (lb_ring_pass). And all that is there.
 */
void route_finish(uint64_t to);
void route_pass(uint64_t to);
void route_finish_all(void);

/*
 * The router's step; and then a step of each outlet, whose time is asked for.
 *   returns  when to look again (boot time)
 */
bool route_copy(void);
uint64_t route_step(void);

/*
 * The body that an outlet has on its way is taken, or not; nothing when there is none.
 */
void route_answer(unsigned outlet, int error);

/*
 * Let a sink fail, so that it is away until somebody lets it answer.
 */
void route_fail(unsigned outlet);

/*
 * Numbers of the lines in an outlet's rings that are not final, in their order,
 * in route.line. The test ends where one is there twice.
 *   returns  how many
 */
unsigned route_lines(unsigned outlet);

/*
 * Records of a kind that are not final in an outlet's ring; of receipts, the
 * lines that they tell.
 */
unsigned route_kinds(unsigned outlet, unsigned kind);
uint64_t route_told(unsigned outlet);

/*
 * What an outlet's books say: lines that were put into its ring, and those that
 * did not come there.
 */
uint64_t route_queued(unsigned outlet);
uint64_t route_missed(unsigned outlet);
uint64_t route_shed(unsigned outlet);

uint64_t route_tail(void);
uint64_t route_head(void);

#define ROUTE_KIB   1024
#define ROUTE_SMALL "[capture]\nmax_line = 4K\njoin_bytes = 4K\n"
#define ROUTE_FILED                                                                                      \
    "type = file\npath = /nowhere2\nqueue = 64K\nqueue_backlog = off\nbody_lines = 10\nretry_min = 1h\n" \
    "retry_max = 1h\nwait = 10ms\n"

/*
 * Put lines of info, len bytes each, of a service "shop" into the ring.
 */
void route_put_lines(unsigned count, size_t len);

/*
 * How far an outlet was given the ring, as the next agent would find it.
 */
uint64_t route_cursor(unsigned outlet);

#endif
