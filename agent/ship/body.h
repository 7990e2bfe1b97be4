/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_BODY_H
#define LB_SHIP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/compress.h"
#include "agent/ship/encode.h"
#include "agent/ship/sinks/sink.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"

/*
 * Bodies: a stretch of the ring as the sink wants it. One builder holds the
 * raw text while it grows; what is squeezed out of it goes to a body's own
 * memory and stays there until the sink has judged it.
 */
#define LB_BODY_SUMS 16

/* What a body holds of one service, for the books. */
struct lb_body_sum {
    uint32_t row;
    uint64_t lines, bytes, own_lines, own_bytes;
};

struct lb_body {
    uint64_t from, to; /* ring positions */
    uint64_t lines;
    uint64_t raw_bytes;
    uint64_t range[LB_LANE_COUNT][2];    /* by lane: first and last number; 0: none */
    uint64_t next_before[LB_LANE_COUNT]; /* by lane: the number that comes next at `from` … */
    uint64_t next_after[LB_LANE_COUNT];  /* … and at `to` */
    struct lb_body_sum sum[LB_BODY_SUMS];
    unsigned sums;    /* LB_BODY_SUMS + 1: more services than that, to be counted by walking */
    uint8_t *payload; /* room bytes, kept between bodies */
    size_t payload_len;
    size_t room;
    enum lb_compression compression; /* of the payload */
    bool is_damaged; /* behind `to` lies what is no record: nothing there can be shipped before a restart */
    struct lb_stamps stamps; /* by which its records were stamped */
    bool is_expired;         /* no body: what lies at `to` is too old to be sent and is to be dropped */
};

/* What a body is to be made of. */
struct lb_body_plan {
    uint64_t from, head;          /* ring positions: where it begins, and where it ends at the latest */
    uint64_t next[LB_LANE_COUNT]; /* by lane: the number that comes next at `from` */
    size_t max_bytes, max_lines;  /* no more than the builder's; one record is taken in any case */
    struct lb_stamps stamps;
    bool drops_expired;
    bool is_replay; /* it comes from the backlog */
};

struct lb_builder {
    const struct lb_sink *sink;
    struct lb_composer composer; /* of a sink that has a format of its own */
    struct lb_encoder encoder;
    struct lb_compressor *compressor;
    enum lb_compression compression;
    int level;
    size_t max_bytes; /* of raw text, the configured and the sink's */
    size_t max_lines;
    char *raw;
    size_t raw_room;
};

/*
 * Set up a builder.
 *   config    outlives it; sink_config is one of its sinks
 *   returns   0 | -ENOMEM
 *   calls     slow side
 */
int lb_builder_init(struct lb_builder *builder, const struct lb_sink *sink, const struct lb_config *config,
                    const struct lb_sink_config *sink_config, uint64_t ring_id);
void lb_builder_close(struct lb_builder *builder);

/*
 * Make a body: as many records as fit. Records that are final already, and
 * holes, are passed over; they may lie within the body's stretch, but it begins
 * with a record that it holds: the tail cannot pass that, so nothing of the
 * stretch is overwritten.
 *   state     for the books' rows
 *   body      payload and room are kept and grown; the rest is filled in
 *   returns   1 a body | 0 nothing to ship before body->to, which tells how far it looked | -ENOMEM | -EIO
 *   calls     slow side
 */
int lb_builder_make(struct lb_builder *builder, struct lb_ring *ring, const struct lb_state *state,
                    const struct lb_body_plan *plan, struct lb_body *body);

/*
 * Squeeze bodies in another way from now on.
 *   returns   0 | -ENOMEM: as before
 *   calls     slow side
 */
int lb_builder_recode(struct lb_builder *builder, enum lb_compression compression);

/*
 * What a body's payload may take at most, for the memory ceiling.
 *   calls     slow side
 */
size_t lb_builder_payload_bound(const struct lb_builder *builder);

#endif
