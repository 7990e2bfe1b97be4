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

/*
 * Bodies: a stretch of the ring as the sink wants it. One builder holds the
 * raw text while it grows; what is squeezed out of it goes to a body's own
 * memory and stays there until the sink has judged it.
 */
struct lb_body {
    uint64_t from, to; /* ring positions */
    uint64_t lines;
    uint64_t raw_bytes;
    uint64_t range[2][2]; /* by lane: first and last number; 0: none */
    uint8_t *payload;     /* room bytes, kept between bodies */
    size_t payload_len;
    size_t room;
    bool is_damaged; /* behind `to` lies what is no record: nothing there can be shipped before a restart */
};

struct lb_builder {
    const struct lb_sink *sink;
    struct lb_encoder encoder;
    struct lb_compressor *compressor;
    enum lb_compression compression;
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
 * Make a body of the records from `from` on: as many as fit. Those it holds
 * become in flight. Records that are final already, and holes, are passed over;
 * they may lie within the body's stretch, but it begins with a record that it
 * holds: the tail cannot pass that, so nothing of the stretch is overwritten.
 *   head                where the ring ends
 *   wall_minus_boot_ns  for the stamps
 *   body      payload and room are kept and grown; the rest is filled in
 *   returns   1 a body | 0 nothing to ship in [from, head): body->to tells how far it looked | -ENOMEM | -EIO
 *   calls     slow side
 */
int lb_builder_make(struct lb_builder *builder, struct lb_ring *ring, uint64_t from, uint64_t head,
                    uint64_t wall_minus_boot_ns, struct lb_body *body);

/*
 * Give the records of a body back: those still in flight become pending.
 *   calls     slow side, when the body is on its way nowhere
 */
void lb_builder_give_back(struct lb_ring *ring, const struct lb_body *body);

/*
 * What a body's payload may take at most, for the memory ceiling.
 *   calls     slow side
 */
size_t lb_builder_payload_bound(const struct lb_builder *builder);

#endif
