/* SPDX-License-Identifier: MIT */
#ifndef LB_TESTS_FLEET_H
#define LB_TESTS_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ship/retry.h"

/*
 * A fleet of virtual agents and the one intake that they ship to, in virtual
 * time. What is real is agent/ship/retry.c, linked as it is: the backoff, the
 * breaker, the beat. What the shipper makes of it (when a body is due, how
 * large it may be, what is shed) is told again in device.c, in lines instead
 * of bytes, for a device of one service: its bodies go one after the other.
 *
 *   device.c   when one device sends, and what it makes of the answer
 *   intake.c   what the intake answers, and when
 *   run.c      the fleet: a heap of devices by their next event, and the counts
 *   fleet.c    scenarios, tables, claims
 */
#define FLEET_S     1000000000ull
#define FLEET_MS    1000000ull
#define FLEET_NEVER UINT64_MAX

enum fleet_outage {
    FLEET_REFUSES,  /* no connection */
    FLEET_HANGS,    /* no answer */
    FLEET_PUTS_OFF, /* 503, or 429 with Retry-After */
};

/* What is asked of one run. Times in ns. */
struct fleet_plan {
    unsigned devices;
    uint64_t seed;
    bool is_plain; /* no jitter: pauses are exactly their longest; neither beat nor splay */

    uint64_t burst_lines, interval_ns; /* a device logs so many lines every so often ... */
    uint64_t log_within_ns;            /* ... beginning at its own moment in this stretch of the interval */
    uint64_t start_within_ns;          /* the devices start at their own moment in this; 0: all at once */
    uint64_t clock_known_ns;           /* since the start; until then routine bodies wait; 0: it is right */

    uint64_t wait_ns, retry_min_ms, retry_max_ms, timeout_ns, clock_wait_ns;
    uint64_t body_lines, ring_lines;

    double capacity_per_s;   /* above it the intake answers 503, or 429 with Retry-After */
    uint64_t retry_after_ms; /* 0: 503 */
    enum fleet_outage outage;
    bool links_return;         /* the outage is of the devices' links: they hear when theirs is back, ... */
    uint64_t link_within_ns;   /* ... each at its own moment in this */
    uint64_t outage_ns, up_ns; /* the intake is away from the one to the other; equal: never */

    uint64_t steady_from_ns, steady_to_ns; /* in between the steady state is measured */
    uint64_t mark_ns;                   /* from here on the peak is looked for, and what was logged before */
    uint64_t least_end_ns, last_end_ns; /* has to be cleared: the run ends when it is, between these two */
};

/* What came of it. Rates in requests per second, refused ones included. */
struct fleet_result {
    double steady_per_s;
    double peak_1s, peak_10s; /* the fullest 1 s and 10 s from the mark on */
    double storm_1s;          /* the fullest second of the outage */
    uint64_t requests;        /* from the mark on */
    uint64_t refused;         /* of them, for want of capacity */
    uint64_t lost_lines;      /* shed */
    uint64_t left_lines;      /* of what was logged before the mark, when the run ended */
    uint64_t half_ns, all_ns; /* from the mark until half and all of the devices have no backlog; or NEVER */
};

/*
 * Run a fleet to its end. The same plan gives the same result.
 *   returns   0 | -ENOMEM
 *   calls     any thread; takes no real time but that of computing
 */
int fleet_run(const struct fleet_plan *plan, struct fleet_result *ret_result);

/* ---- the intake ---- */

enum fleet_answer {
    FLEET_TAKEN,
    FLEET_OVERLOADED, /* 503, or 429 with Retry-After */
    FLEET_NOBODY,     /* refused connection, or none within the timeout */
};

struct fleet_intake {
    const struct fleet_plan *plan;
    double room; /* requests that may come at once: capacity refills it, up to one second's worth */
    uint64_t seen_ns;
};

/*
 * An intake with room for the requests of one second.
 *   plan      stays the caller's, outlives the intake
 */
void fleet_intake_open(struct fleet_intake *intake, const struct fleet_plan *plan);

/*
 * One request arrives. Times never go back from call to call.
 *   ret_late_ns  when its answer is known, after now, less the way there and back
 *   returns      the answer
 */
enum fleet_answer fleet_intake_ask(struct fleet_intake *intake, uint64_t now_ns, uint64_t *ret_late_ns);

/* ---- a device ---- */

struct fleet_device {
    struct lb_retry retry;
    uint64_t phase;             /* as the shipper's, from the machine's id */
    uint64_t first_ns;          /* when it logs for the first time */
    uint64_t start_ns;          /* when its agent started */
    uint64_t splay_until_ns;    /* what is seen before it is due then */
    uint64_t tail, lost;        /* lines that are final, and those of them that were shed */
    uint64_t force_pos;         /* lines before it are due now: they came back */
    uint64_t sending;           /* lines in the body on its way */
    uint64_t wait_due_ns;       /* when the next body is due by its age */
    uint64_t answer_ns;         /* when the body on its way is answered */
    uint64_t link_ns;           /* when its link comes back; NEVER: nothing of the kind will happen */
    uint64_t event_ns;          /* when something happens to it next */
    uint64_t backlog_pos;       /* what was logged before the mark ends here; 0: not known yet */
    enum fleet_answer answer;   /* what the body on its way will be told */
    bool is_sending, has_asked; /* has_asked: the intake was asked for the time */
    bool is_away;               /* a failure since the last delivery */
    bool is_cleared;
};

/*
 * Start a device.
 *   plan      its links_return and what goes with it says whether it will hear of its link
 *   id        its number, from which with the seed all follows in which it differs from the others
 */
void fleet_device_start(struct fleet_device *device, const struct fleet_plan *plan, uint64_t id);

/*
 * How many lines it has logged by then.
 */
uint64_t fleet_device_logged(const struct fleet_device *device, const struct fleet_plan *plan,
                             uint64_t now_ns);

/*
 * Its event has come: hear that the link is back, take the answer, send if a body is due; set the next event.
 *   intake    is asked when something is sent
 *   returns   true: a request was sent
 */
bool fleet_device_step(struct fleet_device *device, const struct fleet_plan *plan,
                       struct fleet_intake *intake, uint64_t now_ns);

/*
 * A number that depends on two others and on nothing else.
 */
uint64_t fleet_hash(uint64_t a, uint64_t b);

#endif
