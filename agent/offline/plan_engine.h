/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_ENGINE_H
#define LB_OFFLINE_PLAN_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/capture/turn.h"
#include "agent/offline/plan_tally.h"
#include "agent/shape/pattern.h"
#include "agent/ship/shipper.h"
#include "agent/store/files.h"

/*
 * An agent at work on a virtual clock: the fast side's own code takes records,
 * the slow side's own shipper makes bodies of them, and a sink takes them at
 * once. Ring, held pool and tables are files in a directory of its own in tmpfs,
 * removed at the end.
 *
 *     record, its time ─▶ timers that are due before ─▶ throttle ─▶ ring ─▶ bodies ─▶ counted
 */
#define LB_PLAN_HEAD_BYTES 560u /* of an HTTP request beside its body, as measured with Datadog's headers */
#define LB_PLAN_TLS_BYTES  22u  /* that TLS adds to each 16 KiB */
#define LB_PLAN_ONE_IN     8u   /* bodies beyond the first ones are packed */

/* What bodies came to. */
struct lb_plan_sent {
    uint64_t wire_bytes, bodies;           /* heads and TLS included */
    double wire_by_row[LB_SERVICES_BOOKS]; /* by what a service has in each body */
};

struct lb_plan_engine {
    struct lb_config *config;
    struct lb_rules *rules;
    struct lb_files files;
    struct lb_staging staging; /* none of it is used */
    struct lb_loop loop;
    struct lb_link doors;
    struct lb_capture capture;
    struct lb_limit limit;
    struct lb_pattern_memo memo;
    struct lb_shipper shipper;
    struct lb_stream stream[LB_SERVICES_BOOKS];
    struct lb_stream_name name[LB_SERVICES_BOOKS];
    struct lb_shape_output shaped; /* of the last record */
    struct lb_turn turn;           /* goes on */
    unsigned turn_records;         /* of it; 0: there is none */
    struct {
        bool is_out;
        size_t len;
    } out[LB_TRANSPORT_SLOTS];
    bool is_unthrottled, has_files, has_doors;
    bool has_budget;    /* what is decided hangs on how much was sent */
    bool has_given_way; /* a record, so far, to whatever: it was not sent at once */
    uint64_t due_ns;    /* of the shipper */
    uint64_t offset_ns; /* wall time less the clock */
    struct lb_plan_sent sent;
    struct lb_plan_tally tally;
    char dir_path[64];
};

/*
 * Begin.
 *   config, rules   compiled; become the engine's
 *   is_unthrottled  nothing is held to a quota; it takes records by lb_plan_engine_put_again() alone
 *   wall_ms         of the first record
 *   returns         NULL: it was told on stderr
 *   calls           offline modes, as all of this
 */
struct lb_plan_engine *lb_plan_engine_new(struct lb_config *config, struct lb_rules *rules,
                                          bool is_unthrottled, uint64_t wall_ms);

/*
 * A record of a service at a time; one that lies before the clock is taken now.
 *   text      len bytes; changed
 *   returns   false: it was told on stderr; engine->shaped has what the steps made of it, until the next one
 */
bool lb_plan_engine_put(struct lb_plan_engine *engine, const char *service, size_t service_len,
                        const struct lb_shape *shape, char *text, size_t len, bool is_cut, uint64_t wall_ms);

/*
 * The same record for an engine that is_unthrottled, as another one has shaped it: it is sent, or it repeats
 * an error. shaped    of the other engine; unchanged
 */
bool lb_plan_engine_put_again(struct lb_plan_engine *engine, const char *service, size_t service_len,
                              const struct lb_shape_output *shaped, uint32_t lines, bool is_cut,
                              uint64_t wall_ms);

/*
 * Do what is due before a time, send what waits, and forget what was sent so far.
 */
void lb_plan_engine_begin_anew(struct lb_plan_engine *engine, uint64_t wall_ms);

/*
 * The share of the bodies' bytes that were packed in earnest, 0 to 1; the others' length is guessed, where
 * nothing that is decided hangs on it: there is no quota, and no rate of the link.
 */
double lb_plan_engine_measured(const struct lb_plan_engine *engine);

/*
 * Blank lines that are in no record.
 */
void lb_plan_engine_blank(struct lb_plan_engine *engine, const char *service, size_t service_len);

/*
 * The input has ended: what is untold is told, what is queued is sent.
 */
void lb_plan_engine_finish(struct lb_plan_engine *engine);

/*
 * Free it, and remove its files.
 */
void lb_plan_engine_free(struct lb_plan_engine *engine);

#endif
