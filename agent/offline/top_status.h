/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_STATUS_H
#define LB_OFFLINE_TOP_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What `logboom top` wants to know of an agent, read off `status json`
 * (agent/control/status.h). What an older or a newer agent does not tell stays
 * "not there", and what it tells beside is passed over.
 */
#define LB_TOP_SERVICES 256
#define LB_TOP_SINKS    8
#define LB_TOP_NAME     129 /* bytes of a service's name, with NUL */

struct lb_top_quota {
    bool is_on;
    char window[8]; /* "day" or "month" */
    uint64_t limit, left;
    uint64_t ends_s; /* wall clock; 0: not known */
    unsigned step;   /* 0: all passes */
};

/* The books of one service, or of all, in lines where it says nothing else. */
struct lb_top_book {
    char name[LB_TOP_NAME];
    uint64_t in, in_bytes;
    uint64_t queued, delivered, pending;
    uint64_t held, dropped;
    uint64_t lost;       /* shed, rejected, and dropped for want of room: what nobody wanted to lose */
    uint64_t suppressed; /* held or dropped on purpose: held + dropped less what of it is lost */
    struct lb_top_quota quota;
};

struct lb_top_sink {
    char name[LB_TOP_NAME], type[16], state[16], last_error[256];
    double last_delivery_s, next_try_s; /* below 0: there is none */
    uint64_t wire_bytes;
    uint64_t wire_bytes_today;
    bool has_today;
};

struct lb_top_fill {
    bool is_there;
    uint64_t size, used;
};

struct lb_top_status {
    char version[32], hostname[256], clock_state[16], ring_id[24];
    uint64_t pid;
    double uptime_s;
    uint64_t boot_ms, wall_ms;
    struct lb_top_book all;
    struct lb_top_book service[LB_TOP_SERVICES];
    unsigned services;
    struct lb_top_sink sink[LB_TOP_SINKS];
    unsigned sinks;
    struct lb_top_fill ring, held, staging, backlog;
    struct lb_top_quota quota; /* of the link */
    unsigned pressure;
};

/*
 * Read a status.
 *   text        len bytes of JSON
 *   ret_status  filled, also in part where the text is broken
 *   returns     true: it is whole, and an agent's
 *   calls       any thread; a pure function
 */
bool lb_top_status_read(const char *text, size_t len, struct lb_top_status *ret_status);

#endif
